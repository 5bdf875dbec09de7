#include <algorithm>
#include <cmath>

#include "separatrix/codes/sign_code.h"

namespace separatrix {
namespace {

struct BinaryConfig {};
template <class V>
void visit(V&, BinaryConfig&) {}

class BinaryBook final : public Codebook {
 public:
  explicit BinaryBook(Index bits) : bits_(bits) {}
  void key(Index j, std::span<float> out) const override {
    for (Index i = 0; i < bits_; ++i) out[std::size_t(i)] = (j >> i & 1) != 0 ? 1.0F : -1.0F;
  }

 private:
  Index bits_;
};

/// bin_L(j) in {-1, +1}^L: s(p, j) = L - 2 ham(p, j), and the sum over the cube is a product:
/// leak = (1 + e^{-2c})^L - 1, attained where N = 2^L.
class Binary final : public AddressCode {
 public:
  using Config = BinaryConfig;
  explicit Binary(const Config&) {}

  CodeNumbers numbers(Index positions, Arithmetic format) const override {
    check_positions(positions);
    const Index bits = std::max<Index>(1, digits_of(positions, 2));
    // From two positions on, some pair differs in all bits: 2^(L-1) and 2^(L-1) - 1.
    CodeNumbers n =
        whole_number_code(positions, format, bits, double(bits), double(-bits), double(bits - 2));
    n.parameters = {{"bits", bits}};
    n.leak_attained = positions == Index(1) << bits;
    return n;
  }
  double leak(const CodeNumbers& n, double temperature) const override {
    if (n.positions == 1) return 0;
    return std::expm1(double(n.width) * std::log1p(std::exp(-2 * temperature)));
  }
  std::unique_ptr<Codebook> codebook(Index positions, Arithmetic format) const override {
    return std::make_unique<BinaryBook>(numbers(positions, format).width);
  }
};

}  // namespace

void register_binary(Registry<AddressCode>& codes) {
  codes.add<Binary>("binary", "binary digits as -1 and +1: the usual choice");
}

}  // namespace separatrix

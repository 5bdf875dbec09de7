#include <algorithm>

#include "separatrix/codes/sign_code.h"

namespace separatrix {
namespace {

struct OneHotConfig {};
template <class V>
void visit(V&, OneHotConfig&) {}

class OneHotBook final : public Codebook {
 public:
  void key(Index j, std::span<float> out) const override {
    std::fill(out.begin(), out.end(), 0.0F);
    out[std::size_t(j)] = 1;
  }
};

/// Unit vectors: nothing to compute, width N; what every other code is compared with.
class OneHot final : public AddressCode {
 public:
  using Config = OneHotConfig;
  explicit OneHot(const Config&) {}

  CodeNumbers numbers(Index positions, Arithmetic format) const override {
    check_positions(positions);
    CodeNumbers n = whole_number_code(positions, format, positions, 1, 0, 0);
    n.leak_attained = true;
    return n;
  }
  std::unique_ptr<Codebook> codebook(Index positions, Arithmetic) const override {
    check_positions(positions);
    return std::make_unique<OneHotBook>();
  }
};

}  // namespace

void register_one_hot(Registry<AddressCode>& codes) {
  codes.add<OneHot>("one-hot", "one coordinate per position, to compare with");
}

}  // namespace separatrix

#include <algorithm>
#include <bit>
#include <cmath>

#include "separatrix/codes/sign_code.h"

namespace separatrix {
namespace {

struct HadamardConfig {
  bool biorthogonal = false;
};
template <class V>
void visit(V& v, HadamardConfig& c) {
  v("biorthogonal", c.biorthogonal, "each row and its negative: half the width, not for sums");
}

class HadamardBook final : public Codebook {
 public:
  explicit HadamardBook(bool biorthogonal) : biorthogonal_(biorthogonal) {}
  void key(Index j, std::span<float> out) const override {
    const auto row = std::uint64_t(biorthogonal_ ? j >> 1 : j);
    const bool negative = biorthogonal_ && (j & 1) != 0;
    for (std::size_t x = 0; x < out.size(); ++x)
      out[x] = (std::popcount(row & x) % 2 != 0) != negative ? -1.0F : 1.0F;
  }

 private:
  bool biorthogonal_;
};

/// Rows (-1)^<j, x> of Sylvester's matrix, pairwise orthogonal; biorthogonal: also their negatives.
class Hadamard final : public AddressCode {
 public:
  using Config = HadamardConfig;
  explicit Hadamard(const Config& config) : biorthogonal_(config.biorthogonal) {}

  CodeNumbers numbers(Index positions, Arithmetic format) const override {
    check_positions(positions);
    const Index rows = biorthogonal_ ? (positions + 1) / 2 : positions;
    const Index r = digits_of(rows, 2), width = Index(1) << r;
    const bool negatives = biorthogonal_ && positions > 1;
    const bool only_negatives = negatives && positions == 2;
    CodeNumbers n =
        whole_number_code(positions, format, width, double(width), negatives ? double(-width) : 0,
                          only_negatives ? double(-width) : 0);
    n.parameters = {{"r", r}};
    n.leak_attained = true;
    n.largest = biorthogonal_ ? 2 * kExactSum : kExactSum;
    n.caveat = "float32 adds no more than 2^24 entries exactly";
    return n;
  }
  /// All others weigh e^{-c n}, but a position's negative e^{-2cn}. If N is odd, the last has none.
  double leak(const CodeNumbers& n, double temperature) const override {
    const double other = std::exp(-temperature * n.peak);
    if (!biorthogonal_ || n.positions % 2 != 0) return double(n.positions - 1) * other;
    return double(n.positions - 2) * other + other * other;
  }
  std::unique_ptr<Codebook> codebook(Index positions, Arithmetic format) const override {
    check_fits(numbers(positions, format), "hadamard");
    return std::make_unique<HadamardBook>(biorthogonal_);
  }

 private:
  bool biorthogonal_;
};

}  // namespace

void register_hadamard(Registry<AddressCode>& codes) {
  codes.add<Hadamard>("hadamard", "orthogonal rows of -1 and +1");
}

}  // namespace separatrix

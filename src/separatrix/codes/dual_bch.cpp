#include "separatrix/codes/trace_code.h"

namespace separatrix {
namespace {

struct DualBchConfig {
  double coherence = 0.5;
};
template <class V>
void visit(V& v, DualBchConfig& c) {
  v("coherence", c.coherence, "largest inner product that is allowed, of 1, on either side");
}

/// (-1)^Tr(a_1 x + a_3 x^3 + .. + a_{2t-1} x^{2t-1}) for x in GF(2^r): N = 2^{tr}.
class DualBch final : public AddressCode {
 public:
  using Config = DualBchConfig;
  explicit DualBch(const Config& config) : coherence_(config.coherence) {
    check_coherence(coherence_, "dual-bch");
  }

  CodeNumbers numbers(Index positions, Arithmetic format) const override {
    check_positions(positions);
    return trace_numbers(choose(positions), positions, format);
  }
  std::unique_ptr<Codebook> codebook(Index positions, Arithmetic format) const override {
    check_fits(numbers(positions, format), "dual-bch");
    return trace_book(choose(positions));
  }

 private:
  /// The least r for which some t has room for all positions within the coherence; t = 1 always
  /// has both in the end.
  TraceCode choose(Index positions) const {
    const Index bits = digits_of(positions, 2);
    for (Index r = 1;; ++r) {
      const TraceCode code{r, std::max<Index>(1, (bits + r - 1) / r)};
      if (largest_sum(code) <= coherence_ * double(Index(1) << r)) return code;
    }
  }

  double coherence_;
};

}  // namespace

void register_dual_bch(Registry<AddressCode>& codes) {
  codes.add<DualBch>("dual-bch", "signs of traces of polynomials, for a wanted coherence");
}

}  // namespace separatrix

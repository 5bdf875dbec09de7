#include "separatrix/codes/trace_code.h"

namespace separatrix {
namespace {

struct GoldConfig {};
template <class V>
void visit(V&, GoldConfig&) {}

/// (-1)^Tr(a x + b x^3): N = 2^{2r}, inner products 0 and +-2^{(r+1)/2} for odd r.   [gold1968]
class Gold final : public AddressCode {
 public:
  using Config = GoldConfig;
  explicit Gold(const Config&) {}

  CodeNumbers numbers(Index positions, Arithmetic format) const override {
    check_positions(positions);
    return trace_numbers(choose(positions), positions, format);
  }
  std::unique_ptr<Codebook> codebook(Index positions, Arithmetic format) const override {
    check_fits(numbers(positions, format), "gold");
    return trace_book(choose(positions));
  }

 private:
  /// Below r = 3 the cubes add no words: x^3 = 1 on all of GF(4) but 0.
  static TraceCode choose(Index positions) {
    return {std::max<Index>(3, (digits_of(positions, 2) + 1) / 2), 2};
  }
};

}  // namespace

void register_gold(Registry<AddressCode>& codes) {
  codes.add<Gold>("gold", "signs of Tr(a x + b x^3): coherence about sqrt(2 / width)");
}

}  // namespace separatrix

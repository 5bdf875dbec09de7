#pragma once

#include <string>

#include "separatrix/base/index.h"
#include "separatrix/model/interval.h"
#include "separatrix/model/rounded.h"
#include "separatrix/model/scalar.h"

namespace separatrix {

/// Config fields of every recurrent block: derive the block's config from this, and call
/// visit_state_format first in its visit.
struct StateFormatConfig {
  std::string state_format = "float32";
  double state_range = 1;
};
template <class V>
void visit_state_format(V& v, StateFormatConfig& c) {
  v("state_format", c.state_format,
    "of the numbers carried between positions: float32, bfloat16, float16, int8, int4, int2, bit");
  v("state_range", c.state_range, "int8, int4, int2: the largest number that can be carried");
}

/// How a recurrent block stores what it carries from one position to the next. After each step
/// every number of the state is rounded to the nearest of the format's, ties to even:
/// - float32 as computed; bfloat16, float16: the nearest, the largest where it would overflow;
/// - int8, int4, int2 (b bits): k R / K, k = -K .. K, K = 2^(b-1) - 1, R = state_range;
/// - bit: 0, or 1 from 1/2 up.
/// A zero state is representable in all of them. The gradient passes the rounding unchanged
/// (straight-through, [bengio2013]).
class StateFormat {
 public:
  /// Throws Error(spec): unknown format, range not positive.
  explicit StateFormat(const StateFormatConfig& config);

  Index bits() const { return bits_; }  ///< per number
  /// Nothing is rounded: the state is what was computed.
  bool is_float32() const { return kind_ == Kind::float32; }

  /// x[n] = rounded, in place.
  void round(Index n, float* x) const;

  /// For references. Monotone, so the ends of an interval become the ends of one.
  double rounded(double x) const;
  Interval rounded(Interval x) const { return {rounded(x.lower()), rounded(x.upper())}; }
  template <Arithmetic A>
  Rounded<A> rounded(Rounded<A> x) const {
    return Rounded<A>(rounded(double(x)));
  }

 private:
  enum class Kind { float32, bfloat16, float16, integer, bit };
  Kind kind_ = Kind::float32;
  Index bits_ = 32;
  double range_ = 1, largest_ = 0;  ///< R and K of the integers
};

}  // namespace separatrix

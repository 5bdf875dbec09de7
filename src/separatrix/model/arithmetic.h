#pragma once

#include <array>
#include <string>

namespace separatrix {

/// What a statement about a model is about: the weights as real numbers, or what a computer makes
/// of them. docs/numerics.md, "Arithmetics".
enum class Arithmetic {
  real,      ///< exact
  float32,   ///< as this program's kernels compute
  bfloat16,  ///< every tensor rounded to 8 significant bits; sums and softmax in float32
  float16,   ///< every tensor rounded to 11 significant bits, 65504 the largest; the same
};
inline constexpr std::array kArithmetics = {Arithmetic::real, Arithmetic::float32,
                                            Arithmetic::bfloat16, Arithmetic::float16};

/// "real", "float32", "bfloat16", "float16".
const char* to_string(Arithmetic arithmetic);
/// Throws Error(spec) with the nearest match.
Arithmetic read_arithmetic(const std::string& name, const std::string& where);

/// Numbers of the arithmetic are m 2^e with |m| < 2^significant and e >= least_exponent, and at
/// most `largest` in magnitude. Meaningless for the reals.
struct NumberFormat {
  int significant = 24, least_exponent = -149;
  double largest = 0;
  /// Half the distance from 1 to the next number: |round(x) - x| <= unit |x| for normal x.
  double unit() const;
};
NumberFormat number_format(Arithmetic arithmetic);

/// The nearest number of the format, ties to even; beyond the largest: infinity. The identity for
/// the reals. Monotone, so it maps the ends of an interval to the ends of one.
double round_to(Arithmetic arithmetic, double x);
inline bool is_representable(Arithmetic arithmetic, double x) {
  return round_to(arithmetic, x) == x;
}

/// Where every tensor is rounded that leaves an operation; the two others are not emulated.
inline constexpr bool is_emulated(Arithmetic a) {
  return a == Arithmetic::bfloat16 || a == Arithmetic::float16;
}

}  // namespace separatrix

#include "separatrix/model/arithmetic.h"

#include <cmath>
#include <limits>

#include "separatrix/base/error.h"
#include "separatrix/base/names.h"

namespace separatrix {

const char* to_string(Arithmetic arithmetic) {
  switch (arithmetic) {
    case Arithmetic::real:
      return "real";
    case Arithmetic::float32:
      return "float32";
    case Arithmetic::bfloat16:
      return "bfloat16";
    case Arithmetic::float16:
      return "float16";
  }
  return "";
}

Arithmetic read_arithmetic(const std::string& name, const std::string& where) {
  std::vector<std::string> names;
  for (const Arithmetic arithmetic : kArithmetics) {
    if (name == to_string(arithmetic)) return arithmetic;
    names.emplace_back(to_string(arithmetic));
  }
  throw Error(ErrorKind::spec, "unknown value '" + name + "'", where, did_you_mean(name, names));
}

double NumberFormat::unit() const { return std::ldexp(1.0, -significant); }

NumberFormat number_format(Arithmetic arithmetic) {
  switch (arithmetic) {
    case Arithmetic::bfloat16:
      return {8, -133, 0x1.FEp127};
    case Arithmetic::float16:
      return {11, -24, 65504.0};
    case Arithmetic::real:
    case Arithmetic::float32:
      break;
  }
  return {24, -149, double(std::numeric_limits<float>::max())};
}

double round_to(Arithmetic arithmetic, double x) {
  if (arithmetic == Arithmetic::real || x == 0 || !std::isfinite(x)) return x;
  const NumberFormat format = number_format(arithmetic);
  int exponent = 0;
  std::frexp(x, &exponent);  // |x| in [2^(exponent - 1), 2^exponent)
  const int last = std::max(exponent - format.significant, format.least_exponent);
  // Scaling by a power of two is exact, and so is every double that is a multiple of 2^last here.
  const double rounded = std::ldexp(std::nearbyint(std::ldexp(x, -last)), last);
  if (std::abs(rounded) > format.largest)
    return std::copysign(std::numeric_limits<double>::infinity(), x);
  return rounded;
}

}  // namespace separatrix

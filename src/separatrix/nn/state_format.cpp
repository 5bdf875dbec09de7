#include "separatrix/nn/state_format.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "separatrix/base/error.h"
#include "separatrix/base/names.h"
#include "separatrix/kernels/round.h"

namespace separatrix {
namespace {

double saturated(Arithmetic arithmetic, double x) {
  const double largest = number_format(arithmetic).largest;
  return round_to(arithmetic, std::clamp(x, -largest, largest));
}

}  // namespace

StateFormat::StateFormat(const StateFormatConfig& config) : range_(config.state_range) {
  struct Entry {
    const char* name;
    Kind kind;
    Index bits;
  };
  constexpr std::array kFormats = {
      Entry{"float32", Kind::float32, 32}, Entry{"bfloat16", Kind::bfloat16, 16},
      Entry{"float16", Kind::float16, 16}, Entry{"int8", Kind::integer, 8},
      Entry{"int4", Kind::integer, 4},     Entry{"int2", Kind::integer, 2},
      Entry{"bit", Kind::bit, 1}};
  const auto* const found = std::find_if(kFormats.begin(), kFormats.end(), [&](const Entry& entry) {
    return config.state_format == entry.name;
  });
  if (found == kFormats.end()) {
    std::vector<std::string> names;
    names.reserve(kFormats.size());
    for (const Entry& entry : kFormats) names.emplace_back(entry.name);
    throw Error(ErrorKind::spec, "unknown state format '" + config.state_format + "'",
                "state_format", did_you_mean(config.state_format, names));
  }
  if (!(range_ > 0) || !std::isfinite(range_))
    throw Error(ErrorKind::spec, "state_range must be positive and finite", "state_range",
                "use the largest number that the state should hold");
  kind_ = found->kind;
  bits_ = found->bits;
  largest_ = std::exp2(double(bits_ - 1)) - 1;
}

double StateFormat::rounded(double x) const {
  switch (kind_) {
    case Kind::float32:
      return x;
    case Kind::bfloat16:
      return saturated(Arithmetic::bfloat16, x);
    case Kind::float16:
      return saturated(Arithmetic::float16, x);
    case Kind::integer:
      return std::nearbyint(std::clamp(x / range_, -1.0, 1.0) * largest_) * range_ / largest_;
    case Kind::bit:
      return x >= 0.5 ? 1 : 0;
  }
  return x;
}

void StateFormat::round(Index n, float* x) const {
  switch (kind_) {
    case Kind::float32:
      return;
    case Kind::bfloat16:
      return round_to_bfloat16(n, x);
    case Kind::float16:
      return round_to_float16(n, x);
    case Kind::integer:
      return round_to_grid(n, range_, largest_, x);
    case Kind::bit:
      return round_to_bit(n, x);
  }
}

}  // namespace separatrix

#include "separatrix/lab/certificate_words.h"

#include <cmath>
#include <limits>

#include <fmt/format.h>

namespace separatrix {
namespace {

bool is_infinite(double margin) { return margin == std::numeric_limits<double>::max(); }
constexpr const char* kInfinite = "infinite (one class)";

}  // namespace

std::string count_words(const std::string& inputs) {
  constexpr std::size_t kMostDigits = 40;
  if (inputs.size() <= kMostDigits || inputs.find_first_not_of("0123456789") != std::string::npos)
    return inputs;
  return fmt::format("{}.{}e+{}", inputs[0], inputs.substr(1, 2), inputs.size() - 1);
}

std::string margin_words(double margin) {
  return is_infinite(margin) ? kInfinite : fmt::format("{:.4g}", margin);
}

std::string margin_below(double margin) {
  return is_infinite(margin) ? kInfinite : fmt::format("{:.3f}", std::floor(1000 * margin) / 1000);
}

}  // namespace separatrix

#include "separatrix/tasks/checks.h"

#include <algorithm>

#include "separatrix/base/error.h"
#include "separatrix/base/names.h"

namespace separatrix {

void require_range(const std::string& field, Index value, Index low, Index high) {
  if (low <= value && value <= high) return;
  throw Error(ErrorKind::spec, "value " + std::to_string(value) + " is out of range", field,
              "choose a whole number from " + std::to_string(low) + " to " + std::to_string(high));
}

Index require_choice(const std::string& field, const std::string& value,
                     const std::vector<std::string>& choices) {
  for (std::size_t i = 0; i < choices.size(); ++i)
    if (same_name(choices[i], value)) return Index(i);
  throw Error(ErrorKind::spec, "unknown value '" + value + "'", field,
              did_you_mean(value, choices));
}

void require_length(const std::string& task, Index length, LengthRange range) {
  const Index last = range.low + (range.high - range.low) / range.step * range.step;
  if (length < range.low || length > last)
    throw Error(
        ErrorKind::spec, task + " has no instances of length " + std::to_string(length), "length",
        "choose a length from " + std::to_string(range.low) + " to " + std::to_string(last));
  const Index beyond = (length - range.low) % range.step;
  if (beyond == 0) return;
  const Index below = length - beyond;
  throw Error(ErrorKind::spec, task + " has no instances of length " + std::to_string(length),
              "length",
              "choose " + std::to_string(below) +
                  (below + range.step <= last ? " or " + std::to_string(below + range.step) : ""));
}

}  // namespace separatrix

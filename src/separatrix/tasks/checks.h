#pragma once

#include <string>
#include <vector>

#include "separatrix/base/index.h"

namespace separatrix {

/// Longest instance of any task, in tokens: token numbers fit 32 bits with room to spare and one
/// instance with its targets takes at most 128 MiB.
inline constexpr Index kMaxTokens = Index{1} << 24;

/// Throws Error(spec) unless low <= value <= high; `field` is the config key, "task/key".
void require_range(const std::string& field, Index value, Index low, Index high);

/// Which of `choices` the text of a config field is; '-' and '_' are alike. Throws Error(spec)
/// that names the nearest.
Index require_choice(const std::string& field, const std::string& value,
                     const std::vector<std::string>& choices);

/// The lengths a task has: low, low + step, ... up to high.
struct LengthRange {
  Index low = 1, high = kMaxTokens, step = 1;
};

/// Throws Error(spec) with the nearest length that exists as its hint.
void require_length(const std::string& task, Index length, LengthRange range);

}  // namespace separatrix

#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace separatrix {

/// Names of tasks, blocks and keys are equal up to '-' versus '_' ("index-lookup" =
/// "index_lookup").
bool same_name(std::string_view a, std::string_view b);
bool contains_name(const std::vector<std::string>& names, std::string_view name);

/// "did you mean 'parity'?" when a known name is within a third of the length by edit distance;
/// otherwise "one of: a, b, c".
std::string did_you_mean(std::string_view name, const std::vector<std::string>& known);

}  // namespace separatrix

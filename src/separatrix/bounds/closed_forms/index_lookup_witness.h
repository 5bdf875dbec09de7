#pragma once

#include "separatrix/bounds/bound.h"

namespace separatrix {

// The witness of the closed form is a rule that names one prefix per class and says what tells two
// of them apart; both sides know it by its name.
inline constexpr const char* kRuleQueryLast = "every prefix; query the position where two differ";
inline constexpr const char* kRuleQueryFirst =
    "query 0 with every first symbol, every other query with one; put unequal symbols where two "
    "look";
inline Json index_lookup_witness(bool query_first) {
  return {{"kind", "rule"}, {"rule", query_first ? kRuleQueryFirst : kRuleQueryLast}};
}

/// Reads the rule, not the closed form: index_lookup_check.cpp.
WitnessCheck check_index_lookup(const Task& task, const Bound& bound);

}  // namespace separatrix

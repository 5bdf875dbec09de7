#pragma once

namespace separatrix {

// The witness of a closed form is {"kind": "rule", "rule": one of these, "split": t}. A rule names
// one prefix per class at that cut and says what tells two of them apart; formula and checker share
// its name and nothing else. docs/bounds.md lists them.
inline constexpr const char* kRuleKind = "rule";
inline constexpr const char* kRuleIndexQueryLast =
    "every prefix; query the position where two differ";
inline constexpr const char* kRuleIndexQueryFirst =
    "query 0 with every first symbol, every other query with one; put unequal symbols where two "
    "look";
inline constexpr const char* kRuleEqualityHalves =
    "every x, and a clash; continue with the y that one of two equals";
inline constexpr const char* kRuleEqualityInterleaved =
    "every waiting symbol, and a clash; continue with the symbol that one of two equals";
inline constexpr const char* kRuleDisjointnessHalves =
    "every x, and a clash; continue with the one element that only one of two holds, or none";
inline constexpr const char* kRuleDisjointnessInterleaved =
    "every waiting bit, and a clash; continue with 1 if the bits differ, else with 0";
inline constexpr const char* kRuleDyckRecognition =
    "every stack that can still be emptied, and a dead prefix; close the stack of one of two";
inline constexpr const char* kRuleDyckNextToken =
    "every stack that can still be emptied; close what two stacks have in common on top";
inline constexpr const char* kRuleMqar =
    "the first keys with every choice of values; ask the first key whose values differ";
inline constexpr const char* kRuleNearestNeighbor =
    "different points with every choice of labels; ask the point whose labels differ";

}  // namespace separatrix

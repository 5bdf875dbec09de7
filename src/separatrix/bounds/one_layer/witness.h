#pragma once

#include "separatrix/bounds/bound.h"

namespace separatrix::one_layer {

// Witnesses of one-layer bounds, shared by the code that writes them and the code that checks them.
// Every one names the division of the input:
//   "asked": position whose answer is wanted, "last": the token there, known to both,
//   "alice": her positions, ascending, as [position] or {"first", "step", "count"}; Bob has the
//   rest.
// and then, by its "kind",
//   "rows": "rows" [[Alice's tokens]] and "columns" [[Bob's tokens]]: every two rows differ in
//     a column with which both are instances that are asked. "pad" [token], if present, continues
//     shorter columns, over and over.
//   "fooling set": "answer" v and "pairs" [[[Alice's], [Bob's]]]: all answered v, and of every two
//     one crossing is not; "others" [[Alice's], [Bob's]] one input per further answer.
//   "rank": "values" [{"answer", "rows", "columns"}]: square submatrices of 1[f = answer] that are
//     not singular; the count is the sum of their sizes.
//   "rule": "rule" one of the names below and "shows" "rows" or "leaves".
inline constexpr const char* kRowsKind = "rows";
inline constexpr const char* kFoolingKind = "fooling set";
inline constexpr const char* kRankKind = "rank";
inline constexpr const char* kRuleKind = "rule";

// Rules that give every Alice's part a partner: the pairs are a fooling set.
inline constexpr const char* kRuleCopy = "Bob's partner of a string is the same string";
inline constexpr const char* kRuleComplement = "Bob's partner of a set is its complement";
inline constexpr const char* kRuleRepair =
    "Bob's partner keeps one bracket open after each of Alice's, and none at the end";
inline constexpr const char* kRuleClose = "Bob's partner closes each of Alice's brackets";
inline constexpr const char* kRuleNest =
    "Bob's partner closes the stack that Alice's prefix leaves";
// Rules that name, for the first difference of two of Alice's parts, what Bob asks about it.
inline constexpr const char* kRulePoints = "Bob puts the last point where two labels differ";
inline constexpr const char* kRuleKeys = "Bob puts the last key where two values differ";
inline constexpr const char* kRuleQuery = "Bob queries the position where two strings differ";
inline constexpr const char* kRuleFixed = "the query is known: Alice's symbol there is the answer";
inline constexpr const char* kRuleWaiting =
    "query 0 with every first symbol, every other query but the last with one";
inline constexpr const char* kRuleFirstValue = "the last key has its value in Alice's prefix";

/// The code that reads witnesses; it shares nothing with the code that finds them.
WitnessCheck check_witness(const BoundRequest& request, const Bound& bound);
/// Also requires that Alice holds a prefix of the input.
WitnessCheck check_prefix(const BoundRequest& request, const Bound& bound);

}  // namespace separatrix::one_layer

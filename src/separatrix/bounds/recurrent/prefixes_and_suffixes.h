#pragma once

#include <algorithm>

#include "separatrix/bounds/bound.h"

namespace separatrix {

// The witness of folding, layered merge and DFA minimisation, shared by the code that writes it and
// the code that checks it:
//   {"kind", "prefixes": [[token]], "suffixes": [[token]]}
// Every two prefixes are told apart by one of the suffixes: both may be followed by it, and at its
// last token (the empty suffix: at the last token of the prefix) both are asked and the answers
// differ.

/// The prefixes have the length of the cut.
inline constexpr const char* kPrefixesKind = "prefixes and suffixes";
/// They have any lengths: "words" that lead to the states of one machine for every length.
inline constexpr const char* kWordsKind = "words and suffixes";
inline constexpr const char* kEveryLength = "machines that work at every length";

/// How many prefixes a witness gives: all classes up to `complete`, of more an even choice of at
/// most `selected`.
struct WitnessSize {
  Index complete = 0, selected = 0;
};
/// About 2^22 tokens of prefixes, and as many of suffixes.
inline WitnessSize prefixes_size(Index n_tokens) {
  const Index complete =
      std::clamp<Index>((Index{1} << 22) / std::max<Index>(n_tokens, 1), 4, 8192);
  return {complete, std::min<Index>(128, complete / 2)};
}
/// The words of n states, and what tells them apart, are at most n symbols long.
inline WitnessSize words_size() { return {1448, 128}; }

/// Reads the witness, not the method that found it: prefixes_and_suffixes_check.cpp.
WitnessCheck check_prefixes_and_suffixes(const BoundRequest& request, const Bound& bound);

}  // namespace separatrix

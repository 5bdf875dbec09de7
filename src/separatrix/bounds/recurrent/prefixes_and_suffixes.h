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

/// Up to this many classes of a cut with suffixes up to `n_tokens` tokens away, all are given:
/// about 2^22 tokens of prefixes, and as many of suffixes.
inline Index complete_up_to(Index n_tokens) {
  return std::clamp<Index>((Index{1} << 22) / std::max<Index>(n_tokens, 1), 4, 8192);
}
/// Of more classes, an even choice of this many at most.
inline Index selected_of_more(Index n_tokens) {
  return std::min<Index>(128, complete_up_to(n_tokens) / 2);
}
/// The words of a machine of `count` states and what tells them apart are shorter than that.
inline Index longest_words(const mpz_class& count) {
  return count < 1 << 20 ? 2 * Index(count.get_si()) : Index{1} << 21;
}

/// Reads the witness, not the method that found it: prefixes_and_suffixes_check.cpp.
WitnessCheck check_prefixes_and_suffixes(const BoundRequest& request, const Bound& bound);

}  // namespace separatrix

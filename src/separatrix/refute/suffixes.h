#pragma once

#include <optional>
#include <vector>

#include "separatrix/refute/prefixes.h"

namespace separatrix {

/// Two prefixes of one length whose states in the model are (nearly) equal, and suffixes that may
/// tell them apart: those of the samples that they came from.
struct PrefixPair {
  Tokens u, v;
  std::vector<Tokens> hints;
  double distance = 0;  ///< of the states, sup norm
};

/// Looks for suffixes w after which the task asks for different answers: u w and v w are instances,
/// and their targets differ somewhere after the cut.
class Suffixes {
 public:
  /// `last`: the last token that every suffix must have, if it is fixed.
  Suffixes(const Target& target, Index cut, std::optional<Token> last = {});

  bool distinguish(const PrefixPair& pair, const Tokens& w) const;
  /// Up to `most` that do, in this order: the hints, all single tokens where one token is left, the
  /// hints with one symbol replaced.
  std::vector<Tokens> find(const PrefixPair& pair, std::size_t most) const;
  /// w with one symbol replaced, where that still distinguishes the pair.
  void add_edits(const PrefixPair& pair, const Tokens& w, std::size_t most,
                 std::vector<Tokens>& found) const;

 private:
  const Target& target_;
  std::size_t cut_, n_tokens_;
  std::optional<Token> last_;
};

/// Runs both completions of each pair by its distinguishing suffixes, then by edits of the suffix
/// on which the model was least sure: when the states are equal one of the two must be wrong, and
/// when they are close one often is. The first wrong completion, with its pair.
std::optional<Refutation> judge_pairs(const std::string& method, const Suffixes& suffixes,
                                      const std::vector<PrefixPair>& pairs, Judge& judge,
                                      const AttackOptions& options, Effort& effort);

}  // namespace separatrix

#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "separatrix/tasks/task.h"

namespace separatrix {

/// What remains to be said after a prefix: the target at its last token and, for every token that
/// may follow, the class of the longer prefix. Equal classes of one level have equal futures.
struct ResidualClass {
  Token target = kIgnore;                         ///< at the last token of the prefix
  std::vector<std::pair<Token, Index>> children;  ///< legal token -> class one level down
  std::vector<Token> representative;              ///< the first prefix met
};

/// The tree of all instances of one length, folded from its leaves: per level (tokens read) the
/// distinct residual functions of its prefixes. docs/theory.md, "Recurrent state".
struct Residuals {
  std::vector<std::vector<ResidualClass>> levels;  ///< [n_tokens + 1]
  /// Per level: every prefix may be followed by the same suffixes and is asked at the same places.
  /// Then indistinguishability is an equivalence and the classes are the states, exactly.
  std::vector<bool> total;
  Index n_instances = 0;
  bool causal = true;  ///< false: some target depends on tokens after it; levels are meaningless
};

/// Enumerates every instance. Throws Error(spec) naming their number when there are over `limit`.
Residuals fold_residuals(const Task& task, Index length, Index limit);

/// Compares classes of one level, remembering what it found.
class Distinguisher {
 public:
  explicit Distinguisher(const Residuals& residuals)
      : residuals_(residuals), known_(residuals.levels.size()) {}
  /// A suffix, legal after both, at whose last token (empty: at the cut) both are asked and the
  /// answers differ; nullopt when there is none.
  std::optional<std::vector<Token>> suffix(Index level, Index a, Index b);

 private:
  /// First token of such a suffix; kDiffersHere, or kNever.
  Token first_step(Index level, Index a, Index b);
  const Residuals& residuals_;
  std::vector<std::unordered_map<std::uint64_t, Token>> known_;
};

/// Classes of `level` that are pairwise distinguishable: all of them when the level is total,
/// otherwise a set found greedily, in order (any such set gives a sound bound).
std::vector<Index> distinguishable_classes(const Residuals& residuals, Index level);

}  // namespace separatrix

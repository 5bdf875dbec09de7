#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "separatrix/bounds/recurrent/residual_diagram.h"

namespace separatrix {

/// Compares classes of one level. Where their shapes differ it searches, and remembers what it
/// found; after `budget` searched pairs, and further than 2000 tokens ahead, it no longer finds
/// anything, which only makes a bound smaller.
class Distinguisher {
 public:
  Distinguisher(const ResidualDiagram& diagram, Index budget)
      : diagram_(diagram), budget_(budget), known_(diagram.levels.size()) {}
  /// A suffix, legal after both, at whose last token (empty: at the cut) both are asked and the
  /// answers differ; nullopt when there is none.
  std::optional<std::vector<Token>> suffix(Index level, Index a, Index b);
  /// Whether there is one.
  bool apart(Index level, Index a, Index b) { return first_step(level, a, b, 0) != kNever; }

 private:
  static constexpr Token kDiffersHere = -2, kNever = -3;
  /// First token of such a suffix; kDiffersHere, or kNever.
  Token first_step(Index level, Index a, Index b, int depth);

  const ResidualDiagram& diagram_;
  Index budget_;
  std::vector<std::unordered_map<std::uint64_t, Token>> known_;
};

/// Classes of `level` that are pairwise distinguishable: all of them when the level is total,
/// otherwise a set found greedily (any such set gives a sound bound).
std::vector<std::int32_t> distinguishable_classes(const ResidualDiagram& diagram, Index level);

}  // namespace separatrix

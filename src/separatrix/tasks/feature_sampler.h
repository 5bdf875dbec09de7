#pragma once

#include <array>
#include <optional>
#include <vector>

#include "separatrix/tasks/features.h"

namespace separatrix {

/// Draws inputs with a given answer. Deciding whether there is one is as hard as satisfying
/// clauses, so this is a search: random edits that bring the number of features that hold nearer to
/// one with that answer.
class FeatureSampler {
 public:
  /// Looks for an input of either answer: all bits 0, all 1, random ones with edits, and, where a
  /// sweep is short enough, all inputs.
  explicit FeatureSampler(SparseFeatures features);
  /// Whether an input with this answer was found.
  bool has(bool answer) const { return witnesses_[answer ? 1 : 0].has_value(); }
  /// Where inputs of both answers were found, each answer comes in half of the draws. Half of
  /// these: uniform bits, edited until the answer is right. The other half: an input of the other
  /// answer drawn likewise, and one bit flipped that gives this one (edited further where no bit
  /// does). Where only one answer was found: uniform.
  void sample(Rng& rng, std::span<Token> bits) const;

  const SparseFeatures& features() const { return features_; }

 private:
  friend class FeatureWalk;
  struct Reading {
    Index feature;
    std::uint32_t row_bit;  ///< what the bit changes in the number of the table's row
  };
  void find_witnesses();
  void sweep();
  void keep_witness(bool answer, std::span<const Token> bits);

  SparseFeatures features_;
  std::vector<Index> relevant_;       ///< positions that some feature reads, ascending
  std::vector<Index> readings_from_;  ///< [n_positions + 1]: where a position's readings begin
  std::vector<Reading> readings_;
  std::array<std::vector<Index>, 2> distance_;  ///< [answer][m]: to the nearest count with it
  /// [answer]: the relevant bits of one input.
  std::array<std::optional<std::vector<bool>>, 2> witnesses_;
};

}  // namespace separatrix

#pragma once

#include <span>
#include <string>
#include <vector>

#include "separatrix/base/fields.h"
#include "separatrix/tasks/task.h"

namespace separatrix {

/// M Boolean functions of few bits each, and a symmetric function g of how many of them hold.
struct SparseFeatures {
  static constexpr Index kMaxArity = 8;
  static constexpr Index kMaxFeatures = Index{1} << 20;

  struct Feature {
    std::vector<Index> positions;  ///< k different ones, 1 <= k <= kMaxArity, in any order
    /// [2^k]: the value where the bits at positions[0], positions[1], .. read as a binary number,
    /// the first the highest digit, give the row: 00, 01, 10, 11.
    std::vector<bool> table;

    bool holds(std::span<const Token> bits) const {
      std::size_t row = 0;
      for (const Index p : positions) row = 2 * row + (bits[std::size_t(p)] == 1 ? 1 : 0);
      return table[row];
    }
  };

  std::vector<Feature> features;  ///< [M], at least one
  std::vector<bool> values;       ///< [M + 1]: g(0) .. g(M)
  std::string condition;          ///< g in words: "at least 2", "an odd number"

  Index size() const { return Index(features.size()); }
  /// 1 + the largest position: the least N that has them all.
  Index n_positions() const;
  /// How many features hold.
  Index count(std::span<const Token> bits) const;
  /// g(count): cost the sum of all k.
  bool answer(std::span<const Token> bits) const { return values[std::size_t(count(bits))]; }
};

/// Reads
///   features:
///     - {positions: [0, 1], computes: and}
///     - {positions: [5, 2, 3], table: [0, 1, 1, 0, 1, 0, 0, 1]}
///   function: or
/// computes: and, or, xor, majority (of k bits more than k / 2). function: or, and, majority (more
/// than M / 2), parity, {at-least: t}, {exactly: t}, {values: [g(0), .., g(M)]}. Throws Error(spec)
/// with "where:line (pointer)" for text that is no YAML, unknown and missing keys, repeated
/// positions and numbers that do not fit.
SparseFeatures parse_features(const std::string& yaml, const std::string& where);

/// Of N >= 2 bits, every two neighbours (i, i + 1) both 1; or. What an empty file name stands for.
SparseFeatures adjacent_ones(Index length);

/// The features of the task `sparse-features` with these parameters at length N. Throws Error as
/// the task and its check_length do.
SparseFeatures read_features(const Json& task_config, Index length);

}  // namespace separatrix

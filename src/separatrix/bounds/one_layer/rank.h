#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "separatrix/bounds/one_layer/communication.h"

namespace separatrix::one_layer {

/// The prime of rank_modulo: 2^31 - 1. The rank over the rationals is at least the one modulo any
/// prime, and leaves are bounded by the rank over any field.
inline constexpr std::int64_t kRankPrime = 2147483647;

struct Rank {
  /// Pivot positions in the order they were found: the submatrix of these rows and columns is not
  /// singular modulo kRankPrime. Their number is the rank.
  std::vector<Index> rows, columns;
};

/// Rank modulo kRankPrime of a matrix [n_rows, n_columns] of residues 0 .. kRankPrime - 1, row
/// after row, by blocked elimination. Cost: rows * columns * rank / 2 ... multiplications, exact:
/// the result depends neither on threads nor on the instruction set.
Rank rank_modulo(std::span<const std::uint32_t> matrix, Index n_rows, Index n_columns, int threads);

/// Per answer that occurs, the pivots of 1[answer = v]. The sum of the ranks bounds the leaves of
/// every protocol from below. The matrix must be total.
struct AnswerRank {
  Token answer = 0;
  Rank rank;
};
std::vector<AnswerRank> ranks_by_answer(const AnswerMatrix& matrix, int threads);

}  // namespace separatrix::one_layer

#pragma once

#include <span>
#include <string>
#include <vector>

#include "separatrix/bounds/bound.h"

namespace separatrix::one_layer {

/// Who holds what of an input: the token at `asked`, where the answer is wanted, is known to both;
/// Alice has the positions `alice` (ascending), Bob the rest.
struct Division {
  Index asked = 0;
  Token last = 0;
  std::vector<Index> alice;
};

/// The position at which answers are looked at: the last one that is asked in any of a few sampled
/// inputs (their last token, except where nothing is asked there). -1: nothing is ever asked.
Index asked_position(const Task& task, Index length);

/// Answers to pairs of parts, as Task::label gives them; kIgnore: no instance, or not asked.
struct AnswerMatrix {
  Division division;
  std::vector<std::vector<Token>> rows, columns;  ///< tokens of Alice's, of Bob's positions
  std::vector<Token> answers;                     ///< [rows, columns]
  bool total = true;                              ///< no kIgnore

  Index n_rows() const { return Index(rows.size()); }
  Index n_columns() const { return Index(columns.size()); }
  Token at(Index row, Index column) const {
    return answers[std::size_t(row * n_columns() + column)];
  }
};

/// Bob's positions: all that are neither Alice's nor asked.
std::vector<Index> bob_positions(const Division& division, Index n_tokens);

/// Fills the answers; with check_legal, pairs that are no instances are left out.
AnswerMatrix label_matrix(const BoundRequest& request, Division division,
                          std::vector<std::vector<Token>> rows,
                          std::vector<std::vector<Token>> columns, bool check_legal);

/// The matrix without repeated rows and columns, then without rows that differ from an earlier one
/// only where one of them is not asked: its rows pairwise differ where both are asked.
AnswerMatrix distinguishable(const AnswerMatrix& matrix);

/// Columns, few of them, in which every two rows of a distinguishable matrix differ where both are
/// asked.
std::vector<Index> telling_columns(const AnswerMatrix& matrix);

/// "the first 3 tokens | the rest", "even positions | odd positions" or the list; positions with
/// one symbol only are passed over.
std::string describe_partition(std::span<const Index> alice, std::span<const Index> free);

void throw_if_stopped(const BoundRequest& request);  ///< Error(io, "stopped")

}  // namespace separatrix::one_layer

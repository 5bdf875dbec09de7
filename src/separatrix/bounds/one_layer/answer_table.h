#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "separatrix/bounds/bound.h"

namespace separatrix::one_layer {

/// One token's part of the truth table, sparse: (Alice's and Bob's tokens) -> answer, for the
/// inputs with that token at the asked position. Each position has its own bits of the code, so
/// that a set of positions is a mask.
struct AnswerTable {
  Index asked = 0;
  Token last = 0;
  std::vector<std::vector<Token>> symbols;  ///< per position, ascending; one: nobody need hold it
  std::vector<std::uint64_t> masks;         ///< per position; 0 where there is one symbol
  Index n_instances = 0;
  bool total = false;  ///< every combination of symbols is an input that is asked
  Token common = 0;    ///< total: the most frequent answer
  struct Entry {
    std::uint64_t code;
    Token answer;
  };
  std::vector<Entry> entries;  ///< total: the inputs with another answer than `common`; else all

  std::uint64_t mask(std::span<const Index> positions) const;
  std::vector<Index> free_positions() const;  ///< with two symbols or more
  /// The symbols at `positions` of an input of that code.
  std::vector<Token> decode(std::uint64_t code, std::span<const Index> positions) const;
};

/// One table per token met at the asked position, at most `max_last` of them, in ascending order.
/// Empty when there are more than `max_instances` inputs, or a code would need over 64 bits.
std::vector<AnswerTable> tabulate(const BoundRequest& request, Index asked, Index max_instances,
                                  Index max_last);

/// Parts of which no two have equal rows: 64-bit hashes of the rows, so that a collision could only
/// make the number smaller. Of a table that is not total, rows with equal entries count as equal.
struct RowClasses {
  Index count = 0;
  std::vector<std::uint64_t> representatives;  ///< codes within the mask, ascending; if asked for
};
RowClasses row_classes(const AnswerTable& table, std::uint64_t alice, bool representatives);

/// Of a table that is not total: how many of at most `max_rows` parts, taken in order, pairwise
/// differ where both are asked.
Index pairwise_different_rows(const AnswerTable& table, std::uint64_t alice, Index max_rows);

}  // namespace separatrix::one_layer

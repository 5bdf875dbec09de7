#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "separatrix/tasks/dfa.h"
#include "separatrix/tasks/task.h"

namespace separatrix {

/// Partitions the states of an automaton by what it answers after suffixes of at most r symbols,
/// for r = 0, 1, .. (Moore 1956). The largest part of a split block keeps its number and only
/// states with a new number are looked back from, so all rounds together cost
/// O(transitions log states) look-ups, as in Hopcroft's method (1971).
class Refinement {
 public:
  explicit Refinement(const Dfa& dfa);  // keeps a reference

  Index round() const { return round_; }  ///< r
  Index n_blocks() const { return Index(blocks_.size()); }
  std::int32_t block(Index state) const { return block_[std::size_t(state)]; }
  /// One symbol more. False when that tells nothing new apart: then no longer suffix does.
  bool refine();
  /// The transitions into a state, ascending: state of origin times alphabet plus symbol.
  std::span<const std::int32_t> into(Index state) const {
    const std::size_t from = std::size_t(into_first_[std::size_t(state)]);
    return {into_.data() + from, std::size_t(into_first_[std::size_t(state + 1)]) - from};
  }
  /// A shortest suffix after which the answers of two states of different blocks differ.
  std::vector<Token> suffix(Index a, Index b) const;

 private:
  struct Block {
    Index first = 0, size = 0;  ///< its part of members_
    std::int32_t node = 0;      ///< its leaf in the tree of splits
  };
  /// The tree of splits, with jumps upwards for logarithmic search (Myers 1983).
  struct Node {
    std::int32_t parent = 0, jump = 0, depth = 0;
    std::int32_t round = 0;  ///< in which it was told apart from its siblings
  };
  struct Move {
    std::int32_t state, symbol, block;
  };
  using Part = std::pair<std::int32_t, std::int32_t>;  ///< signature, state

  std::int32_t add_node(std::int32_t parent);
  std::vector<Move> moves_into_changed() const;
  void split(std::int32_t block, const std::vector<Part>& touched,
             std::vector<std::int32_t>& changed);
  void swap_to(std::int32_t state, Index place);
  /// The round in which the two came apart; -1 when they are together.
  Index apart_since(Index a, Index b) const;

  const Dfa& dfa_;
  Index round_ = 0;
  std::vector<Index> into_first_;            ///< [states + 1] in into_
  std::vector<std::int32_t> into_;           ///< numbers of the transitions that lead to a state
  std::vector<std::int32_t> block_, place_;  ///< [states]: its block; where it is in members_
  std::vector<std::int32_t> members_;        ///< states, block by block
  std::vector<Block> blocks_;
  std::vector<Node> nodes_;
  std::vector<std::int32_t> changed_;  ///< states whose block was new in the last round
};

}  // namespace separatrix

#pragma once

#include <optional>
#include <vector>

#include "separatrix/bounds/bound.h"
#include "separatrix/bounds/recurrent/refinement.h"

namespace separatrix {

/// The states of an automaton that some nonempty word reaches, in the order of their first words
/// (shorter, then lexicographically smaller).
struct Machine {
  struct Arrival {
    std::int32_t from = -1;  ///< -1: the start, with no symbol read
    Token symbol = 0;
  };
  Dfa dfa;                         ///< only those states; state 0 is not the start
  std::vector<Index> after_start;  ///< [alphabet]: after one symbol
  std::vector<Arrival> arrivals;   ///< [states]: last step of the first word

  explicit Machine(const Dfa& whole);
  std::vector<Token> word(Index state) const;
};

/// Suffixes after which every two of the states, all of different blocks, are told apart by the
/// answer at the end; each at most refinement.round() long.
std::vector<std::vector<Token>> suffixes_apart(const Dfa& dfa, const Refinement& refinement,
                                               std::vector<std::int32_t> states);

/// States after exactly t symbols, for every t up to some length.
class StatesAfter {
 public:
  /// nullopt when the lists would have more than 2^27 entries in all.
  static std::optional<StatesAfter> find(const BoundRequest& request, const Machine& machine,
                                         Index length);
  /// Ascending; t >= 1.
  const std::vector<std::int32_t>& at(Index t) const { return lists_[std::size_t(number(t))]; }
  /// Equal numbers have equal lists.
  Index number(Index t) const {
    return t <= Index(lists_.size()) ? t - 1 : from_ + (t - 1 - from_) % period_;
  }

 private:
  std::vector<std::vector<std::int32_t>> lists_;
  Index from_ = 0, period_ = 1;  ///< after all lists, they repeat from list from_ on
};

}  // namespace separatrix

#pragma once

#include <cstdint>
#include <vector>

#include "separatrix/base/index.h"

namespace separatrix {

/// A complete deterministic automaton with an output per state; state 0 is the start.
struct Dfa {
  Index n_states = 0, alphabet = 0;
  std::vector<Index> next;           ///< [n_states, alphabet]
  std::vector<std::int32_t> output;  ///< [n_states]: the class answered after arriving there
  /// [n_states, alphabet]: whether an instance of the task, of whatever length, may go on so; empty:
  /// it always may.
  std::vector<bool> legal = {};

  Index step(Index state, Index symbol) const {
    return next[std::size_t(state * alphabet + symbol)];
  }
  bool is_legal(Index state, Index symbol) const {
    return legal.empty() || legal[std::size_t(state * alphabet + symbol)];
  }
};

}  // namespace separatrix

#pragma once

#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "separatrix/model/arithmetic.h"
#include "separatrix/model/weights.h"
#include "separatrix/tasks/task.h"

// The rechecking side of `pair-dataflow`: the model and the task, read anew.

namespace separatrix::pair_recheck {

/// h = [drive of the token + bias + h_before W_h >= 1/2], logits = h head + head_bias.
struct Net {
  std::size_t D = 0, C = 0;
  struct Wire {
    std::size_t from = 0;
    double weight = 0;
  };
  std::vector<std::vector<Wire>> into;  ///< [D]
  std::vector<double> bias, head, head_bias;
  std::map<std::size_t, std::vector<double>> drive;  ///< unit -> [vocabulary], where not all 0

  /// Why it is another model or rounds, or empty.
  std::string read(const Weights& weights, Arithmetic arithmetic);
  /// A step on one input.
  void step(std::vector<double>& state, Token token) const;
  /// Logits - as they are stored.
  double margin(const std::vector<double>& state, Token target, Arithmetic arithmetic) const;
};

/// The task, as its labels tell: whether some pair of symbols, one of each half, clashes.
struct Halves {
  std::vector<Token> symbols;
  Token end = 0, quiet = 0, broken = kIgnore;  ///< the last token; answers without and with a clash
  std::size_t n = 0;
  std::vector<bool> clashes;  ///< [|S| |S|]

  /// Why it is another task, or empty.
  std::string learn(const Task& task, Index length);

 private:
  std::string read_symbols(const Task& task, Index length);
  bool is_quiet(const std::vector<Token>& tokens) const;
  std::string agrees(const Task& task, Rng& rng) const;
};

}  // namespace separatrix::pair_recheck

#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "separatrix/proofs/elman.h"
#include "separatrix/proofs/pair_question.h"

// The proving side of `pair-dataflow`.

namespace separatrix {

/// Follows every unit of a state of bits through time as a function of one pair (x_i, y_i), or as a
/// constant. Functions are numbered: the same one of different pairs has the same number, so each
/// way of combining them is worked out once.
class PairFlow {
 public:
  PairFlow(const Elman& model, const PairQuestion& question);

  /// Reads all tokens; false with `why` when a unit comes to depend on two pairs or when it would
  /// take too long.
  bool read(std::string& why);

  struct Worst {
    double margin = std::numeric_limits<double>::infinity();
    std::vector<Token> input;  ///< attains it, where rounding to a format does not interfere
  };
  /// Least margin over all inputs, after `read`; logits rounded as the arithmetic stores them.
  Worst least_margin(Arithmetic arithmetic) const;

  Index functions() const { return Index(tables_.size()); }
  /// Of what the units hold at the end.
  std::string digest() const;

 private:
  using Table = std::vector<std::int8_t>;  ///< [|S| |S|]: 0 or 1
  static constexpr std::int32_t kConstant = -1;
  /// What a unit holds: constant 0 or 1, or the function `value` of a pair.
  struct Cell {
    std::int32_t pair = kConstant, value = 0;
    bool operator==(const Cell&) const = default;
  };
  enum class Role { x, y, end };
  struct Source {
    Index from = 0;
    double weight = 0;
  };
  struct Term {
    double weight = 0;
    std::int32_t table = 0;
  };
  /// What belongs to one pair in a unit's sum; `driven` by the token at hand, too.
  struct Part {
    std::int32_t pair = 0;
    bool driven = false;
    std::vector<Term> terms;
  };
  struct Range {
    double low = 0, high = 0;
  };
  /// The least value of a part of the logits, with the view that has it.
  struct Least {
    double value = 0;
    std::size_t view = 0;
  };
  struct Leasts {
    Least any, quiet, clash;
  };

  bool step(Role role, std::int32_t pair, std::string& why);
  std::optional<Cell> combine(Index u, Role role, std::int32_t pair);
  Cell threshold(double constant, const Part& part, Index u, Role role);
  std::vector<double> sums(const Part& part, Index u, Role role) const;
  Range range(const Part& part, Index u, Role role);
  std::int32_t number(const Table& table);
  Worst least(const std::vector<double>& weights, double constant, Token answer) const;
  Leasts leasts(const std::vector<Term>& terms) const;

  const Elman& m_;
  const PairQuestion& q_;
  std::vector<std::vector<Source>> sources_;              ///< [D]
  std::vector<double> symbols_, end_;                     ///< [D]: what every symbol, the end adds
  std::unordered_map<Index, std::vector<double>> drive_;  ///< unit -> [|S|], beyond symbols_
  double work_ = 0;                                       ///< sources in all
  std::vector<Cell> state_;
  std::vector<Table> tables_;
  std::map<Table, std::int32_t> numbers_;
  std::map<std::vector<std::int64_t>, Cell> thresholds_;
  std::map<std::vector<std::int64_t>, Range> ranges_;
};

}  // namespace separatrix

#pragma once

#include <map>
#include <optional>

#include "separatrix/proofs/layered/rows.h"

namespace separatrix::layered {

/// The last attention, the MLPs after it and the head, case by case.
class Reading {
 public:
  Reading(const Network& net, const Cover& cover, const Rows& rows, const Numbers& numbers);

  struct Query;
  /// The rows that ask in this case, and their scores: the same for all cases with the same asked
  /// positions and views.
  std::vector<Query> queries(const Case& entry) const;
  /// Lower bound on logit(answer) - any other logit over all inputs of the case, at all positions
  /// at which it is asked; -infinity where nothing can be said. Certificate D.
  double margin(const Case& entry, const std::vector<Query>& queries) const;

  /// What cases have in common whose answer stands at the target: how much of the attention is
  /// lost, at most, and all rows that ask.
  struct Pool {
    Box row = {};                                       ///< [D]; empty: no case yet
    std::vector<double> leak = {}, context_error = {};  ///< [heads], [heads dv]
    void join(const Pool& other);
  };
  Pool pool(const Case& entry, const std::vector<Query>& queries) const;
  /// Lower bound over all inputs of these cases, whatever the answer.
  double margin(const Pool& pool, int threads) const;
  /// Empty, or why the weights are not of a kind that it can follow.
  const std::string& obstacle() const { return obstacle_; }

  /// Of a counted case: the average of values with the sum of weights `count`, as it is computed.
  struct ExactAverage {
    double slope = 0, base = 0;  ///< value = base + slope weight
    double n = 0;                ///< positions that share the attention evenly
    double unit = 0, most = 0;   ///< every partial sum is a multiple of it, and at most so large
    std::optional<double> of(Index count) const;
  };
  struct Head {                                   ///< of one query
    std::vector<std::vector<FastInterval>> view;  ///< [class][view]: score but for the position
    std::vector<FastInterval> position;           ///< [T], or one for all
    double error = 0;                             ///< relative, of the computed weights
    bool exact = false;                           ///< float32 computes just these scores
  };
  struct Query {
    Index position = 0;  ///< the last of those that are alike
    Box row = {};        ///< [D]
    std::vector<Head> heads = {};
    std::vector<std::optional<ExactAverage>> exact = {};  ///< [heads dv]; empty unless counted
  };

 private:
  struct Masks {
    const Mask *before, *target, *after;
  };

  void project_rows();
  Box values_of(const Box& x);
  void project_read_outs();
  Query query_of(Index position, std::size_t asker) const;
  struct Projection {
    FastInterval value;
    double terms = 0;  ///< sum of their absolute values
    double grid = 0;   ///< every term, or what is stored, is a multiple; 0: unknown
  };
  Head scores_of(const std::vector<Projection>& q, Index head) const;
  Index visible(const Query& query) const { return net_.last.causal ? query.position + 1 : net_.T; }
  bool present(std::size_t cls, const Query& query) const { return first_[cls] < visible(query); }
  Masks masks_of(const Case& entry) const;
  /// max over the places i of the target of sum_{j != i} gain(view_j) e^(s_j - s_i), gains by their
  /// logarithms: [class][view]; none: all 1.
  using Gains = std::vector<std::vector<double>>;
  bool can_ask(const Case& entry, Index position) const;
  double largest_leak(const Case& entry, const Query& query, const Head& head,
                      const Gains& log_gain = {}) const;
  double sharpened(const Case& entry, const Query& query, const Head& head, std::size_t at,
                   int side) const;
  static FastInterval mix(FastInterval target, FastInterval rest, double leak);
  FastInterval value_hull(const Mask& mask, const Query& query, std::size_t at) const;
  FastInterval context_at(const Case& entry, const Query& query, Index head, std::size_t at,
                          double leak) const;
  FastInterval counted_at(const Case& entry, const Query& query, const Head& head,
                          std::size_t at) const;
  std::optional<ExactAverage> exact_average(const Query& query, const Head& head,
                                            std::size_t at) const;
  FastInterval context_of(const Case& entry, const Query& query, std::size_t at, double leak) const;
  double context_error(const Query& query, Index head, std::size_t at) const;
  Box answered(const Box& row, const Box& context) const;
  std::vector<double> losses(const Box& x) const;
  double lead(const Box& x, const std::vector<double>& losses, Token answer) const;

  const Network& net_;
  const Cover& cover_;
  const Rows& rows_;
  const Numbers& numbers_;
  std::string obstacle_;
  std::vector<std::vector<Box>> keys_, values_;  ///< [class][view][heads dk], [heads dv]
  Box any_value_;                                ///< the hull of all
  std::map<Token, Box> answer_values_;           ///< of all read-outs with the answer
  std::vector<double> value_terms_;      ///< [heads dv]: sums of absolute terms, the largest
  std::vector<double> key_terms_;        ///< [heads dk]
  Matrix position_keys_;                 ///< [T, heads dk]: from address coordinates
  std::vector<std::size_t> addressed_;   ///< the coordinates of keys in which it has any
  std::vector<double> key_grid_;         ///< [heads dk]: every term is a multiple; 0: no
  Matrix head_;                          ///< [C, D]
  std::vector<std::size_t> head_reads_;  ///< the coordinates of which some logit knows
  std::vector<Index> first_, size_;      ///< [class]: first position; how many
  /// [list of asked positions]: the last of each group of positions that are alike
  std::vector<std::vector<Index>> groups_;
};

}  // namespace separatrix::layered

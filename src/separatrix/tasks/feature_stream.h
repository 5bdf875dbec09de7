#pragma once

#include <map>
#include <vector>

#include "separatrix/tasks/features.h"

namespace separatrix {

/// What is left of a function of k bits when they are read one after the other. Node 2^j + x: the
/// first j bits, read as the number x.
class ResidualTree {
 public:
  static constexpr int kRoot = 1;

  /// `table` in the order in which the bits are read, the first the highest digit of a row.
  explicit ResidualTree(const std::vector<bool>& table);
  /// The least node of the same depth as child `bit` of `node` that leaves the same function.
  int child(int node, bool bit) const { return least_[2 * std::size_t(node) + (bit ? 1 : 0)]; }
  /// Whether what is left of the function is one value, whatever comes.
  bool is_constant(int node) const { return constant_[std::size_t(node)] != kOpen; }
  bool value(int node) const { return constant_[std::size_t(node)] == kTrue; }

 private:
  enum Left : signed char { kFalse, kTrue, kOpen };
  std::vector<int> least_;      ///< [2^(k+1)]
  std::vector<Left> constant_;  ///< [2^(k+1)]
};

/// Whether windows of a sequence of bits are equal, in constant time. Memory n log2 n.
class WindowTable {
 public:
  explicit WindowTable(const std::vector<bool>& bits);
  /// Least i with bits[i .. i+length) = bits[at .. at+length), length >= 1.
  Index least(Index at, Index length) const;
  /// Whether bits[at .. at+length) are all the same.
  bool is_constant(Index at, Index length) const {
    return same_until_[std::size_t(at)] >= at + length;
  }

 private:
  std::vector<std::vector<Index>> least_;  ///< [j][i]: least start of an equal window of length 2^j
  std::vector<Index> same_until_;          ///< end of the run of equal bits
};

/// State: {m, f, n, f', n', ..}: the features f, ascending, whose value the bits so far leave
/// open, each with the node n of what is left of it; m is the least count that has the same future
/// as the number of features that hold, with as many features still open. {-1 - answer} as soon as
/// the answer no longer depends on what comes.
class FeatureReader final : public StreamingReference {
 public:
  FeatureReader(const SparseFeatures& features, Index length);
  State start() const override;
  State step(const State& state, Token token, Index t) const override;
  Token output(const State& state, Index t) const override {
    return t == length_ ? state[0] : kIgnore;
  }

 private:
  struct Reading {
    Index position;
    std::int32_t feature;
    bool first;  ///< of the feature's bits
  };
  const ResidualTree& tree(std::int32_t feature) const {
    return trees_[std::size_t(tree_of_[std::size_t(feature)])];
  }
  /// `state` with its count replaced by what it amounts to; n_waiting: open features that are not
  /// in the state because none of their bits has been read.
  State settled(State state, Index n_waiting) const;

  Index length_;
  std::vector<bool> values_;
  WindowTable windows_;
  std::vector<ResidualTree> trees_;
  std::vector<Index> tree_of_;         ///< [M]
  std::vector<Reading> readings_;      ///< sorted: which features read a position
  std::vector<Index> first_readings_;  ///< sorted: first position of each feature that is open
  Index always_ = 0;                   ///< features that hold on all inputs
};

}  // namespace separatrix

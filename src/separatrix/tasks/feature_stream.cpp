#include "separatrix/tasks/feature_stream.h"

#include <algorithm>
#include <cassert>
#include <numeric>
#include <tuple>

namespace separatrix {
namespace {

/// The table with the feature's bits in the order of their positions.
std::vector<bool> ascending_table(const SparseFeatures::Feature& feature) {
  const std::size_t k = feature.positions.size();
  std::vector<std::size_t> order(k);  // order[j]: which of the positions is read as number j
  std::iota(order.begin(), order.end(), 0U);
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return feature.positions[a] < feature.positions[b];
  });
  std::vector<bool> out(feature.table.size());
  for (std::size_t row = 0; row < out.size(); ++row) {
    std::size_t original = 0;
    for (std::size_t j = 0; j < k; ++j) original |= (row >> (k - 1 - j) & 1) << (k - 1 - order[j]);
    out[row] = feature.table[original];
  }
  return out;
}

}  // namespace

ResidualTree::ResidualTree(const std::vector<bool>& table)
    : least_(2 * table.size()), constant_(2 * table.size(), kOpen) {
  const std::size_t leaves = table.size();
  for (std::size_t depth_begin = leaves; depth_begin >= 1; depth_begin /= 2) {
    std::map<std::pair<int, int>, int> seen;  // the two subtrees -> first node that has them
    for (std::size_t node = depth_begin; node < 2 * depth_begin; ++node) {
      const bool leaf = depth_begin == leaves;
      const auto below = leaf ? std::pair(int(table[node - leaves]), -1)
                              : std::pair(least_[2 * node], least_[2 * node + 1]);
      least_[node] = seen.try_emplace(below, int(node)).first->second;
      if (leaf)
        constant_[node] = table[node - leaves] ? kTrue : kFalse;
      else if (constant_[2 * node] == constant_[2 * node + 1])
        constant_[node] = constant_[2 * node];
    }
  }
}

WindowTable::WindowTable(const std::vector<bool>& bits) : same_until_(bits.size()) {
  const Index n = Index(bits.size());
  for (Index i = n; i-- > 0;) {
    const bool run = i + 1 < n && bits[std::size_t(i)] == bits[std::size_t(i + 1)];
    same_until_[std::size_t(i)] = run ? same_until_[std::size_t(i + 1)] : i + 1;
  }
  const Index first[2] = {std::find(bits.begin(), bits.end(), false) - bits.begin(),
                          std::find(bits.begin(), bits.end(), true) - bits.begin()};
  least_.emplace_back();
  for (const bool bit : bits) least_[0].push_back(first[bit ? 1 : 0]);
  for (Index half = 1; 2 * half <= n; half *= 2) {
    const std::vector<Index>& halves = least_.back();
    std::map<std::pair<Index, Index>, Index> seen;
    std::vector<Index> whole;
    for (Index i = 0; i + 2 * half <= n; ++i) {
      const std::pair window(halves[std::size_t(i)], halves[std::size_t(i + half)]);
      whole.push_back(seen.try_emplace(window, i).first->second);
    }
    least_.push_back(std::move(whole));
  }
}

/// Two windows are equal when their first 2^j and their last 2^j are, 2^j <= length < 2^(j+1).
Index WindowTable::least(Index at, Index length) const {
  std::size_t level = 0;
  while (Index{2} << level <= length) ++level;
  const std::vector<Index>& starts = least_[level];
  const Index shift = length - (Index{1} << level);
  const Index first = starts[std::size_t(at)], last = starts[std::size_t(at + shift)];
  Index i = first;
  while (starts[std::size_t(i)] != first || starts[std::size_t(i + shift)] != last) ++i;
  return i;
}

FeatureReader::FeatureReader(const SparseFeatures& features, Index length)
    : length_(length), values_(features.values), windows_(features.values) {
  assert(features.n_positions() <= length);
  std::map<std::vector<bool>, Index> known;
  for (const SparseFeatures::Feature& feature : features.features) {
    const auto number = std::int32_t(tree_of_.size());
    std::vector<bool> table = ascending_table(feature);
    const auto [at, is_new] = known.try_emplace(std::move(table), Index(trees_.size()));
    if (is_new) trees_.emplace_back(at->first);
    tree_of_.push_back(at->second);
    if (tree(number).is_constant(ResidualTree::kRoot)) {
      always_ += tree(number).value(ResidualTree::kRoot) ? 1 : 0;
      continue;
    }
    const Index first = *std::min_element(feature.positions.begin(), feature.positions.end());
    for (const Index p : feature.positions) readings_.push_back({p, number, p == first});
    first_readings_.push_back(first);
  }
  std::sort(readings_.begin(), readings_.end(), [](const Reading& a, const Reading& b) {
    return std::tie(a.position, a.feature) < std::tie(b.position, b.feature);
  });
  std::sort(first_readings_.begin(), first_readings_.end());
}

FeatureReader::State FeatureReader::start() const {
  return settled({std::int32_t(always_)}, Index(first_readings_.size()));
}

FeatureReader::State FeatureReader::settled(State state, Index n_waiting) const {
  const Index possible = n_waiting + Index(state.size() / 2) + 1;  // counts from here on
  if (windows_.is_constant(state[0], possible)) return {values_[std::size_t(state[0])] ? -2 : -1};
  state[0] = std::int32_t(windows_.least(state[0], possible));
  return state;
}

FeatureReader::State FeatureReader::step(const State& state, Token token, Index t) const {
  if (t == length_) return {-1 - state[0]};
  if (state[0] < 0) return state;
  State next{state[0]};
  std::size_t open = 1;
  const auto keep_until = [&](std::int32_t feature) {
    for (; open < state.size() && state[open] < feature; open += 2)
      next.insert(next.end(), {state[open], state[open + 1]});
  };
  const auto before = [](const Reading& reading, Index position) {
    return reading.position < position;
  };
  auto reading = std::lower_bound(readings_.begin(), readings_.end(), t, before);
  for (; reading != readings_.end() && reading->position == t; ++reading) {
    const std::int32_t f = reading->feature;
    keep_until(f);
    int node = ResidualTree::kRoot;
    if (open < state.size() && state[open] == f) {
      node = state[open + 1];
      open += 2;
    } else if (!reading->first) {
      continue;  // decided before
    }
    node = tree(f).child(node, token == 1);
    if (!tree(f).is_constant(node))
      next.insert(next.end(), {f, node});
    else if (tree(f).value(node))
      ++next[0];
  }
  keep_until(std::int32_t(tree_of_.size()));
  const auto waiting = std::upper_bound(first_readings_.begin(), first_readings_.end(), t);
  return settled(std::move(next), first_readings_.end() - waiting);
}

}  // namespace separatrix

#include "separatrix/tasks/feature_sampler.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <limits>

namespace separatrix {
namespace {

constexpr Index kNever = std::numeric_limits<Index>::max() / 2;
constexpr Index kLongestSweep = Index{1} << 26;  ///< readings
constexpr int kCandidates = 4, kRestarts = 8;

/// Distance of each m to the nearest m' with values[m'] = answer.
std::vector<Index> distances(const std::vector<bool>& values, bool answer) {
  std::vector<Index> out(values.size());
  Index last = kNever;
  for (std::size_t m = 0; m < values.size(); ++m)
    out[m] = last = values[m] == answer ? 0 : std::min(kNever, last + 1);
  last = kNever;
  for (std::size_t m = values.size(); m-- > 0;)
    out[m] = last = std::min(out[m], values[m] == answer ? 0 : std::min(kNever, last + 1));
  return out;
}

void draw_uniform(Rng& rng, std::span<Token> bits) {
  for (Token& bit : bits) bit = rng.coin() ? 1 : 0;
}

}  // namespace

/// An input that is edited, with the features that hold on it kept up to date.
class FeatureWalk {
 public:
  FeatureWalk(const FeatureSampler& plan, std::span<Token> bits)
      : plan_(plan),
        bits_(bits),
        row_(plan.features_.features.size()),
        place_(plan.features_.features.size()) {
    for (const Index p : plan.relevant_)
      if (bits[std::size_t(p)] == 1)
        for_each_reading(p, [&](const auto& r) { row_[std::size_t(r.feature)] |= r.row_bit; });
    for (Index f = 0; f < Index(row_.size()); ++f) enter(f);
  }

  bool answer() const { return plan_.features_.values[count()]; }
  void flip(Index position) {
    Token& bit = bits_[std::size_t(position)];
    bit = 1 - bit;
    for_each_reading(position, [&](const auto& r) {
      const bool before = holds(r.feature);
      const bool after = table(r.feature)[row_[std::size_t(r.feature)] ^ r.row_bit];
      if (before != after) leave(r.feature);
      row_[std::size_t(r.feature)] ^= r.row_bit;
      if (before != after) enter(r.feature);
    });
  }
  /// Edits until the answer is `wanted`; false when that takes too long.
  bool reach(bool wanted, Rng& rng) {
    const std::vector<Index>& distance = plan_.distance_[wanted ? 1 : 0];
    const Index patience = 4096 + 16 * Index(row_.size());
    for (Index i = 0; i < patience; ++i) {
      if (answer() == wanted) return true;
      const std::size_t m = count();
      if (distance[m] >= kNever) return false;
      const bool can_rise = m + 1 < distance.size() && distance[m + 1] < distance[m];
      const bool can_fall = m > 0 && distance[m - 1] < distance[m];
      edit(can_rise && (!can_fall || rng.coin()), distance, rng);
    }
    return answer() == wanted;
  }
  /// Flips the first bit, from a uniform place on, after which the answer is `wanted`.
  bool flip_to(bool wanted, Rng& rng) {
    const std::vector<Index>& relevant = plan_.relevant_;
    const Index n = Index(relevant.size()), from = rng.below(n);
    for (Index i = 0; i < n; ++i) {
      const Index position = relevant[std::size_t((from + i) % n)];
      flip(position);
      if (answer() == wanted) return true;
      flip(position);
    }
    return false;
  }

 private:
  template <class F>
  void for_each_reading(Index position, F&& f) const {
    const Index* const from = plan_.readings_from_.data() + position;
    for (Index i = from[0]; i < from[1]; ++i) f(plan_.readings_[std::size_t(i)]);
  }
  std::size_t count() const { return members_[1].size(); }
  const std::vector<bool>& table(Index f) const {
    return plan_.features_.features[std::size_t(f)].table;
  }
  bool holds(Index f) const { return table(f)[row_[std::size_t(f)]]; }
  void enter(Index f) {
    std::vector<Index>& members = members_[holds(f) ? 1 : 0];
    place_[std::size_t(f)] = members.size();
    members.push_back(f);
  }
  void leave(Index f) {
    std::vector<Index>& members = members_[holds(f) ? 1 : 0];
    const std::size_t place = place_[std::size_t(f)];
    members[place] = members.back();
    place_[std::size_t(members[place])] = place;
    members.pop_back();
  }
  void set_row(Index f, std::uint32_t row) {
    const std::vector<Index>& positions = plan_.features_.features[std::size_t(f)].positions;
    const std::uint32_t change = row ^ row_[std::size_t(f)];
    for (std::size_t j = 0; j < positions.size(); ++j)
      if (change >> (positions.size() - 1 - j) & 1) flip(positions[j]);
  }
  /// Gives a random feature the other value: of some rows of its table that do, the one that brings
  /// the count nearest to the goal.
  void edit(bool rise, const std::vector<Index>& distance, Rng& rng) {
    const std::vector<Index>& members = members_[rise ? 0 : 1];
    const Index f = members[std::size_t(rng.below(Index(members.size())))];
    const std::vector<bool>& values = table(f);
    const std::uint32_t before = row_[std::size_t(f)];
    std::optional<std::uint32_t> best;
    Index least = 0;
    for (Index candidate = rng.below(kCandidates); candidate < kCandidates; ++candidate) {
      auto row = std::uint32_t(rng.below(Index(values.size())));
      for (std::size_t i = 0; i < values.size() && values[row] != rise; ++i)
        row = std::uint32_t((row + 1) % values.size());
      if (values[row] != rise) return;  // a constant
      set_row(f, row);
      if (const Index reached = distance[count()]; !best || reached < least) {
        best = row;
        least = reached;
      }
      set_row(f, before);
    }
    set_row(f, *best);
  }

  const FeatureSampler& plan_;
  std::span<Token> bits_;
  std::vector<std::uint32_t> row_;             ///< [M]: of the feature's table
  std::array<std::vector<Index>, 2> members_;  ///< the features that do not hold, and that do
  std::vector<std::size_t> place_;             ///< [M]: among its members
};

FeatureSampler::FeatureSampler(SparseFeatures features)
    : features_(std::move(features)),
      distance_{distances(features_.values, false), distances(features_.values, true)} {
  readings_from_.resize(std::size_t(features_.n_positions() + 1));
  for (const auto& feature : features_.features)
    for (const Index p : feature.positions) ++readings_from_[std::size_t(p + 1)];
  for (std::size_t p = 1; p < readings_from_.size(); ++p) {
    if (readings_from_[p] > 0) relevant_.push_back(Index(p) - 1);
    readings_from_[p] += readings_from_[p - 1];
  }
  readings_.resize(std::size_t(readings_from_.back()));
  std::vector<Index> next = readings_from_;
  for (Index f = 0; f < features_.size(); ++f) {
    const std::vector<Index>& positions = features_.features[std::size_t(f)].positions;
    for (std::size_t j = 0; j < positions.size(); ++j)
      readings_[std::size_t(next[std::size_t(positions[j])]++)] = {
          f, std::uint32_t{1} << (positions.size() - 1 - j)};
  }
  find_witnesses();
}

void FeatureSampler::keep_witness(bool answer, std::span<const Token> bits) {
  std::optional<std::vector<bool>>& witness = witnesses_[answer ? 1 : 0];
  if (witness) return;
  witness.emplace();
  for (const Index p : relevant_) witness->push_back(bits[std::size_t(p)] == 1);
}

void FeatureSampler::find_witnesses() {
  std::vector<Token> bits(readings_from_.size() - 1);
  for (const Token all : {0, 1}) {
    std::fill(bits.begin(), bits.end(), all);
    keep_witness(features_.answer(bits), bits);
  }
  Rng rng(1, RngUse::search);
  for (int i = 0; i < kRestarts && !(has(false) && has(true)); ++i) {
    draw_uniform(rng, bits);
    FeatureWalk walk(*this, bits);
    keep_witness(walk.answer(), bits);
    const bool missing = has(false);
    if (walk.reach(missing, rng)) keep_witness(missing, bits);
  }
  if (!(has(false) && has(true))) sweep();
}

/// All inputs, each by one flip from the one before (Gray code).
void FeatureSampler::sweep() {
  const Index n = Index(relevant_.size()), mean = 1 + Index(readings_.size()) / n;
  if (n > 26 || Index{1} << n > kLongestSweep / mean) return;
  std::vector<Token> bits(readings_from_.size() - 1);
  FeatureWalk walk(*this, bits);
  for (std::uint64_t i = 1; i < std::uint64_t{1} << n && !(has(false) && has(true)); ++i) {
    walk.flip(relevant_[std::size_t(std::countr_zero(i))]);
    keep_witness(walk.answer(), bits);
  }
}

void FeatureSampler::sample(Rng& rng, std::span<Token> bits) const {
  draw_uniform(rng, bits);
  if (!has(false) || !has(true)) return;
  const bool wanted = rng.coin(), hard = rng.coin();
  FeatureWalk walk(*this, bits);
  const auto reach = [&](bool answer) {
    if (walk.reach(answer, rng)) return;
    const std::vector<bool>& witness = *witnesses_[answer ? 1 : 0];
    for (std::size_t i = 0; i < relevant_.size(); ++i)
      if (witness[i] != (bits[std::size_t(relevant_[i])] == 1)) walk.flip(relevant_[i]);
  };
  if (hard) {
    reach(!wanted);
    if (walk.flip_to(wanted, rng)) return;
  }
  reach(wanted);
}

}  // namespace separatrix

#include <algorithm>
#include <bit>
#include <map>
#include <set>
#include <tuple>

#include "separatrix/proofs/layered/covers.h"
#include "separatrix/tasks/features.h"

namespace separatrix::layered {
namespace {

using Feature = SparseFeatures::Feature;

/// Features worked out at one position, by the places of their bits in its window.
struct Local {
  std::vector<std::vector<Index>> places = {};  ///< [feature][k]
  std::vector<std::vector<bool>> tables = {};
  bool end = false;  ///< EOS
  Index bits = 0;    ///< in the window, beside its own token
  bool operator<(const Local& other) const {
    return std::tie(end, bits, places, tables) <
           std::tie(other.end, other.bits, other.places, other.tables);
  }

  Index count(const View& view) const {
    Index out = 0;
    for (std::size_t f = 0; f < places.size(); ++f) {
      std::size_t row = 0;
      for (const Index place : places[f])
        row = 2 * row + (view[std::size_t(place)] == only(1) ? 1 : 0);
      out += tables[f][row] ? 1 : 0;
    }
    return out;
  }
};

/// Feature r at position r mod hosts.
class Layout {
 public:
  Layout(const SparseFeatures& read, Index N, Index hosts)
      : read_(read), N_(N), hosts_(hosts), b_(N + 1) {}

  std::optional<Cover> cover(std::string& why) {
    if (!place(why)) return std::nullopt;
    weigh();
    add_cases();
    return b_.finish(power(2, N_));
  }

 private:
  bool place(std::string& why) {
    constexpr double kMaxViews = 1 << 20;
    constexpr Index kMaxBits = 16;
    std::map<Local, int> kinds;
    double views = 0;
    for (Index t = 0; t <= N_; ++t) {
      std::vector<Index> window{t};
      const Local local = local_at(t, window);
      if (local.bits <= kMaxBits && !kinds.contains(local))
        views += std::ldexp(1.0, int(local.bits) + 1);
      if (local.bits > kMaxBits || views > kMaxViews) {
        why = "too many bits are looked at from one position, or too many features are different";
        return false;
      }
      const auto [at, fresh] = kinds.try_emplace(local, 0);
      if (fresh) {
        std::vector<View> choices(window.size(), each_of(0, 2));
        if (local.end) choices.front() = {only(2)};
        at->second = b_.kind(choices);
        of_kind_.push_back(local);
      }
      b_.place(t, at->second, std::move(window));
    }
    return true;
  }

  Local local_at(Index t, std::vector<Index>& window) const {
    Local local{.end = t == N_};
    for (Index r = t; t < hosts_ && r < read_.size(); r += hosts_) {
      const Feature& feature = read_.features[std::size_t(r)];
      std::vector<Index> places;
      for (const Index p : feature.positions) {
        const auto at = std::find(window.begin(), window.end(), p);
        places.push_back(at - window.begin());
        if (at == window.end()) window.push_back(p);
      }
      local.places.push_back(std::move(places));
      local.tables.push_back(feature.table);
    }
    local.bits = Index(window.size()) - 1;
    return local;
  }

  void weigh() {
    for (std::size_t k = 0; k < of_kind_.size(); ++k) {
      auto& weight = weights_.emplace_back();
      for (const View& view : b_.cover().kinds[k].views) weight.push_back(of_kind_[k].count(view));
    }
    b_.weigh(weights_);
  }

  /// The views of which holds(features there, all features of the position).
  template <class Holds>
  std::size_t mask_of(const Holds& holds) {
    Mask mask;
    for (std::size_t k = 0; k < weights_.size(); ++k) {
      auto& of = mask.emplace_back();
      for (const Index weight : weights_[k])
        of.push_back(holds(weight, Index(of_kind_[k].places.size())) ? 1 : 0);
    }
    return b_.add_mask(std::move(mask));
  }

  Token answer(Index count) const { return read_.values[std::size_t(count)] ? 1 : 0; }
  bool same(Index first, Index last) const {
    for (Index m = first; m <= last; ++m)
      if (answer(m) != answer(first)) return false;
    return true;
  }

  void add_cases() {
    const Index M = read_.size();
    View eos(b_.cover().window.back().size(), any_of(0, 2));
    eos.front() = only(2);
    const auto end = b_.asked({N_}), asker = b_.asker(std::move(eos));
    const auto any = mask_of([](Index, Index) { return true; });
    const auto decide = [&](std::size_t quiet, std::size_t alarm, Index silent, Index loud) {
      b_.add({.shape = Case::Shape::none,
              .asked = end,
              .asker = asker,
              .answer = answer(silent),
              .before = quiet});
      b_.add({.shape = Case::Shape::target,
              .asked = end,
              .asker = asker,
              .answer = answer(loud),
              .before = any,
              .target = alarm,
              .after = any});
    };
    if (same(1, M)) {
      decide(mask_of([](Index m, Index) { return m == 0; }),
             mask_of([](Index m, Index) { return m > 0; }), 0, 1);
    } else if (same(0, M - 1)) {
      decide(mask_of([](Index m, Index of) { return m == of; }),
             mask_of([](Index m, Index of) { return m < of; }), M, 0);
    } else {
      for (Index m = 0; m <= M; ++m)
        b_.add({.shape = Case::Shape::counted,
                .asked = end,
                .asker = asker,
                .answer = answer(m),
                .before = any,
                .count = m});
    }
  }

  const SparseFeatures& read_;
  Index N_, hosts_;
  CoverBuilder b_;
  std::vector<Local> of_kind_;
  std::vector<std::vector<Index>> weights_;  ///< [kind][view]: features that hold
};

}  // namespace

std::vector<Cover> cover_features(const Claim& claim, std::string& why) {
  const SparseFeatures read = read_features(claim.task_config, claim.length);
  const auto T = std::uint64_t(claim.length + 1);
  const Index rounded =
      Index(std::min(std::bit_floor(T), std::bit_ceil(std::uint64_t(read.size()))));
  std::vector<Cover> covers;
  for (const Index hosts : std::set<Index>{Index(T), rounded})
    if (auto cover = Layout(read, claim.length, hosts).cover(why))
      covers.push_back(std::move(*cover));
  return covers;
}

}  // namespace separatrix::layered

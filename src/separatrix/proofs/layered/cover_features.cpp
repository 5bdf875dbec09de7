#include <algorithm>
#include <bit>
#include <map>
#include <set>

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
  auto operator<=>(const Local&) const = default;

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
std::optional<Cover> cover_with(const SparseFeatures& read, Index N, Index hosts,
                                std::string& why) {
  constexpr double kMaxViews = 1 << 20;
  constexpr Index kMaxBits = 16;
  const Index T = N + 1;
  CoverBuilder b(T);
  std::map<Local, int> kinds;
  std::vector<Local> of_kind;
  double views = 0;
  for (Index t = 0; t < T; ++t) {
    Local local{.end = t == N};
    std::vector<Index> window{t};
    for (Index r = t; t < hosts && r < read.size(); r += hosts) {
      const Feature& feature = read.features[std::size_t(r)];
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
    if (local.bits <= kMaxBits && !kinds.contains(local))
      views += std::ldexp(1.0, int(local.bits) + 1);
    if (local.bits > kMaxBits || views > kMaxViews) {
      why = "too many bits are looked at from one position, or too many features are different";
      return std::nullopt;
    }
    const auto [at, fresh] = kinds.try_emplace(local, 0);
    if (fresh) {
      std::vector<View> choices(window.size(), each_of(0, 2));
      if (local.end) choices.front() = {only(2)};
      at->second = b.kind(choices);
      of_kind.push_back(local);
    }
    b.place(t, at->second, std::move(window));
  }
  std::vector<std::vector<Index>> weights, sizes;
  for (std::size_t k = 0; k < of_kind.size(); ++k) {
    auto &weight = weights.emplace_back(), &size = sizes.emplace_back();
    for (const auto& view : b.cover().kinds[k].views) {
      weight.push_back(of_kind[k].count(view));
      size.push_back(Index(of_kind[k].places.size()));
    }
  }
  b.weigh(weights);

  const auto end = b.asked({N});
  View eos(b.cover().window.back().size(), any_of(0, 2));
  eos.front() = only(2);
  const auto asker = b.asker(std::move(eos));
  const Index M = read.size();
  const auto answer = [&](Index count) { return Token(read.values[std::size_t(count)] ? 1 : 0); };
  const auto mask_of = [&](const auto& holds) {
    Mask mask;
    for (std::size_t k = 0; k < weights.size(); ++k) {
      auto& of = mask.emplace_back();
      for (std::size_t w = 0; w < weights[k].size(); ++w)
        of.push_back(holds(weights[k][w], sizes[k][w]) ? 1 : 0);
    }
    return b.add_mask(std::move(mask));
  };
  const auto same = [&](Index first, Index last_count) {
    for (Index m = first; m <= last_count; ++m)
      if (answer(m) != answer(first)) return false;
    return true;
  };
  const auto any = mask_of([](Index, Index) { return true; });
  const auto decide = [&](std::size_t quiet, std::size_t alarm, Index silent, Index loud) {
    b.add({.shape = Case::Shape::none,
           .asked = end,
           .asker = asker,
           .answer = answer(silent),
           .before = quiet});
    b.add({.shape = Case::Shape::target,
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
      b.add({.shape = Case::Shape::counted,
             .asked = end,
             .asker = asker,
             .answer = answer(m),
             .before = any,
             .count = m});
  }
  return b.finish(power(2, N));
}

}  // namespace

std::vector<Cover> cover_features(const Claim& claim, std::string& why) {
  const SparseFeatures read = read_features(claim.task_config, claim.length);
  const auto T = std::uint64_t(claim.length + 1);
  const Index rounded =
      Index(std::min(std::bit_floor(T), std::bit_ceil(std::uint64_t(read.size()))));
  std::vector<Cover> covers;
  for (const Index hosts : std::set<Index>{Index(T), rounded})
    if (auto cover = cover_with(read, claim.length, hosts, why))
      covers.push_back(std::move(*cover));
  return covers;
}

}  // namespace separatrix::layered

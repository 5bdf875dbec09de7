#include "separatrix/proofs/layered/recheck_feature_picture.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <tuple>

#include "separatrix/tasks/features.h"

namespace separatrix::relayer {
namespace {

using Shape = Question::Shape;

/// The features of one position; places are indices into its look.
struct Here {
  bool end = false;
  std::size_t bits = 0;
  std::vector<std::vector<std::size_t>> reads = {};
  std::vector<std::vector<bool>> table = {};
  bool operator<(const Here& other) const {
    return std::tie(end, bits, reads, table) <
           std::tie(other.end, other.bits, other.reads, other.table);
  }

  Index holding(const Look& look) const {
    Index n = 0;
    for (std::size_t f = 0; f < reads.size(); ++f) {
      std::size_t number = 0;
      for (const std::size_t at : reads[f]) number = (number << 1U) | std::size_t(look[at].is(1));
      if (table[f][number]) ++n;
    }
    return n;
  }
};

/// All looks: 0 or 1 everywhere, EOS (2) at the end's own place.
std::vector<Look> looks_of(const Here& here) {
  std::vector<Look> out;
  const std::size_t free = here.bits + (here.end ? 0 : 1);
  for (std::size_t number = 0; number < std::size_t{1} << free; ++number) {
    Look look;
    if (here.end) look.push_back(Symbol::just(2));
    for (std::size_t b = 0; b < free; ++b) look.push_back(Symbol::just(Index(number >> b & 1U)));
    out.push_back(std::move(look));
  }
  return out;
}

using Known = std::shared_ptr<std::vector<Here>>;

/// What stands where; nothing if that is too much.
std::optional<Picture> places_with(const SparseFeatures& features, Index N, Index hosts,
                                   const Known& known) {
  constexpr std::size_t kMaxBits = 16, kMaxOptions = std::size_t{1} << 20;
  Picture p;
  std::map<Here, int> roles;
  std::size_t options = 0;
  for (Index t = 0; t <= N; ++t) {
    Here here{.end = t == N};
    std::vector<Index> places{t};
    for (Index r = t; t < hosts && r < features.size(); r += hosts) {
      const auto& feature = features.features[std::size_t(r)];
      auto& reads = here.reads.emplace_back();
      for (const Index place : feature.positions) {
        const auto found = std::find(places.begin(), places.end(), place);
        reads.push_back(std::size_t(found - places.begin()));
        if (found == places.end()) places.push_back(place);
      }
      here.table.push_back(feature.table);
    }
    here.bits = places.size() - 1;
    if (here.bits > kMaxBits) return std::nullopt;
    const auto [at, fresh] = roles.try_emplace(here, int(known->size()));
    if (fresh) {
      options += std::size_t{2} << here.bits;
      if (options > kMaxOptions) return std::nullopt;
      known->push_back(here);
      p.options.push_back(looks_of(here));
    }
    p.role.push_back(at->second);
    p.looks.push_back(std::move(places));
  }
  p.weight = [known](int role, const Look& look) {
    return (*known)[std::size_t(role)].holding(look);
  };
  p.asked = {N};
  Look end(p.looks.back().size(), Symbol::some(0, 2));
  end.front() = Symbol::just(2);
  p.askers = {std::move(end)};
  return p;
}

std::optional<Picture> picture_with(const SparseFeatures& features, Index N, Index hosts) {
  const Known known = std::make_shared<std::vector<Here>>();
  auto made = places_with(features, N, hosts, known);
  if (!made) return std::nullopt;
  Picture& p = *made;
  const Index M = features.size();
  const std::vector<bool>& g = features.values;
  const auto alike = [&](Index first, Index last) {
    return std::all_of(g.begin() + first, g.begin() + last + 1,
                       [&](bool b) { return b == g[std::size_t(first)]; });
  };
  const bool any = alike(1, M), all = !any && alike(0, M - 1);
  if (any || all) {
    // The last position where some feature holds (or, for "all", does not).
    const auto loud = [known, all](int role, const Look& look) {
      const Here& here = (*known)[std::size_t(role)];
      const Index n = here.holding(look);
      return all ? n < Index(here.reads.size()) : n > 0;
    };
    const auto quiet = [loud](int role, const Look& look) { return !loud(role, look); };
    const Token silent = g[std::size_t(all ? M : 0)] ? 1 : 0,
                alarm = g[std::size_t(all ? 0 : 1)] ? 1 : 0;
    p.questions.push_back({.shape = Shape::all, .answer = silent, .before = quiet});
    p.questions.push_back({.shape = Shape::one,
                           .answer = alarm,
                           .before = [](int, const Look&) { return true; },
                           .there = loud,
                           .after = quiet});
  } else {
    for (Index m = 0; m <= M; ++m)
      p.questions.push_back(
          {.shape = Shape::count, .answer = g[std::size_t(m)] ? 1 : 0, .count = m});
  }
  const auto looks = std::make_shared<std::vector<std::vector<Index>>>(p.looks);
  const auto role = std::make_shared<std::vector<int>>(p.role);
  p.find = [=](std::span<const Token> tokens, Index) {
    Index total = 0, last = -1;
    for (std::size_t t = 0; t < looks->size(); ++t) {
      Look look;
      for (const Index place : (*looks)[t])
        look.push_back(Symbol::just(tokens[std::size_t(place)]));
      const Here& here = (*known)[std::size_t((*role)[t])];
      const Index n = here.holding(look);
      total += n;
      if (all ? n < Index(here.reads.size()) : n > 0) last = Index(t);
    }
    if (!any && !all) return Picture::Found{total, -1};
    return last < 0 ? Picture::Found{0, -1} : Picture::Found{1, last};
  };
  mpz_ui_pow_ui(p.inputs.get_mpz_t(), 2, std::uint64_t(N));
  return made;
}

}  // namespace

std::vector<Picture> feature_pictures(const Claim& claim) {
  const SparseFeatures features = read_features(claim.task_config, claim.length);
  // Everywhere, or at the first so many positions, a power of two: the least that gives each
  // feature a position of its own, if there are so many.
  const Index T = claim.length + 1;
  Index some = 1;
  while (some < features.size() && 2 * some <= T) some *= 2;
  std::vector<Picture> out;
  for (const Index hosts : {some, T})
    if (hosts != T || some != T || out.empty())
      if (auto picture = picture_with(features, claim.length, hosts))
        out.push_back(std::move(*picture));
  return out;
}

}  // namespace separatrix::relayer

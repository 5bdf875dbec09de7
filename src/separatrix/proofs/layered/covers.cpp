#include "separatrix/proofs/layered/covers.h"

#include <algorithm>
#include <bit>

#include "separatrix/base/names.h"
#include "separatrix/tasks/features.h"
#include "separatrix/tasks/pair_layout.h"

namespace separatrix::layered {
namespace {

constexpr double kMaxViews = 4e6, kMaxMasked = 5e8, kMaxSteps = 4e9;
using View = std::vector<Token>;

/// Views of all kinds, cases, and positions that each case is looked at from.
bool fits(double views, double cases, double positions, std::string& why) {
  if (views <= kMaxViews && views * cases <= kMaxMasked && cases * positions <= kMaxSteps)
    return true;
  why = "it would take " + std::to_string(std::int64_t(cases)) + " cases of " +
        std::to_string(std::int64_t(views)) + " views each";
  return false;
}

}  // namespace

/// x_i and y_i clash or do not: kinds x, y (with its x), EOS.
std::optional<Cover> cover_pairs(const Claim& claim, std::string& why) {
  const bool equality = same_name(claim.task, "string-equality");
  const Index q = equality ? claim.task_config.at("alphabet").get<Index>() : 2;
  const Index n = claim.length / 2;
  const auto layout =
      PairLayout::parse("layout", claim.task_config.at("layout").get<std::string>());
  if (!fits(double(q) * double(q), 2, double(claim.length), why)) return std::nullopt;
  CoverBuilder b(claim.length + 1);
  const int x = b.kind({token_range(0, q)});
  const int y = b.kind({token_range(0, q), token_range(0, q)});
  const int eos = b.kind({{Token(q)}});
  for (Index i = 0; i < n; ++i) {
    const auto at_x = Index(layout.x(i, n)), at_y = Index(layout.y(i, n));
    b.place(at_x, x, {at_x});
    b.place(at_y, y, {at_y, at_x});
  }
  b.place(2 * n, eos, {2 * n});
  const auto clash = [&](const View& v) { return equality ? v[0] != v[1] : v[0] + v[1] == 2; };
  const auto any = b.mask([](int, const View&) { return true; });
  const auto well = b.mask([&](int k, const View& v) { return k != y || !clash(v); });
  const auto bad = b.mask([&](int k, const View& v) { return k == y && clash(v); });
  const auto end = b.asked({2 * n});
  b.add(
      {.shape = Case::Shape::none, .asked = end, .asked_views = {1}, .answer = 1, .before = well});
  b.add({.shape = Case::Shape::target,
         .asked = end,
         .asked_views = {1},
         .answer = 0,
         .before = any,
         .target = bad,
         .after = any});
  return b.finish(power(q, 2 * n));
}

/// Pairs (point, label), then a query: kinds point, label (with its point).
std::optional<Cover> cover_nearest_neighbor(const Claim& claim, std::string& why) {
  const auto d = claim.task_config.at("dimension").get<Index>();
  const auto C = claim.task_config.at("labels").get<Index>(), N = claim.length;
  const bool all = claim.task_config.at("positions") == "all";
  const double points = double(Index{1} << d);
  if (!fits(points * double(C + 1), points * double(d + 1) * double(C + 3), double(2 * N + 1), why))
    return std::nullopt;
  const Index X = Index{1} << d;
  CoverBuilder b(2 * N + 1);
  const int point = b.kind({token_range(0, X)});
  const int label = b.kind({token_range(X, C), token_range(0, X)});
  std::vector<Index> asked;
  for (Index i = 0; i <= N; ++i) {
    b.place(2 * i, point, {2 * i});
    if (i < N) b.place(2 * i + 1, label, {2 * i + 1, 2 * i});
    if (i == N || (all && i > 0)) asked.push_back(2 * i);
  }
  const auto queries = b.asked(std::move(asked));
  const auto distance = [](Token a, Token c) { return std::popcount(unsigned(a) ^ unsigned(c)); };
  for (Token query = 0; query < Token(X); ++query)
    for (int near = 0; near <= int(d); ++near) {
      const auto farther = [&](int least) {
        return b.mask([&, least](int k, const View& v) {
          return k != label || distance(v[1], query) >= least;
        });
      };
      const auto before = farther(near + 1), after = farther(near);
      for (Token y = 0; y < Token(C); ++y)
        b.add({.shape = Case::Shape::target,
               .asked = queries,
               .asked_views = b.views(point, [&](const View& v) { return v[0] == query; }),
               .answer = y,
               .before = before,
               .target = b.mask([&](int k, const View& v) {
                 return k == label && v[0] == Token(X) + y && distance(v[1], query) == near;
               }),
               .after = after});
    }
  return b.finish(power(X, N + 1) * power(C, N));
}

/// Kinds key, value (with its key), and what follows the pairs.
std::optional<Cover> cover_mqar(const Claim& claim, std::string& why) {
  const auto V = claim.task_config.at("vocab_size").get<Index>();
  const auto k = claim.task_config.at("pairs").get<Index>(), N = claim.length;
  const bool random = claim.task_config.at("random_non_queries").get<bool>();
  const Index first_value = V / 2, X = first_value - 1, Y = V - first_value;
  if (!fits(double(X) * double(Y), double(X) * double(Y), double(N), why)) return std::nullopt;
  CoverBuilder b(N);
  const int key = b.kind({token_range(1, X)});
  const int value = b.kind({token_range(first_value, Y), token_range(1, X)});
  const int rest = b.kind({random ? token_range(0, V) : token_range(0, first_value)});
  std::vector<Index> asked;
  for (Index t = 0; t < N; ++t) {
    const bool odd = t % 2 == 1;
    if (t >= 2 * k)
      b.place(t, rest, {t});
    else if (odd)
      b.place(t, value, {t, t - 1});
    else
      b.place(t, key, {t});
    if (t >= 2 * k && !odd) asked.push_back(t);
  }
  const auto queries = b.asked(std::move(asked));
  for (Token a = 1; a <= Token(X); ++a) {
    const auto others = b.mask([&](int kind, const View& v) { return kind != value || v[1] != a; });
    for (Index y = 0; y < Y; ++y) {
      const Token answer = Token(first_value + y);
      b.add({.shape = Case::Shape::target,
             .asked = queries,
             .asked_views = b.views(rest, [&](const View& v) { return v[0] == a; }),
             .answer = answer,
             .before = others,
             .target = b.mask([&](int kind, const View& v) {
               return kind == value && v[1] == a && v[0] == answer;
             }),
             .after = others});
    }
  }
  mpz_class inputs = falling(X, k) * falling(Y, k) * falling((N - 2 * k) / 2, k);
  if (random) inputs *= power(V - k, N - 3 * k);
  return b.finish(inputs);
}

/// Each symbol with the one before it; the last one asks.
std::optional<Cover> cover_induction(const Claim& claim, std::string& why) {
  const auto q = claim.task_config.at("alphabet").get<Index>(), N = claim.length;
  if (!fits(double(q) * double(q), double(q) * double(q + 1), double(N), why)) return std::nullopt;
  CoverBuilder b(N);
  const int first = b.kind({token_range(0, q)});
  const int later = b.kind({token_range(0, q), token_range(0, q)});
  b.place(0, first, {0});
  for (Index t = 1; t < N; ++t) b.place(t, later, {t, t - 1});
  const auto any = b.mask([](int, const View&) { return true; });
  const auto at_start = b.mask([&](int k, const View&) { return k == first; });
  const auto end = b.asked({N - 1});
  for (Token a = 0; a < Token(q); ++a) {
    const auto asks = b.views(later, [&](const View& v) { return v[0] == a; });
    const auto absent = b.mask([&](int k, const View& v) { return k == first || v[1] != a; });
    // Nothing stands before position 0, so it is where a model can keep its answer for "none".
    b.add({.shape = Case::Shape::target,
           .asked = end,
           .asked_views = asks,
           .answer = Token(q),
           .before = any,
           .target = at_start,
           .after = absent,
           .at = 0});
    for (Token next = 0; next < Token(q); ++next)
      b.add({.shape = Case::Shape::target,
             .asked = end,
             .asked_views = asks,
             .answer = next,
             .before = any,
             .target = b.mask(
                 [&](int k, const View& v) { return k == later && v[1] == a && v[0] == next; }),
             .after = absent});
  }
  return b.finish(power(q, N));
}

/// The query stands first, and the last symbol knows it.
std::optional<Cover> cover_index_lookup(const Claim& claim, std::string& why) {
  const auto q = claim.task_config.at("alphabet").get<Index>(), N = claim.length;
  if (claim.task_config.at("query") != "first") {
    why = "its cases are for the query first";
    return std::nullopt;
  }
  if (!fits(double(q) * double(N), double(q) * double(N), double(N), why)) return std::nullopt;
  CoverBuilder b(N + 1);
  const int query = b.kind({token_range(q, N)});
  const int symbol = b.kind({token_range(0, q)});
  const int last = b.kind({token_range(0, q), token_range(q, N)});
  b.place(0, query, {0});
  for (Index t = 1; t < N; ++t) b.place(t, symbol, {t});
  b.place(N, last, {N, 0});
  const auto any = b.mask([](int, const View&) { return true; });
  const auto end = b.asked({N});
  for (Token s = 0; s < Token(q); ++s) {
    const auto target = b.mask([&](int k, const View& v) { return k != query && v[0] == s; });
    for (Index p = 0; p < N; ++p)
      b.add({.shape = Case::Shape::target,
             .asked = end,
             .asked_views = b.views(
                 last,
                 [&](const View& v) { return v[1] == Token(q + p) && (p < N - 1 || v[0] == s); }),
             .answer = s,
             .before = any,
             .target = target,
             .after = any,
             .at = p + 1});
  }
  return b.finish(power(q, N) * N);
}

}  // namespace separatrix::layered

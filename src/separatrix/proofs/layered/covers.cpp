#include "separatrix/proofs/layered/covers.h"

#include <algorithm>
#include <bit>

#include "separatrix/base/names.h"
#include "separatrix/tasks/features.h"
#include "separatrix/tasks/pair_layout.h"

namespace separatrix::layered {
namespace {

constexpr double kMaxViews = 4e6, kMaxMasked = 5e8, kMaxSteps = 4e9;

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
std::vector<Cover> cover_pairs(const Claim& claim, std::string& why) {
  const bool equality = same_name(claim.task, "string-equality");
  const Index q = equality ? claim.task_config.at("alphabet").get<Index>() : 2;
  const Index n = claim.length / 2;
  const auto layout =
      PairLayout::parse("layout", claim.task_config.at("layout").get<std::string>());
  if (!fits(double(q) * double(q), 2, double(claim.length), why)) return {};
  CoverBuilder b(claim.length + 1);
  const int x = b.kind({each_of(0, q)});
  const int y = b.kind({each_of(0, q), each_of(0, q)});
  const int eos = b.kind({{only(q)}});
  for (Index i = 0; i < n; ++i) {
    const auto at_x = Index(layout.x(i, n)), at_y = Index(layout.y(i, n));
    b.place(at_x, x, {at_x});
    b.place(at_y, y, {at_y, at_x});
  }
  b.place(2 * n, eos, {2 * n});
  const auto clash = [&](const View& v) {
    return equality ? v[0] != v[1] : v[0] == only(1) && v[1] == only(1);
  };
  const auto any = b.mask([](int, const View&) { return true; });
  const auto well = b.mask([&](int k, const View& v) { return k != y || !clash(v); });
  const auto bad = b.mask([&](int k, const View& v) { return k == y && clash(v); });
  const auto end = b.asked({2 * n}), asker = b.asker({only(q)});
  b.add({.shape = Case::Shape::none, .asked = end, .asker = asker, .answer = 1, .before = well});
  b.add({.shape = Case::Shape::target,
         .asked = end,
         .asker = asker,
         .answer = 0,
         .before = any,
         .target = bad,
         .after = any});
  return {b.finish(power(q, 2 * n))};
}

/// Pairs (point, label), then a query: kinds point, label (with its point). Which label is found
/// depends on the points alone.
std::vector<Cover> cover_nearest_neighbor(const Claim& claim, std::string& why) {
  const auto d = claim.task_config.at("dimension").get<Index>();
  const auto C = claim.task_config.at("labels").get<Index>(), N = claim.length;
  const bool all = claim.task_config.at("positions") == "all";
  const double points = double(Index{1} << d);
  if (!fits(2 * points, 3 * points * double(d + 1), double(2 * N + 1), why)) return {};
  const Index X = Index{1} << d;
  CoverBuilder b(2 * N + 1);
  const int point = b.kind({each_of(0, X)});
  const int label = b.kind({{any_of(X, C)}, each_of(0, X)});
  for (Index y = 0; y < C; ++y) b.read_out(Token(y), label, {only(X + y), any_of(0, X)});
  std::vector<Index> asked;
  for (Index i = 0; i <= N; ++i) {
    b.place(2 * i, point, {2 * i});
    if (i < N) b.place(2 * i + 1, label, {2 * i + 1, 2 * i});
    if (i == N || (all && i > 0)) asked.push_back(2 * i);
  }
  const auto queries = b.asked(std::move(asked));
  const auto distance = [](Tokens a, Token c) {
    return std::popcount(unsigned(a.first) ^ unsigned(c));
  };
  for (Token query = 0; query < Token(X); ++query) {
    const auto asker = b.asker({only(query)});
    for (int near = 0; near <= int(d); ++near) {
      const auto farther = [&](int least) {
        return b.mask([&, least](int k, const View& v) {
          return k != label || distance(v[1], query) >= least;
        });
      };
      b.add({.shape = Case::Shape::target,
             .asked = queries,
             .asker = asker,
             .answer = Case::kThere,
             .before = farther(near + 1),
             .target = b.mask(
                 [&](int k, const View& v) { return k == label && distance(v[1], query) == near; }),
             .after = farther(near)});
    }
  }
  return {b.finish(power(X, N + 1) * power(C, N))};
}

/// Kinds key, value (with its key), and what follows the pairs. Which value is found depends on the
/// keys alone.
std::vector<Cover> cover_mqar(const Claim& claim, std::string& why) {
  const auto V = claim.task_config.at("vocab_size").get<Index>();
  const auto k = claim.task_config.at("pairs").get<Index>(), N = claim.length;
  const bool random = claim.task_config.at("random_non_queries").get<bool>();
  const Index first_value = V / 2, X = first_value - 1, Y = V - first_value;
  if (!fits(double(2 * X + V), 2 * double(X), double(N), why)) return {};
  CoverBuilder b(N);
  const int key = b.kind({each_of(1, X)});
  const int value = b.kind({{any_of(first_value, Y)}, each_of(1, X)});
  const int rest = b.kind({random ? each_of(0, V) : each_of(0, first_value)});
  for (Index y = first_value; y < V; ++y) b.read_out(Token(y), value, {only(y), any_of(1, X)});
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
  for (Index a = 1; a <= X; ++a) {
    const auto holds = [&](int kind, const View& v) { return kind == value && v[1] == only(a); };
    const auto others = b.mask([&](int kind, const View& v) { return !holds(kind, v); });
    b.add({.shape = Case::Shape::target,
           .asked = queries,
           .asker = b.asker({only(a)}),
           .answer = Case::kThere,
           .before = others,
           .target = b.mask(holds),
           .after = others});
  }
  mpz_class inputs = falling(X, k) * falling(Y, k) * falling((N - 2 * k) / 2, k);
  if (random) inputs *= power(V - k, N - 3 * k);
  return {b.finish(inputs)};
}

/// Each symbol with the one before it; the last one asks.
std::vector<Cover> cover_induction(const Claim& claim, std::string& why) {
  const auto q = claim.task_config.at("alphabet").get<Index>(), N = claim.length;
  if (!fits(2 * double(q), 3 * double(q), double(N), why)) return {};
  CoverBuilder b(N);
  const Tokens symbol = any_of(0, q);
  const int first = b.kind({each_of(0, q)});
  const int later = b.kind({{symbol}, each_of(0, q)});
  for (Index s = 0; s < q; ++s) b.read_out(Token(s), later, {only(s), symbol});
  b.place(0, first, {0});
  for (Index t = 1; t < N; ++t) b.place(t, later, {t, t - 1});
  const auto any = b.mask([](int, const View&) { return true; });
  const auto at_start = b.mask([&](int k, const View&) { return k == first; });
  const auto end = b.asked({N - 1});
  for (Index a = 0; a < q; ++a) {
    const auto asker = b.asker({only(a), symbol});
    const auto follows = [&](int k, const View& v) { return k == later && v[1] == only(a); };
    const auto absent = b.mask([&](int k, const View& v) { return !follows(k, v); });
    // Nothing stands before position 0, so it is where a model can keep its answer for "none".
    b.add({.shape = Case::Shape::target,
           .asked = end,
           .asker = asker,
           .answer = Token(q),
           .before = any,
           .target = at_start,
           .after = absent,
           .at = 0});
    b.add({.shape = Case::Shape::target,
           .asked = end,
           .asker = asker,
           .answer = Case::kThere,
           .before = any,
           .target = b.mask(follows),
           .after = absent});
  }
  return {b.finish(power(q, N))};
}

/// The query stands first, and the last symbol knows it.
std::vector<Cover> cover_index_lookup(const Claim& claim, std::string& why) {
  const auto q = claim.task_config.at("alphabet").get<Index>(), N = claim.length;
  if (claim.task_config.at("query") != "first") {
    why = "its cases are for the query first";
    return {};
  }
  if (!fits(double(q + 2 * N), double(N), double(N), why)) return {};
  CoverBuilder b(N + 1);
  const Tokens symbol = any_of(0, q);
  const int query = b.kind({each_of(q, N)});
  const int earlier = b.kind({{symbol}});
  const int last = b.kind({{symbol}, each_of(q, N)});
  for (Index s = 0; s < q; ++s) {
    b.read_out(Token(s), earlier, {only(s)});
    b.read_out(Token(s), last, {only(s), any_of(q, N)});
  }
  b.place(0, query, {0});
  for (Index t = 1; t < N; ++t) b.place(t, earlier, {t});
  b.place(N, last, {N, 0});
  const auto any = b.mask([](int, const View&) { return true; });
  const auto target = b.mask([&](int k, const View&) { return k != query; });
  const auto end = b.asked({N});
  for (Index p = 0; p < N; ++p)
    b.add({.shape = Case::Shape::target,
           .asked = end,
           .asker = b.asker({symbol, only(q + p)}),
           .answer = Case::kThere,
           .before = any,
           .target = target,
           .after = any,
           .at = p + 1});
  return {b.finish(power(q, N) * N)};
}

}  // namespace separatrix::layered

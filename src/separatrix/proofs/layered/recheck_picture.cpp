#include "separatrix/proofs/layered/recheck_picture.h"

#include <algorithm>
#include <bit>
#include <map>
#include <memory>

#include "separatrix/base/names.h"
#include "separatrix/proofs/layered/recheck_feature_picture.h"

namespace separatrix::relayer {
namespace {

using Shape = Question::Shape;
constexpr double kMaxOptions = 4.5e6, kMaxWork = 6e8;

mpz_class power(Index base, Index exponent) {
  mpz_class out;
  mpz_ui_pow_ui(out.get_mpz_t(), std::uint64_t(base), std::uint64_t(exponent));
  return out;
}
/// n (n-1) .. (n-k+1).
mpz_class ordered(Index n, Index k) {
  mpz_class out = 1;
  for (; k > 0; --k, --n) out *= mpz_class(long(n));
  return out;
}

/// One token of [first, first + n).
std::vector<Look> alone(Index first, Index n) {
  std::vector<Look> out;
  for (Index i = 0; i < n; ++i) out.push_back({Token(first + i)});
  return out;
}
/// One token of the first range, and one of the second behind it.
std::vector<Look> couples(Index first, Index n, Index second, Index m) {
  std::vector<Look> out;
  for (Index i = 0; i < n; ++i)
    for (Index j = 0; j < m; ++j) out.push_back({Token(first + i), Token(second + j)});
  return out;
}
bool anything(int, const Look&) { return true; }

Index number(const Claim& claim, const char* field) {
  return claim.task_config.at(field).get<Index>();
}

/// Equality and disjointness. "No": take the last pair that clashes; what is before it is free.
std::optional<Picture> pairs(const Claim& claim) {
  const bool equality = same_name(claim.task, "string-equality");
  const Index q = equality ? number(claim, "alphabet") : 2, N = claim.length, n = N / 2;
  const bool interleaved = claim.task_config.at("layout") == "interleaved";
  if (double(q) * double(q) > kMaxOptions) return std::nullopt;
  enum Roles { kX, kY, kEnd };
  Picture p;
  p.options = {alone(0, q), couples(0, q, 0, q), alone(q, 1)};
  for (Index t = 0; t < N; ++t) {
    const bool is_y = interleaved ? t % 2 == 1 : t >= n;
    p.role.push_back(is_y ? kY : kX);
    p.looks.emplace_back(1, t);
    if (is_y) p.looks.back().push_back(interleaved ? t - 1 : t - n);
  }
  p.role.push_back(kEnd);
  p.looks.emplace_back(1, N);
  p.asked = {N};
  p.askers = {[](const Look&) { return true; }};
  const auto clashes = [equality](const Look& look) {
    return equality ? look[0] != look[1] : look[0] == 1 && look[1] == 1;
  };
  const auto peaceful = [clashes](int role, const Look& look) {
    return role != kY || !clashes(look);
  };
  const auto clash = [clashes](int role, const Look& look) { return role == kY && clashes(look); };
  p.questions.push_back({.shape = Shape::all, .answer = 1, .before = peaceful});
  p.questions.push_back(
      {.shape = Shape::one, .answer = 0, .before = anything, .there = clash, .after = peaceful});
  p.find = [=](std::span<const Token> tokens, Index) {
    for (Index i = n; i-- > 0;) {
      const Index x = interleaved ? 2 * i : i, y = interleaved ? 2 * i + 1 : n + i;
      if (clashes({tokens[std::size_t(y)], tokens[std::size_t(x)]})) return Picture::Found{1, y};
    }
    return Picture::Found{0, -1};
  };
  p.inputs = power(q, N);
  return p;
}

/// By the query, the least distance, and the label of the first point at that distance.
std::optional<Picture> nearest(const Claim& claim) {
  const Index d = number(claim, "dimension"), C = number(claim, "labels"), N = claim.length;
  const bool all = claim.task_config.at("positions") == "all";
  const Index X = Index{1} << d;
  if (double(X) * double(C + 1) > kMaxOptions ||
      double(X) * double(X) * double(C + 1) * double(d + 1) * double(C) > kMaxWork)
    return std::nullopt;
  enum Roles { kPoint, kLabel };
  Picture p;
  p.options = {alone(0, X), couples(X, C, 0, X)};
  for (Index t = 0; t <= 2 * N; ++t) {
    p.role.push_back(t % 2 == 0 ? kPoint : kLabel);
    p.looks.emplace_back(1, t);
    if (t % 2 == 1) p.looks.back().push_back(t - 1);
    if (t % 2 == 0 && (t == 2 * N || (all && t > 0))) p.asked.push_back(t);
  }
  const auto far = [](Token a, Token b) { return std::popcount(unsigned(a ^ b)); };
  for (Token query = 0; query < Token(X); ++query) {
    p.askers.emplace_back([=](const Look& look) { return look[0] == query; });
    for (int least = 0; least <= int(d); ++least)
      for (Index y = 0; y < C; ++y)
        p.questions.push_back({.shape = Shape::one,
                               .asker = p.askers.size() - 1,
                               .answer = Token(y),
                               .before =
                                   [=](int role, const Look& look) {
                                     return role == kPoint || far(look[1], query) > least;
                                   },
                               .there =
                                   [=](int role, const Look& look) {
                                     return role == kLabel && look[0] == Token(X + y) &&
                                            far(look[1], query) == least;
                                   },
                               .after =
                                   [=](int role, const Look& look) {
                                     return role == kPoint || far(look[1], query) >= least;
                                   }});
  }
  p.find = [=](std::span<const Token> tokens, Index asked) {
    const Token query = tokens[std::size_t(asked)];
    Index best = 1;
    for (Index t = 3; t < asked; t += 2)
      if (far(tokens[std::size_t(t - 1)], query) < far(tokens[std::size_t(best - 1)], query))
        best = t;
    const Index least = far(tokens[std::size_t(best - 1)], query);
    const Index y = tokens[std::size_t(best)] - X;
    return Picture::Found{(Index(query) * (d + 1) + least) * C + y, best};
  };
  p.inputs = power(X, N + 1) * power(C, N);
  return p;
}

/// By the key that is asked and its value, which stands behind it among the pairs.
std::optional<Picture> recall(const Claim& claim) {
  const Index V = number(claim, "vocab_size"), k = number(claim, "pairs"), N = claim.length;
  const bool random = claim.task_config.at("random_non_queries").get<bool>();
  const Index values = V / 2, X = values - 1, Y = V - values;
  if (double(X) * double(Y) * (double(X) * double(Y) + double(V)) > kMaxWork) return std::nullopt;
  enum Roles { kKey, kValue, kRest };
  Picture p;
  p.options = {alone(1, X), couples(values, Y, 1, X), alone(0, random ? V : values)};
  for (Index t = 0; t < N; ++t) {
    p.role.push_back(t >= 2 * k ? kRest : t % 2 == 0 ? kKey : kValue);
    p.looks.emplace_back(1, t);
    if (p.role.back() == kValue) p.looks.back().push_back(t - 1);
    if (t >= 2 * k && t % 2 == 0) p.asked.push_back(t);
  }
  for (Token key = 1; key <= Token(X); ++key) {
    p.askers.emplace_back([=](const Look& look) { return look[0] == key; });
    // Keys are different: no other value stands behind this one.
    const auto other = [=](int role, const Look& look) { return role != kValue || look[1] != key; };
    for (Token value = Token(values); value < Token(V); ++value)
      p.questions.push_back({.shape = Shape::one,
                             .asker = p.askers.size() - 1,
                             .answer = value,
                             .before = other,
                             .there =
                                 [=](int role, const Look& look) {
                                   return role == kValue && look[0] == value && look[1] == key;
                                 },
                             .after = other});
  }
  p.find = [=](std::span<const Token> tokens, Index asked) {
    const Token key = tokens[std::size_t(asked)];
    for (Index t = 1; t < 2 * k; t += 2)
      if (tokens[std::size_t(t - 1)] == key)
        return Picture::Found{Index(key - 1) * Y + tokens[std::size_t(t)] - values, t};
    return Picture::Found{};
  };
  p.inputs = ordered(X, k) * ordered(Y, k) * ordered((N - 2 * k) / 2, k);
  if (random) p.inputs *= power(V - k, N - 3 * k);
  return p;
}

/// By the last symbol and what followed its latest earlier occurrence; "none" stands at 0.
std::optional<Picture> induction(const Claim& claim) {
  const Index q = number(claim, "alphabet"), N = claim.length;
  if (double(q) * double(q) * double(q) * double(q + 1) > kMaxWork) return std::nullopt;
  enum Roles { kFirst, kLater };
  Picture p;
  p.options = {alone(0, q), couples(0, q, 0, q)};
  for (Index t = 0; t < N; ++t) {
    p.role.push_back(t == 0 ? kFirst : kLater);
    p.looks.emplace_back(1, t);
    if (t > 0) p.looks.back().push_back(t - 1);
  }
  p.asked = {N - 1};
  for (Token s = 0; s < Token(q); ++s) {
    p.askers.emplace_back([=](const Look& look) { return look[0] == s; });
    const auto other = [=](int role, const Look& look) { return role == kFirst || look[1] != s; };
    p.questions.push_back({.shape = Shape::one,
                           .asker = p.askers.size() - 1,
                           .answer = Token(q),
                           .before = anything,
                           .there = [](int role, const Look&) { return role == kFirst; },
                           .after = other,
                           .at = 0});
    for (Token next = 0; next < Token(q); ++next)
      p.questions.push_back({.shape = Shape::one,
                             .asker = p.askers.size() - 1,
                             .answer = next,
                             .before = anything,
                             .there =
                                 [=](int role, const Look& look) {
                                   return role == kLater && look[0] == next && look[1] == s;
                                 },
                             .after = other});
  }
  p.find = [=](std::span<const Token> tokens, Index) {
    const Token s = tokens[std::size_t(N - 1)];
    for (Index t = N - 1; t > 0; --t)
      if (tokens[std::size_t(t - 1)] == s)
        return Picture::Found{Index(s) * (q + 1) + 1 + tokens[std::size_t(t)], t};
    return Picture::Found{Index(s) * (q + 1), 0};
  };
  p.inputs = power(q, N);
  return p;
}

/// The number comes first: by the number and the symbol at its place.
std::optional<Picture> lookup(const Claim& claim) {
  const Index q = number(claim, "alphabet"), N = claim.length;
  if (claim.task_config.at("query") != "first") return std::nullopt;
  if (double(q) * double(N) * (double(q) * double(N) + double(q + N)) > kMaxWork)
    return std::nullopt;
  enum Roles { kNumber, kSymbol, kLast };
  Picture p;
  p.options = {alone(q, N), alone(0, q), couples(0, q, q, N)};
  for (Index t = 0; t <= N; ++t) {
    p.role.push_back(t == N ? kLast : t == 0 ? kNumber : kSymbol);
    p.looks.emplace_back(1, t);
  }
  p.looks.back().push_back(0);
  p.asked = {N};
  for (Token s = 0; s < Token(q); ++s)
    for (Index place = 0; place < N; ++place) {
      p.askers.emplace_back([=](const Look& look) {
        return look[1] == Token(q + place) && (place + 1 < N || look[0] == s);
      });
      p.questions.push_back(
          {.shape = Shape::one,
           .asker = p.askers.size() - 1,
           .answer = s,
           .before = anything,
           .there = [=](int role, const Look& look) { return role != kNumber && look[0] == s; },
           .after = anything,
           .at = place + 1});
    }
  p.find = [=](std::span<const Token> tokens, Index) {
    const Index place = tokens[0] - q;
    return Picture::Found{Index(tokens[std::size_t(place + 1)]) * N + place, place + 1};
  };
  p.inputs = power(q, N) * N;
  return p;
}

}  // namespace

std::vector<Picture> pictures_of(const Claim& claim, std::string& why) {
  std::vector<Picture> out;
  if (same_name(claim.task, "sparse-features")) {
    out = feature_pictures(claim);
  } else {
    using Make = std::optional<Picture> (*)(const Claim&);
    const std::map<std::string, Make> known = {
        {"string-equality", pairs}, {"set-disjointness", pairs}, {"nearest-neighbor", nearest},
        {"mqar", recall},           {"induction", induction},    {"index-lookup", lookup}};
    for (const auto& [name, make] : known)
      if (same_name(name, claim.task))
        if (auto picture = make(claim)) out.push_back(std::move(*picture));
  }
  if (out.empty()) why = "no description of the task " + claim.task + " of this size";
  return out;
}

std::string compare_with_labels(const Picture& p, const Task& task, Index length) {
  const Index T = p.n_tokens();
  std::vector<Token> targets(static_cast<std::size_t>(T));
  std::string wrong;
  const auto fits = [&](std::span<const Token> tokens, Index asked) {
    const Picture::Found found = p.find(tokens, asked);
    if (found.question < 0) return targets[std::size_t(asked)] == kIgnore;
    if (found.question >= Index(p.questions.size())) return false;
    const Question& q = p.questions[std::size_t(found.question)];
    if (q.answer != targets[std::size_t(asked)]) return false;
    if (q.at >= 0 && q.at != found.place) return false;
    Index weight = 0;
    for (Index t = 0; t < (q.shape == Shape::count ? T : asked + 1); ++t) {
      Look look;
      for (const Index place : p.looks[std::size_t(t)]) look.push_back(tokens[std::size_t(place)]);
      const int role = p.role[std::size_t(t)];
      if (t == asked && !p.askers[q.asker](look)) return false;
      if (q.shape == Shape::count) {
        weight += p.weight(role, look);
        continue;
      }
      const auto& allows = q.shape == Shape::all || t < found.place ? q.before
                           : t == found.place                       ? q.there
                                                                    : q.after;
      if (!allows(role, look)) return false;
    }
    return q.shape != Shape::count || weight == q.count;
  };
  const auto look_at = [&](std::span<const Token> tokens) {
    task.label(tokens, targets);
    for (Index t = 0; t < T; ++t)
      if (std::binary_search(p.asked.begin(), p.asked.end(), t)
              ? !fits(tokens, t)
              : targets[std::size_t(t)] != kIgnore) {
        wrong = "an input is not described rightly";
        return false;
      }
    return true;
  };
  constexpr Index kAll = 5000, kDrawn = 40;
  if (p.inputs <= kAll) {
    Index n = 0;
    for_each_instance(task, length, [&](std::span<const Token> tokens) {
      ++n;
      return look_at(tokens);
    });
    return wrong.empty() && p.inputs != mpz_class(long(n)) ? "the inputs are counted wrongly"
                                                           : wrong;
  }
  Rng rng(7, RngUse::search);
  std::vector<Token> tokens(static_cast<std::size_t>(T));
  for (Index i = 0; i < kDrawn && wrong.empty(); ++i) {
    task.sample(rng, tokens);
    look_at(tokens);
  }
  return wrong;
}

}  // namespace separatrix::relayer

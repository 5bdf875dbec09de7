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

/// Each token of [first, first + n), alone.
std::vector<Look> alone(Index first, Index n) {
  std::vector<Look> out;
  for (Index i = 0; i < n; ++i) out.push_back({Symbol::just(first + i)});
  return out;
}
/// Any symbol of a kind, and behind it each token of [first, first + n).
std::vector<Look> behind(Symbol any, Index first, Index n) {
  std::vector<Look> out;
  for (Index i = 0; i < n; ++i) out.push_back({any, Symbol::just(first + i)});
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
  p.options = {alone(0, q), {}, alone(q, 1)};
  for (Index own = 0; own < q; ++own)
    for (const Look& look : behind(Symbol::just(own), 0, q)) p.options[kY].push_back(look);
  for (Index t = 0; t < N; ++t) {
    const bool is_y = interleaved ? t % 2 == 1 : t >= n;
    p.role.push_back(is_y ? kY : kX);
    p.looks.emplace_back(1, t);
    if (is_y) p.looks.back().push_back(interleaved ? t - 1 : t - n);
  }
  p.role.push_back(kEnd);
  p.looks.emplace_back(1, N);
  p.asked = {N};
  p.askers = alone(q, 1);
  const auto clashes = [equality](const Look& look) {
    return equality ? !look[0].overlaps(look[1]) : look[0].is(1) && look[1].is(1);
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
      if (clashes({Symbol::just(tokens[std::size_t(y)]), Symbol::just(tokens[std::size_t(x)])}))
        return Picture::Found{1, y};
    }
    return Picture::Found{0, -1};
  };
  p.inputs = power(q, N);
  return p;
}

/// By the query and the least distance: the first label at that distance.
std::optional<Picture> nearest(const Claim& claim) {
  const Index d = number(claim, "dimension"), C = number(claim, "labels"), N = claim.length;
  const bool all = claim.task_config.at("positions") == "all";
  const Index X = Index{1} << d;
  if (double(X) * double(X) * double(d + 1) > kMaxWork) return std::nullopt;
  enum Roles { kPoint, kLabel };
  Picture p;
  p.options = {alone(0, X), behind(Symbol::some(X, C), 0, X)};
  for (Index y = 0; y < C; ++y)
    p.kept.push_back({Token(y), kLabel, {Symbol::just(X + y), Symbol::some(0, X)}});
  for (Index t = 0; t <= 2 * N; ++t) {
    p.role.push_back(t % 2 == 0 ? kPoint : kLabel);
    p.looks.emplace_back(1, t);
    if (t % 2 == 1) p.looks.back().push_back(t - 1);
    if (t % 2 == 0 && (t == 2 * N || (all && t > 0))) p.asked.push_back(t);
  }
  const auto far = [](Token a, Token b) { return std::popcount(unsigned(a ^ b)); };
  p.askers = alone(0, X);
  for (Token query = 0; query < Token(X); ++query)
    for (int least = 0; least <= int(d); ++least) {
      const auto away = [=](const Look& look) { return far(look[1].least, query); };
      p.questions.push_back(
          {.shape = Shape::one,
           .asker = std::size_t(query),
           .kept = true,
           .before = [=](int role,
                         const Look& look) { return role == kPoint || away(look) > least; },
           .there = [=](int role,
                        const Look& look) { return role == kLabel && away(look) == least; },
           .after = [=](int role,
                        const Look& look) { return role == kPoint || away(look) >= least; }});
    }
  p.find = [=](std::span<const Token> tokens, Index asked) {
    const Token query = tokens[std::size_t(asked)];
    Index best = 1;
    for (Index t = 3; t < asked; t += 2)
      if (far(tokens[std::size_t(t - 1)], query) < far(tokens[std::size_t(best - 1)], query))
        best = t;
    const Index least = far(tokens[std::size_t(best - 1)], query);
    return Picture::Found{Index(query) * (d + 1) + least, best};
  };
  p.inputs = power(X, N + 1) * power(C, N);
  return p;
}

/// By the key that is asked; its value stands behind it among the pairs.
std::optional<Picture> recall(const Claim& claim) {
  const Index V = number(claim, "vocab_size"), k = number(claim, "pairs"), N = claim.length;
  const bool random = claim.task_config.at("random_non_queries").get<bool>();
  const Index values = V / 2, X = values - 1, Y = V - values;
  if (double(X) * double(2 * X + V) > kMaxWork) return std::nullopt;
  enum Roles { kKey, kValue, kRest };
  Picture p;
  p.options = {alone(1, X), behind(Symbol::some(values, Y), 1, X), alone(0, random ? V : values)};
  for (Index value = values; value < V; ++value)
    p.kept.push_back({Token(value), kValue, {Symbol::just(value), Symbol::some(1, X)}});
  for (Index t = 0; t < N; ++t) {
    p.role.push_back(t >= 2 * k ? kRest : t % 2 == 0 ? kKey : kValue);
    p.looks.emplace_back(1, t);
    if (p.role.back() == kValue) p.looks.back().push_back(t - 1);
    if (t >= 2 * k && t % 2 == 0) p.asked.push_back(t);
  }
  p.askers = alone(1, X);
  for (Index key = 1; key <= X; ++key) {
    const auto mine = [=](int role, const Look& look) { return role == kValue && look[1].is(key); };
    // Keys are different: no other value stands behind this one.
    const auto other = [=](int role, const Look& look) { return !mine(role, look); };
    p.questions.push_back({.shape = Shape::one,
                           .asker = std::size_t(key - 1),
                           .kept = true,
                           .before = other,
                           .there = mine,
                           .after = other});
  }
  p.find = [=](std::span<const Token> tokens, Index asked) {
    const Token key = tokens[std::size_t(asked)];
    for (Index t = 1; t < 2 * k; t += 2)
      if (tokens[std::size_t(t - 1)] == key) return Picture::Found{Index(key - 1), t};
    return Picture::Found{};
  };
  p.inputs = ordered(X, k) * ordered(Y, k) * ordered((N - 2 * k) / 2, k);
  if (random) p.inputs *= power(V - k, N - 3 * k);
  return p;
}

/// By the last symbol: what followed its latest earlier occurrence; "none" stands at 0.
std::optional<Picture> induction(const Claim& claim) {
  const Index q = number(claim, "alphabet"), N = claim.length;
  if (double(q) * double(q) > kMaxWork) return std::nullopt;
  enum Roles { kFirst, kLater };
  const Symbol any = Symbol::some(0, q);
  Picture p;
  p.options = {alone(0, q), behind(any, 0, q)};
  for (Index s = 0; s < q; ++s) p.kept.push_back({Token(s), kLater, {Symbol::just(s), any}});
  for (Index t = 0; t < N; ++t) {
    p.role.push_back(t == 0 ? kFirst : kLater);
    p.looks.emplace_back(1, t);
    if (t > 0) p.looks.back().push_back(t - 1);
  }
  p.asked = {N - 1};
  for (Index s = 0; s < q; ++s) {
    p.askers.push_back({Symbol::just(s), any});
    const auto after_it = [=](int role, const Look& look) {
      return role == kLater && look[1].is(s);
    };
    const auto other = [=](int role, const Look& look) { return !after_it(role, look); };
    p.questions.push_back({.shape = Shape::one,
                           .asker = std::size_t(s),
                           .answer = Token(q),
                           .before = anything,
                           .there = [](int role, const Look&) { return role == kFirst; },
                           .after = other,
                           .at = 0});
    p.questions.push_back({.shape = Shape::one,
                           .asker = std::size_t(s),
                           .kept = true,
                           .before = anything,
                           .there = after_it,
                           .after = other});
  }
  p.find = [=](std::span<const Token> tokens, Index) {
    const Token s = tokens[std::size_t(N - 1)];
    for (Index t = N - 1; t > 0; --t)
      if (tokens[std::size_t(t - 1)] == s) return Picture::Found{2 * Index(s) + 1, t};
    return Picture::Found{2 * Index(s), 0};
  };
  p.inputs = power(q, N);
  return p;
}

/// The number comes first: by the number; the symbol is kept at its place.
std::optional<Picture> lookup(const Claim& claim) {
  const Index q = number(claim, "alphabet"), N = claim.length;
  if (claim.task_config.at("query") != "first") return std::nullopt;
  if (double(N) * double(q + 2 * N) > kMaxWork) return std::nullopt;
  enum Roles { kNumber, kSymbol, kLast };
  const Symbol any = Symbol::some(0, q);
  Picture p;
  p.options = {alone(q, N), {{any}}, behind(any, q, N)};
  for (Index s = 0; s < q; ++s) {
    p.kept.push_back({Token(s), kSymbol, {Symbol::just(s)}});
    p.kept.push_back({Token(s), kLast, {Symbol::just(s), Symbol::some(q, N)}});
  }
  for (Index t = 0; t <= N; ++t) {
    p.role.push_back(t == N ? kLast : t == 0 ? kNumber : kSymbol);
    p.looks.emplace_back(1, t);
  }
  p.looks.back().push_back(0);
  p.asked = {N};
  p.askers = behind(any, q, N);
  for (Index place = 0; place < N; ++place)
    p.questions.push_back({.shape = Shape::one,
                           .asker = std::size_t(place),
                           .kept = true,
                           .before = anything,
                           .there = [](int role, const Look&) { return role != kNumber; },
                           .after = anything,
                           .at = place + 1});
  p.find = [=](std::span<const Token> tokens, Index) {
    const Index place = tokens[0] - q;
    return Picture::Found{place, place + 1};
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

bool overlap(const Look& a, const Look& b) {
  for (std::size_t i = 0; i < a.size(); ++i)
    if (!a[i].overlaps(b[i])) return false;
  return true;
}

namespace {

/// One input against the picture, at one asked position.
class Comparison {
 public:
  Comparison(const Picture& picture, std::span<const Token> tokens) : p_(picture), tokens_(tokens) {
    for (std::size_t t = 0; t < p_.role.size(); ++t) {
      auto& look = looks_.emplace_back();
      for (const Index place : p_.looks[t])
        look.push_back(Symbol::just(tokens[std::size_t(place)]));
    }
  }
  /// Whether each position has just one of the options; takes a while.
  bool has_options() const {
    for (std::size_t t = 0; t < looks_.size(); ++t) {
      const auto& options = p_.options[std::size_t(p_.role[t])];
      if (std::count_if(options.begin(), options.end(),
                        [&](const Look& option) { return overlap(option, looks_[t]); }) != 1)
        return false;
    }
    return true;
  }
  bool fits(Index asked, Token label) const {
    const Picture::Found found = p_.find(tokens_, asked);
    if (found.question < 0) return label == kIgnore;
    if (found.question >= Index(p_.questions.size())) return false;
    const Question& q = p_.questions[std::size_t(found.question)];
    if (!(q.kept ? keeps(found.place, label) : q.answer == label)) return false;
    if (q.at >= 0 && q.at != found.place) return false;
    if (!overlap(p_.askers[q.asker], looks_[std::size_t(asked)])) return false;
    return q.shape == Shape::count ? weighs(q.count) : allowed(q, found.place, asked);
  }

 private:
  bool keeps(Index place, Token label) const {
    return std::any_of(p_.kept.begin(), p_.kept.end(), [&](const Kept& kept) {
      return kept.answer == label && kept.role == p_.role[std::size_t(place)] &&
             overlap(kept.look, looks_[std::size_t(place)]);
    });
  }
  bool weighs(Index count) const {
    for (std::size_t t = 0; t < looks_.size(); ++t) count -= p_.weight(p_.role[t], looks_[t]);
    return count == 0;
  }
  bool allowed(const Question& q, Index place, Index asked) const {
    for (Index t = 0; t <= asked; ++t) {
      const auto& allows = q.shape == Shape::all || t < place ? q.before
                           : t == place                       ? q.there
                                                              : q.after;
      if (!allows(p_.role[std::size_t(t)], looks_[std::size_t(t)])) return false;
    }
    return true;
  }

  const Picture& p_;
  std::span<const Token> tokens_;
  std::vector<Look> looks_;
};

}  // namespace

std::string compare_with_labels(const Picture& p, const Task& task, Index length) {
  constexpr Index kAll = 5000, kDrawn = 40;
  const Index T = p.n_tokens();
  const bool all = p.inputs <= kAll;
  std::vector<Token> targets(static_cast<std::size_t>(T));
  std::string wrong;
  const auto look_at = [&](std::span<const Token> tokens) {
    task.label(tokens, targets);
    const Comparison comparison(p, tokens);
    bool right = !all || comparison.has_options();
    for (Index t = 0; t < T && right; ++t) {
      const Token label = targets[std::size_t(t)];
      right = std::binary_search(p.asked.begin(), p.asked.end(), t) ? comparison.fits(t, label)
                                                                    : label == kIgnore;
    }
    if (!right) wrong = "an input is not described rightly";
    return right;
  };
  if (all) {
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

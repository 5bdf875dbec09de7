#include <algorithm>
#include <cmath>

#include "separatrix/base/error.h"
#include "separatrix/bounds/one_layer/evidence.h"
#include "separatrix/bounds/one_layer/witness.h"

// The theorems of docs/theory.md, "One layer", as counts. They say nothing about how they are
// checked: rule_check.cpp carries the rules out anew.

namespace separatrix::one_layer {
namespace {

constexpr double kMaxCountBits = 0x1p25;  ///< 4 MiB: seconds to print in decimal

void require_small(double bits) {
  if (bits > kMaxCountBits)
    throw Error(ErrorKind::spec,
                "the count of rows has " + std::to_string(std::llround(bits / 8)) +
                    " bytes; the limit is " + std::to_string(std::llround(kMaxCountBits / 8)),
                "one layer", "take a shorter length");
}

mpz_class power(Index base, Index exponent) {
  require_small(double(exponent) * std::log2(double(std::max<Index>(base, 1))));
  mpz_class out;
  mpz_ui_pow_ui(out.get_mpz_t(), std::uint64_t(base), std::uint64_t(exponent));
  return out;
}

/// first (first - 1) .. (last + 1): multiplied in halves, so that large numbers meet large ones.
mpz_class falling(Index first, Index last) {
  if (first - last > 16) {
    const Index middle = last + (first - last) / 2;
    return falling(first, middle) * falling(middle, last);
  }
  mpz_class out = 1;
  for (Index i = first; i > last; --i) out *= mpz_class(long(i));
  return out;
}

/// Positions first, first + step, ..
struct Progression {
  Index first = 0, step = 1, count = 0;
};

class ClosedForms {
 public:
  ClosedForms(const BoundRequest& request, Measure measure)
      : request_(request), measure_(measure), n_(request.length) {}

  std::vector<Evidence> all() const {
    const auto is = [&](const char* name) { return same_name(request_.task_name, name); };
    if (is("string-equality")) return pairs(config("alphabet"), kRuleCopy, 1);
    if (is("set-disjointness")) return pairs(2, kRuleComplement, 1);
    if (is("bounded-dyck")) return dyck();
    if (is("nearest-neighbor")) return nearest();
    if (is("mqar")) return recall();
    if (is("index-lookup")) return lookup();
    return {};
  }

 private:
  Index config(const char* key) const { return request_.task_config.at(key).get<Index>(); }
  bool option(const char* key, const char* value) const {
    return same_name(request_.task_config.at(key).get<std::string>(), value);
  }
  bool leaves() const { return measure_ == Measure::leaves; }
  bool prefix() const { return measure_ == Measure::prefix_rows; }

  /// A count that a rule proves, for Alice's positions `alice` and the token `last` at `asked`.
  Evidence by_rule(const char* rule, Progression alice, Index asked, Token last) const {
    Evidence out;
    out.split = alice.count;
    out.theorem = "docs/theory.md, One layer";
    out.witness = {
        {"kind", kRuleKind},
        {"rule", rule},
        {"shows", leaves() ? "leaves" : "rows"},
        {"asked", asked},
        {"last", last},
        {"alice", {{"first", alice.first}, {"step", alice.step}, {"count", alice.count}}}};
    return out;
  }
  static std::string first_tokens(Index n) {
    return "the first " + std::to_string(n) + (n == 1 ? " token" : " tokens") + " | the rest";
  }
  /// What leaves add to a fooling set, or rows to the live ones: one for the other answer.
  Evidence with_one_more(Evidence evidence) const {
    evidence.count += 1;
    evidence.formula += " + 1";
    return evidence;
  }

  std::vector<Evidence> pairs(Index q, const char* rule, Token answer) const {
    const Index half = n_ / 2;
    const bool interleaved = option("layout", "interleaved");
    const Token last = Token(q);
    // One symbol: there is no other answer that would be one more.
    if (q == 1 && (leaves() || (interleaved && prefix()))) return {};
    if (interleaved && prefix()) return {few_classes(q, rule == std::string(kRuleCopy), last)};
    Evidence out = by_rule(rule, {0, interleaved ? 2 : 1, half}, n_, last);
    out.count = power(q, half);
    out.exact = !leaves();
    out.formula = rule == std::string(kRuleCopy) ? "q^(N/2)" : "2^(N/2)";
    out.partition = prefix() ? first_tokens(half) : "x | y";
    out.witness["answer"] = answer;
    return {leaves() ? with_one_more(out) : out};
  }

  /// Interleaved: after an odd number of symbols only the pending one counts, and whether a pair
  /// has clashed.
  Evidence few_classes(Index q, bool equality, Token last) const {
    // As many of the q symbols as can be tried against one another in 2^28 tokens.
    const Index max_rows = std::clamp(Index(std::sqrt(0x1p28 / double(n_))), Index{2}, Index{2048});
    const bool long_enough = n_ >= 4;
    const Index cut = long_enough ? 3 : 1;
    Json rows = Json::array(), columns = Json::array();
    const Index symbols = std::min(q, max_rows);
    for (Token s = 0; s < symbols; ++s) {
      rows.push_back(long_enough ? std::vector<Token>{0, 0, s} : std::vector<Token>{s});
      if (s > 0 || equality) columns.push_back(std::vector<Token>{s});
    }
    if (long_enough) {
      rows.push_back(std::vector<Token>{Token(equality ? 0 : 1), 1, 0});
      if (!equality) columns.push_back(std::vector<Token>{0});
    }
    Evidence out = by_rule("", {0, 1, cut}, n_, last);
    out.witness.erase("rule");
    out.witness.erase("shows");
    out.witness["kind"] = kRowsKind;
    out.witness["rows"] = rows;
    out.witness["columns"] = columns;
    out.witness["pad"] = {0, 0};
    out.count = long(rows.size());
    out.formula = symbols < q ? "" : (long_enough ? "q + 1" : "q");
    out.partition = first_tokens(cut);
    return out;
  }

  std::vector<Evidence> dyck() const {
    if (!option("mode", "recognition")) return {};
    const Index n = config("types"), k = config("depth"), half = n_ / 2, asked = n_ + 1;
    const Token eos = Token(2 * n + 1);
    if (prefix()) return {nested(n, k, asked, eos)};
    Evidence out = by_rule(k >= 2 ? kRuleRepair : kRuleClose, {1, 2, half}, asked, eos);
    out.count = k >= 2 ? mpz_class(power(2 * n, half - 1) * long(n)) : power(n, half);
    out.formula = k >= 2 ? "n (2n)^(N/2-1)" : "n^(N/2)";
    out.exact = !leaves();
    out.partition = "odd positions | even positions";
    out.witness["answer"] = 1;
    return {with_one_more(out)};
  }

  /// After t brackets: one class per stack that can still be closed, and the dead one.
  Evidence nested(Index n, Index k, Index asked, Token eos) const {
    // The deepest stacks, of depth min(k, N/2), fit after as many brackets, and no cut has more.
    const Index t = std::min(k, n_ / 2), least = t % 2, terms = (t - least) / 2 + 1;
    mpz_class count = long(terms);
    if (n > 1) count = power(n, least) * (power(n, 2 * terms) - 1) / (long(n) * long(n) - 1);
    Evidence out = by_rule(kRuleNest, {0, 1, t + 1}, asked, eos);
    out.count = count;
    out.exact = true;
    out.formula = "sum of n^d over d <= t = min(k, N/2) with d - t even";
    out.partition = first_tokens(t + 1);
    out.witness["answer"] = 1;
    return with_one_more(out);
  }

  std::vector<Evidence> nearest() const {
    const Index labels = config("labels"), points = Index{1} << config("dimension");
    const Index asked = 2 * n_;
    if (leaves()) return {};
    if (prefix()) return {nearest_prefix(points, labels)};
    Evidence out = by_rule(kRulePoints, {1, 2, n_}, asked, Token(0));
    out.count = power(labels, n_);
    out.exact = true;
    out.formula = "C^N";
    out.partition = "labels | points";
    return {out};
  }

  /// Alice has seen pairs, and a point: only the nearest distance and its label count, or that the
  /// new point is nearer.
  Evidence nearest_prefix(Index points, Index labels) const {
    constexpr Index kMaxRows = 4096;
    const Index d = config("dimension");
    const auto at = [](Index distance) { return Token((Index{1} << distance) - 1); };
    const auto label = [&](Index y) { return Token(points + y); };
    Json rows = Json::array(), columns = Json::array();
    const Index cut = n_ >= 3 ? 3 : 2;
    const Index kept = n_ == 1 ? labels : std::min(labels, kMaxRows / (d + 1));
    // N = 1: only the label; N >= 2: (distance, label); N >= 3: also a nearer point in waiting.
    for (Index distance = 0; distance <= (n_ == 1 ? 0 : d); ++distance)
      for (Index y = 0; y < kept; ++y) {
        rows.push_back(std::vector<Token>{at(distance), label(y)});
        if (cut == 3) rows.back().push_back(at(d));
      }
    for (Index e = 0; e < d && cut == 3; ++e)
      rows.push_back(std::vector<Token>{at(d), label(0), at(e)});
    if (n_ == 1) columns.push_back(Json::array());
    for (Index e = 0; e <= d && n_ > 1; ++e)
      for (Index y = 0; y < 2; ++y)
        for (Index z = 0; z < (cut == 3 ? 2 : 1); ++z)
          columns.push_back(cut == 3 ? std::vector<Token>{label(z), at(e), label(y)}
                                     : std::vector<Token>{at(e), label(y)});
    Evidence out = by_rule("", {0, 1, cut}, 2 * n_, Token(0));
    out.witness.erase("rule");
    out.witness.erase("shows");
    out.witness["kind"] = kRowsKind;
    out.witness["rows"] = rows;
    out.witness["columns"] = columns;
    out.witness["pad"] = {at(d), label(0)};
    out.count = long(rows.size());
    if (kept == labels) out.formula = n_ == 1 ? "C" : n_ == 2 ? "C (d + 1)" : "C (d + 1) + d";
    out.partition = first_tokens(cut);
    return out;
  }

  std::vector<Evidence> recall() const {
    const Index values = config("vocab_size") - config("vocab_size") / 2, k = config("pairs");
    const Index asked = n_ - 2;
    if (leaves()) return {};
    if (prefix()) {
      Evidence out = by_rule(kRuleFirstValue, {0, 1, 2}, asked, 1);
      out.count = long(values);
      out.formula = "V/2";
      out.partition = first_tokens(2);
      return {out};
    }
    require_small(double(k) * std::log2(double(values)));
    Evidence out = by_rule(kRuleKeys, {1, 2, k}, asked, 1);
    out.count = falling(values, values - k);
    out.exact = true;
    out.formula = "(V/2) (V/2 - 1) .. (V/2 - k + 1)";
    out.partition = "values | keys and queries";
    return {out};
  }

  std::vector<Evidence> lookup() const {
    const Index q = config("alphabet");
    if (option("query", "last")) {
      Evidence out = by_rule(kRuleFixed, {0, 1, n_}, n_, Token(q));
      out.count = long(q);
      out.exact = !leaves();
      out.formula = "q";
      out.partition = first_tokens(n_);
      return {out};
    }
    if (leaves() || n_ < 2) return {};
    if (prefix()) {
      if (q == 1) return {};  // queries that wait for the same symbol need not be told apart
      Evidence out = by_rule(kRuleWaiting, {0, 1, 2}, n_, 0);
      out.count = long(n_ - 2 + q);
      out.exact = true;
      out.formula = "N - 2 + q";
      out.partition = first_tokens(2);
      return {out};
    }
    Evidence out = by_rule(kRuleQuery, {1, 1, n_ - 1}, n_, 0);
    out.count = power(q, n_ - 1);
    out.exact = true;
    out.formula = "q^(N-1)";
    out.partition = "symbols but the last | the query";
    return {out};
  }

  const BoundRequest& request_;
  Measure measure_;
  Index n_;
};

}  // namespace

std::vector<Evidence> closed_one_layer(const BoundRequest& request, Measure measure) {
  return ClosedForms(request, measure).all();
}

}  // namespace separatrix::one_layer

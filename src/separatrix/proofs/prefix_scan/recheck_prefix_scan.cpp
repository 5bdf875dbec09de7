#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "separatrix/proofs/prefix_scan/prefix_scan.h"
#include "separatrix/proofs/prefix_scan/recheck_search.h"
#include "separatrix/proofs/prefix_scan/recheck_words.h"

namespace separatrix {
namespace prefix_scan_recheck {
namespace {

using Real = long double;
constexpr Real kInfinity = std::numeric_limits<Real>::infinity();

struct RecheckedTask {
  Index types = 2, depth = 2;
  std::string mode = "recognition";
};
template <class V>
void visit(V& v, RecheckedTask& c) {
  v("types", c.types, "");
  v("depth", c.depth, "");
  v("mode", c.mode, "");
}

/// Rows that end with one token at one depth, at all positions together.
struct Kind {
  Token token = 0;
  Index depth = 0;
  bool any = false;         ///< any string, any depth
  Balls row, query;         ///< hulls
  std::vector<Balls> keys;  ///< by position, from `first`, every second
  Index first = 0;
};

class Checker {
 public:
  Checker(const Language& l, const Machine& m, const Machinery& rows)
      : l_(l), m_(m), second_(m.layers[rows.second_attention()]), at_(rows.second_attention()) {
    read(rows);
  }
  Real margin() { return l_.recognise ? recognition() : next_token(); }

 private:
  void read(const Machinery& rows);
  Kind begin(Token token, Index depth, bool any, std::array<Index, 2> span, const Machinery& rows);
  Real leak(const Kind& asking, Index target);
  Real lines(const Balls& query, Index target) const;
  Real sums(const Balls& query, Index target, Index asking_depth) const;
  Ball score(const Balls& query, const Balls& key) const;
  Balls context(const Balls* target, Real leak) const;
  Balls after(std::size_t attention, Balls row, const Balls& context) const;
  Real least_difference(const Balls& row, Token label) const;
  Real next_token();
  Real recognition();

  const Language& l_;
  const Machine& m_;
  const Layer& second_;
  std::size_t at_;
  std::vector<Kind> kinds_, first_wrong_;
  Balls anything_, bounds_, values_;
  bool whole_ = true;  ///< the scores among rows without mistakes
  std::vector<Balls> type_values_;
  std::optional<AttentionError> error_;
  std::map<std::vector<Real>, Real> leaks_;  ///< kinds that ask the same need one bound
};

/// A word's tokens first, then (recognition) what goes wrong, then anything.
void Checker::read(const Machinery& rows) {
  const Index N = l_.N, k = l_.deepest();
  type_values_.resize(std::size_t(l_.n));
  const auto take = [&](Token token, Index depth, std::array<Index, 2> span) {
    kinds_.push_back(begin(token, depth, false, span, rows));
  };
  take(l_.bos(), 0, {0, 0});
  for (Token token = 0; token < l_.bos(); ++token)
    for (Index d = 0; d <= k; ++d)
      if (const auto span = l_.span(token, d); span[0] <= span[1]) take(token, d, span);
  if (l_.recognise) {
    for (Index d = 0; d <= k; d += 2) take(l_.eos(), d, {N + 1, N + 1});
    for (Token type = 0; type < l_.n; ++type) {
      first_wrong_.push_back(begin(Token(type + l_.n), -1, false, {1, N - 1}, rows));
      const Index last = N - (N - k - 1) % 2;
      if (k + 1 <= last) first_wrong_.push_back(begin(type, k + 1, false, {k + 1, last}, rows));
    }
    for (Token token = 0; token <= l_.eos(); ++token) {
      if (token == l_.bos()) continue;
      const Index from = token == l_.eos() ? N + 1 : 1;
      for (Index t = from; t <= std::max(from, N); ++t) {
        const Balls row = rows.row(t, token, 0, true);
        widen(anything_, row);
      }
    }
    widen(bounds_, anything_);
    widen(values_, m_.apply(second_.v, anything_));
  }
  error_.emplace(m_, second_, Real(N + 2), bounds_, whole_);
}

Kind Checker::begin(Token token, Index depth, bool any, std::array<Index, 2> span,
                    const Machinery& rows) {
  Kind kind{.token = token,
            .depth = depth,
            .any = any,
            .row = {},
            .query = {},
            .keys = {},
            .first = span[0]};
  for (Index t = span[0]; t <= span[1]; t += 2) {
    const Balls row = rows.row(t, token, depth, any);
    widen(kind.row, row);
    if (depth >= 0 && depth <= l_.deepest()) whole_ = whole_ && is_whole(second_, row);
    widen(kind.query, m_.apply(second_.q, row));
    if (token != l_.eos()) kind.keys.push_back(m_.apply(second_.k, row));
    const Balls value = m_.apply(second_.v, row);
    widen(values_, value);
    if (token < l_.n && depth >= 1 && depth <= l_.deepest())
      widen(type_values_[std::size_t(token)], value);
  }
  widen(bounds_, kind.row);
  return kind;
}

Real Checker::leak(const Kind& asking, Index target) {
  std::vector<Real> question = {Real(target), Real(asking.depth)};
  for (const Ball& x : asking.query) question.insert(question.end(), {x.mid, x.rad});
  const auto [at, fresh] = leaks_.try_emplace(std::move(question), 0);
  constexpr Index kShort = 300;
  if (fresh)
    at->second =
        (l_.N <= kShort ? sums(asking.query, target, asking.depth) : lines(asking.query, target)) *
        error_->factor * (1 + 0x1p-40L);
  return at->second;
}

Ball Checker::score(const Balls& query, const Balls& key) const {
  Ball s;
  for (std::size_t i = 0; i < key.size(); ++i) s = sum(s, product(query[i], key[i]));
  return product(s, {second_.scale, 0});
}

/// Term by term, for every position of the bracket and every position that asks.
Real Checker::sums(const Balls& query, Index target, Index asking_depth) const {
  const auto T = std::size_t(l_.N + 1);
  std::vector<Real> any(T, -kInfinity), later(T, -kInfinity), wanted(T, kInfinity);
  for (const Kind& kind : kinds_)
    for (std::size_t i = 0; i < kind.keys.size(); ++i) {
      const Ball s = score(query, kind.keys[i]);
      if (!(s.rad < kInfinity)) return kInfinity;
      const auto t = std::size_t(kind.first) + 2 * i;
      const bool opens = kind.token < l_.n, closes = !opens && kind.token < l_.bos();
      any[t] = std::max(any[t], s.high());
      if (opens && kind.depth == target) wanted[t] = std::min(wanted[t], s.low());
      // Between the bracket and what asks nothing is less deep but what asks itself.
      if ((opens && kind.depth > target) ||
          (closes && (kind.depth >= target || kind.depth == asking_depth)))
        later[t] = std::max(later[t], s.high());
    }
  Real most = 0;
  for (std::size_t p = 0; p < T; ++p) {
    if (wanted[p] == kInfinity) continue;
    Real total = 0;
    for (std::size_t j = 0; j < T; ++j)
      if (const Real s = j < p ? any[j] : j > p ? later[j] : -kInfinity; s > -kInfinity)
        total += exp_above(s - wanted[p] + 0x1p-50L * (std::abs(s) + 1));
    if (!(total <= most)) most = total;
  }
  return most * (1 + 0x1p-40L);
}

/// Lines of one slope c: s >= A + c p for the openings of the target depth, s <= A' + c p for the
/// same, s <= B + c j for all other rows. Openings of one depth are an even number of positions
/// apart; t - p <= N - 1. So all others weigh at most
///   e^{A' - A} e^{-2c} / (1 - e^{-2c}) + e^{B - A + c (N - 1)} / (1 - e^{-c}).
Real Checker::lines(const Balls& query, Index target) const {
  std::vector<Real> slopes = {0.5L, 1, 2, 4, 8, 16};
  const std::size_t n = slopes.size() + 1;
  std::vector<Real> A(n, kInfinity), above(n, -kInfinity), B(n, -kInfinity);
  Real fitted = 1;
  for (const Kind& kind : kinds_)
    if (kind.token < l_.n && kind.depth == target && kind.keys.size() > 1)
      fitted = (score(query, kind.keys.back()).mid - score(query, kind.keys.front()).mid) /
               (2 * Real(kind.keys.size() - 1));
  slopes.push_back(fitted);
  for (const Kind& kind : kinds_)
    for (std::size_t i = 0; i < kind.keys.size(); ++i) {
      const Ball s = score(query, kind.keys[i]);
      if (!(s.rad < kInfinity)) return kInfinity;
      const Real j = Real(kind.first + 2 * Index(i));
      const Real slack = 0x1p-50L * (s.size() + 64 * j);
      for (std::size_t c = 0; c < n; ++c) {
        const Real low = s.low() - slopes[c] * j - slack, high = s.high() - slopes[c] * j + slack;
        if (kind.token < l_.n && kind.depth == target) {
          A[c] = std::min(A[c], low);
          above[c] = std::max(above[c], high);
        } else {
          B[c] = std::max(B[c], high);
        }
      }
    }
  Real best = kInfinity;
  for (std::size_t c = 0; c < n; ++c) {
    if (!(slopes[c] > 0) || slopes[c] > 64) continue;
    const auto geometric = [](Real x) { return 1 / (1 - exp_above(-x)) * (1 + 0x1p-40L); };
    const Real same = exp_above(above[c] - A[c] - 2 * slopes[c]) * geometric(2 * slopes[c]);
    const Real rest =
        exp_above(B[c] - A[c] + slopes[c] * Real(l_.N - 1) + 0x1p-40L) * geometric(slopes[c]);
    if (same + rest < best) best = same + rest;
  }
  return best;
}

/// The second attention's average: near the target's values, or anywhere among all.
Balls Checker::context(const Balls* target, Real leak) const {
  Balls out;
  const Real share = leak < kInfinity ? leak / (1 + leak) * (1 + 0x1p-40L) : 1;
  for (std::size_t i = 0; i < values_.size(); ++i) {
    Ball v = values_[i];
    if (target != nullptr) {
      const Ball t = (*target)[i];
      v = hull(t, sum(t, product({share, 0}, sum(v, {-t.mid, t.rad}))));
    }
    v.rad += error_->average[i];
    out.push_back(m_.stored(v));
  }
  return out;
}

Balls Checker::after(std::size_t attention, Balls row, const Balls& context) const {
  m_.add(m_.apply(m_.layers[attention].o, context), row);
  m_.run_mlps(attention + 1, row);
  return row;
}

Real Checker::least_difference(const Balls& row, Token label) const {
  const Balls logits = m_.apply(m_.head, row);
  Real least = kInfinity;
  for (std::size_t c = 0; c < logits.size(); ++c) {
    if (c == std::size_t(label)) continue;
    const Real difference =
        (logits[std::size_t(label)].low() - logits[c].high()) - 0x1p-50L * logits[c].size();
    if (!(difference >= least)) least = std::isnan(difference) ? -kInfinity : difference;
  }
  return least;
}

Real Checker::next_token() {
  Real least = kInfinity;
  std::map<Index, Balls> closed;  // by depth: a closing bracket's own type does not matter
  const auto look = [&](const Kind& kind, const Balls& row, Token type, Real leak) {
    const bool full = kind.depth == l_.k;
    const Token label = kind.depth == 0 ? 0 : Token(1 + 2 * type + (full ? 1 : 0));
    const Balls* target = kind.depth == 0 ? nullptr : &type_values_[std::size_t(type)];
    least = std::min(least, least_difference(after(at_, row, context(target, leak)), label));
  };
  for (const Kind& kind : kinds_)
    if (kind.token >= l_.n && kind.token < l_.bos()) widen(closed[kind.depth], kind.row);
  std::map<Index, Real> leaks;
  for (const Kind& kind : kinds_) {
    const bool closes = kind.token >= l_.n && kind.token < l_.bos();
    if (kind.depth == 0) {
      look(kind, kind.row, 0, 0);
      continue;
    }
    const Real leaking = leak(kind, kind.depth);
    Real& worst = leaks.try_emplace(kind.depth, Real(0)).first->second;
    if (closes)
      worst = std::max(worst, leaking);
    else
      look(kind, kind.row, kind.token, leaking);
  }
  for (const Kind& kind : kinds_)
    if (kind.token == l_.close() && kind.depth > 0)
      for (Token type = 0; type < l_.n; ++type)
        look(kind, closed[kind.depth], type, leaks[kind.depth]);
  return least;
}

Real Checker::recognition() {
  std::size_t third = at_ + 1;
  Balls probe(bounds_);
  third = m_.run_mlps(third, probe);
  if (third >= m_.layers.size()) return -kInfinity;
  Balls fine, word_end, mismatch, unclosed;
  for (const Kind& kind : kinds_) {
    if (kind.token == l_.eos()) {
      widen(kind.depth == 0 ? word_end : unclosed, after(at_, kind.row, context(nullptr, 0)));
    } else if (kind.token >= l_.n && kind.token < l_.bos()) {
      const Real leaking = leak(kind, kind.depth + 1);
      for (Token type = 0; type < l_.n; ++type)
        widen(type + l_.n == kind.token ? fine : mismatch,
              after(at_, kind.row, context(&type_values_[std::size_t(type)], leaking)));
    } else {
      widen(fine, after(at_, kind.row, context(nullptr, 0)));
    }
  }
  const Balls anything = after(at_, anything_, context(nullptr, 0));
  Balls bounds(anything);
  for (const Balls* row : {&fine, &word_end, &mismatch, &unclosed})
    if (!row->empty()) widen(bounds, *row);
  std::vector<Balls> wrong;
  for (const Kind& kind : first_wrong_) {
    wrong.push_back(after(at_, kind.row, context(nullptr, 0)));
    widen(bounds, wrong.back());
  }
  if (!mismatch.empty()) wrong.push_back(mismatch);
  const Real n = Real(l_.N + 2);
  const Layer& search = m_.layers[third];
  const AttentionError error(m_, search, n, bounds);

  Balls mean, right(fine);  // a word: nothing but fine rows
  widen(right, word_end);
  const AttentionError small(m_, search, n, right);
  for (const Balls* row : {&fine, &word_end}) widen(mean, m_.apply(search.v, *row));
  for (std::size_t i = 0; i < mean.size(); ++i) {
    mean[i].rad += small.average[i];
    mean[i] = m_.stored(mean[i]);
  }
  Real least = least_difference(after(third, word_end, mean), 1);
  const OneAmongMany many(m_, search, anything, n);
  for (const Balls& row : wrong)
    least = std::min(
        least,
        least_difference(after(third, anything, many.average(row, {fine, anything}, error)), 0));
  if (!unclosed.empty()) {
    const OneAmongMany end(m_, search, unclosed, n);
    least = std::min(
        least, least_difference(after(third, unclosed, end.average(unclosed, {fine}, error)), 0));
  }
  return least;
}

std::string check(const Certificate& c, const Subject& subject) {
  if (c.claim.task != "bounded-dyck") return "the certificate is not about bounded-dyck";
  const auto task = read_config<RecheckedTask>(c.claim.task_config, c.claim.task);
  const Language language{.n = task.types,
                          .k = task.depth,
                          .N = c.claim.length,
                          .recognise = task.mode == "recognition"};
  if (std::string why = check_language(language, subject.task, 7); !why.empty()) return why;
  const auto machine = Machine::read(subject.weights, c.claim.arithmetic);
  const auto attentions = machine ? std::count_if(machine->layers.begin(), machine->layers.end(),
                                                  [](const Layer& l) { return l.attention; })
                                  : 0;
  if (attentions != (language.recognise ? 3 : 2)) return "the model has another form";
  const Machinery rows(language, *machine);
  if (!rows.why_not().empty()) return rows.why_not();
  if (c.inputs != count_inputs(language)) return "the number of inputs is another";
  const long double margin = Checker(language, *machine, rows).margin();
  if (!(margin >= c.margin))
    return "only the margin " + std::to_string(double(margin)) + " is confirmed";
  if (!(c.margin > 0 && c.margin >= c.claim.margin)) return "the margin is less than the claimed";
  return {};
}

}  // namespace
}  // namespace prefix_scan_recheck

std::string recheck_prefix_scan(const Certificate& certificate, const Subject& subject) {
  return prefix_scan_recheck::check(certificate, subject);
}

}  // namespace separatrix

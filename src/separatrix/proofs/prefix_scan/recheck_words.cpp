#include "separatrix/proofs/prefix_scan/recheck_words.h"

#include <algorithm>
#include <cmath>

#include <gmpxx.h>

#include "separatrix/base/rng.h"

namespace separatrix::prefix_scan_recheck {
namespace {

using Real = long double;
constexpr Real kUnit = 0x1p-24L;

}  // namespace

std::array<Index, 2> Language::span(Token token, Index depth) const {
  const bool opens = token < n;
  if (depth < 0 || depth > deepest() || (opens && depth == 0)) return {1, 0};
  if (!opens && depth == deepest()) return {1, 0};
  const Index first = opens ? depth : depth + 2;
  // A word closes what is open; in recognition anything may follow.
  Index last = recognise ? N : N - depth;
  last -= (last - depth) % 2;
  return {first, last};
}

std::string check_language(const Language& l, const Task& task, std::uint64_t seed) {
  Rng rng(seed, RngUse::search, 1);
  std::vector<Token> tokens(std::size_t(l.N + 2)), labels(tokens.size());
  for (int sample = 0; sample < 48; ++sample) {
    task.sample(rng, tokens);
    task.label(tokens, labels);
    std::vector<Token> opener(std::size_t(l.k + 1), -1);  // by depth
    Index depth = 0;
    bool wrong = false;
    for (Index t = 0; t <= l.N; ++t) {
      const Token token = tokens[std::size_t(t)];
      if (t > 0 && !wrong) {
        if (token < l.n)
          wrong = depth == l.k;
        else
          wrong = depth == 0 || opener[std::size_t(depth)] + l.n != token;
        if (!wrong) depth += token < l.n ? 1 : -1;
        if (!wrong && token < l.n) opener[std::size_t(depth)] = token;
      }
      Token expected = kIgnore;
      if (!l.recognise && !wrong)
        expected = depth == 0 ? 0 : Token(1 + 2 * opener[std::size_t(depth)] + (depth == l.k));
      if (labels[std::size_t(t)] != expected) return "the task's labels are not those of brackets";
    }
    const Token last = l.recognise ? Token(!wrong && depth == 0) : kIgnore;
    if (labels.back() != last) return "the task's last label is not that of brackets";
  }
  return {};
}

std::string count_inputs(const Language& l) {
  mpz_class count = 1;
  if (l.recognise) {
    for (Index t = 0; t < l.N; ++t) count *= 2 * l.n;
    return count.get_str();
  }
  // Ways to close again from a depth, by how many brackets remain.
  std::vector<mpz_class> ways(std::size_t(l.deepest() + 1), 0);
  ways[0] = 1;
  for (Index left = 1; left <= l.N; ++left) {
    std::vector<mpz_class> next(ways.size(), 0);
    for (std::size_t d = left % 2; d < ways.size(); d += 2) {
      if (d > 0) next[d] += ways[d - 1];
      if (d + 1 < ways.size()) next[d] += l.n * ways[d + 1];  // one of n types
    }
    ways = std::move(next);
  }
  return ways[0].get_str();
}

Machinery::Machinery(const Language& language, const Machine& machine) : l_(language), m_(machine) {
  if (m_.layers.empty() || !m_.layers.front().attention) {
    why_not_ = "the model does not begin with attention";
    return;
  }
  const Layer& a = m_.layers.front();
  for (Index i = 0; i < a.q.cols; ++i)
    if (!a.q.nonzeros[std::size_t(i)].empty() && !a.k.nonzeros[std::size_t(i)].empty())
      why_not_ = "the first attention's scores are not all zero";
  for (const auto& read : a.v.nonzeros)
    for (const Index d : read)
      for (Index t = 1; t <= l_.N; ++t)
        if (m_.position(t, d) != 0) why_not_ = "the first attention averages positions";
  std::vector<Balls> rows, values;
  for (Token token = 0; token <= l_.eos(); ++token) {
    const Index t = token < l_.bos() ? 1 : token == l_.bos() ? 0 : l_.N + 1;
    rows.push_back(m_.embed(t, token));
    values.push_back(m_.apply(a.v, rows.back()));
  }
  for (Index i = 0; i < a.v.cols; ++i) values_.push_back(count(values, i));
  if (m_.arithmetic == Arithmetic::float32)
    for (Index d = 0; d < m_.D; ++d) inputs_.push_back(count(rows, d));
  Balls x(std::size_t(m_.D));
  second_ = m_.run_mlps(1, x);
}

Machinery::Counted Machinery::count(const std::vector<Balls>& rows, Index at) const {
  const auto of = [&](Token token) { return rows[std::size_t(token)][std::size_t(at)]; };
  Counted c{.bos = of(l_.bos()),
            .open = of(0),
            .close = of(l_.close()),
            .eos = of(l_.eos()),
            .partials = {}};
  for (Token token = 0; token < l_.bos(); ++token) {
    Ball& kind = token < l_.n ? c.open : c.close;
    kind = hull(kind, of(token));
  }
  for (const Ball& ball : {c.bos, c.open, c.close, c.eos})
    c.largest = std::max(c.largest, ball.size());
  Real sum = 0;
  for (Index t = 0; t <= l_.N + 1; ++t) {
    Real largest = 0;
    const Token token = t == 0 ? l_.bos() : t > l_.N ? l_.eos() : Token(0);
    // Depths -1 and deepest + 1: where a prefix first goes wrong.
    for (Index d = -1; d <= l_.deepest() + 1; ++d) {
      const Index brackets = std::min(t, l_.N);
      if ((brackets + d) % 2 == 0 && -brackets <= d && d <= brackets)
        largest = std::max(largest, total(c, t, token, (brackets + d) / 2).size());
    }
    sum += largest;
    c.partials.push_back(sum);
  }
  return c;
}

Ball Machinery::total(const Counted& c, Index t, Token token, Index opens) const {
  const Index brackets = std::min(t, l_.N);
  Ball s = sum(product(c.open, {Real(opens), 0}), product(c.close, {Real(brackets - opens), 0}));
  s = sum(s, c.bos);
  return token == l_.eos() ? sum(s, c.eos) : s;
}

/// Each of the t+1 additions in a row loses u times the partial sum it ends with, each product u
/// times itself; the common weight is 1/(t+1) up to t+3 roundings.
Ball Machinery::mean(const Counted& c, Index t, Token token, Index depth, bool any) const {
  const Index brackets = std::min(t, l_.N);
  const Real n = Real(t + 1);
  Ball s = any ? hull(total(c, t, token, 0), total(c, t, token, brackets))
               : total(c, t, token, (brackets + depth) / 2);
  Ball share{1 / n, 1 / n * std::numeric_limits<Real>::epsilon()};
  if (m_.rounds()) share.rad += (n + 4) * kUnit * 1.01L / n;
  Ball out = product(s, share);
  if (m_.rounds()) {
    const Real lost = any ? n * (n + 1) / 2 * c.largest : c.partials[std::size_t(t)];
    out.rad += kUnit * (lost + n * c.largest) / n * std::exp(4 * n * kUnit) + n * 0x1p-130L;
  }
  return out;
}

Balls Machinery::row(Index t, Token token, Index depth, bool any) const {
  const Layer& a = m_.layers.front();
  Balls context;
  for (const Counted& c : values_) context.push_back(mean(c, t, token, depth, any));
  if (!inputs_.empty()) {  // float32 may average first and project then
    Balls averages;
    for (const Counted& c : inputs_) averages.push_back(mean(c, t, token, depth, any));
    widen(context, m_.apply(a.v, averages));
  }
  for (Ball& ball : context) ball = m_.stored(ball);
  Balls x = m_.embed(t, token);
  m_.add(m_.apply(a.o, context), x);
  m_.run_mlps(1, x);
  return x;
}

}  // namespace separatrix::prefix_scan_recheck

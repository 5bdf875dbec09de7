#include <algorithm>
#include <cmath>
#include <limits>

#include "separatrix/proofs/dataflow.h"

// The other way to see that the register is right, knowing nothing of positions or tables: interval
// propagation. Fix the query p and the symbol s at its position; let every other position hold any
// symbol, i.e. each input coordinate be anywhere between its least and its greatest embedding. If
// even then the logit of the answer is above all others, no input with that query and symbol can
// fail. The trace in which *all* symbols are free is computed once; for each (position, symbol)
// only the units whose interval differs from it are followed.

namespace separatrix {
namespace {

struct Range {
  double low = 0, high = 0;
  bool operator==(const Range&) const = default;
};
using Ranges = std::vector<Range>;  // one per unit

class Propagation {
 public:
  Propagation(const BitRnn& model, std::vector<Token> symbols)
      : m_(model), symbols_(std::move(symbols)), D_(std::size_t(model.D)), into_(D_), out_of_(D_) {
    for (std::size_t i = 0; i < D_; ++i)
      for (std::size_t u = 0; u < D_; ++u)
        if (m_.w_h[i * D_ + u] != 0) {
          into_[u].push_back(i);
          out_of_[i].push_back(u);
        }
    any_ = drive(symbols_.front());
    for (const Token s : symbols_) {
      point_.push_back(drive(s));
      for (std::size_t u = 0; u < D_; ++u)
        any_[u] = {std::min(any_[u].low, point_.back()[u].low),
                   std::max(any_[u].high, point_.back()[u].high)};
    }
  }

  /// The trace of n free symbols: states_[t] after t of them.
  void run(Index n) {
    states_.assign(1, Ranges(D_));
    for (Index t = 0; t < n; ++t) {
      Ranges next(D_);
      for (std::size_t u = 0; u < D_; ++u) next[u] = step(u, states_.back(), any_[u]);
      states_.push_back(std::move(next));
    }
  }

  /// Units that differ from the free trace after n symbols when position i holds symbol s.
  std::vector<std::pair<std::size_t, Range>> follow(std::size_t i, std::size_t s) {
    const std::size_t n = states_.size() - 1;
    std::vector<std::pair<std::size_t, Range>> changed;
    for (std::size_t u = 0; u < D_; ++u)
      if (point_[s][u] != any_[u]) {
        const Range r = step(u, states_[i], point_[s][u]);
        if (r != states_[i + 1][u]) changed.emplace_back(u, r);
      }
    for (std::size_t t = i + 1; t < n; ++t)
      changed = next_changes(changed, states_[t], states_[t + 1], any_);
    return changed;
  }

  Ranges drive(Token token) const {
    Ranges out(D_);
    std::vector<double> sum(m_.bias.begin(), m_.bias.end());
    for (std::size_t i = 0; i < D_; ++i) {
      const double x = double(m_.embedding[std::size_t(token) * D_ + i]);
      for (std::size_t u = 0; u < D_ && x != 0; ++u) sum[u] += x * double(m_.w_x[i * D_ + u]);
    }
    for (std::size_t u = 0; u < D_; ++u) out[u] = {sum[u], sum[u]};
    return out;
  }
  Ranges last_step(const Ranges& input) const {
    Ranges next(D_);
    for (std::size_t u = 0; u < D_; ++u) next[u] = step(u, states_.back(), input[u]);
    return next;
  }
  /// Units that `changes` of `before` change one step later, where `after` is the step of `before`;
  /// `before` is left as it was.
  std::vector<std::pair<std::size_t, Range>> next_changes(
      std::vector<std::pair<std::size_t, Range>> changes, Ranges& before, const Ranges& after,
      const Ranges& input) const {
    std::vector<std::size_t> touched;
    for (auto& [unit, range] : changes) {
      std::swap(before[unit], range);
      touched.insert(touched.end(), out_of_[unit].begin(), out_of_[unit].end());
    }
    std::sort(touched.begin(), touched.end());
    touched.erase(std::unique(touched.begin(), touched.end()), touched.end());
    std::vector<std::pair<std::size_t, Range>> out;
    for (const std::size_t u : touched)
      if (const Range r = step(u, before, input[u]); r != after[u]) out.emplace_back(u, r);
    for (auto& [unit, range] : changes) std::swap(before[unit], range);
    return out;
  }
  Ranges& final_state() { return states_.back(); }

 private:
  /// The interval of a unit after one step: the sum of the intervals, cut at 1/2.
  Range step(std::size_t u, const Ranges& state, Range input) const {
    for (const std::size_t i : into_[u]) {
      const double w = double(m_.w_h[i * D_ + u]);
      input.low += w * (w > 0 ? state[i].low : state[i].high);
      input.high += w * (w > 0 ? state[i].high : state[i].low);
    }
    return {input.low < 0.5 ? 0.0 : 1.0, input.high < 0.5 ? 0.0 : 1.0};
  }

  const BitRnn& m_;
  std::vector<Token> symbols_;
  std::size_t D_;
  std::vector<std::vector<std::size_t>> into_, out_of_;
  Ranges any_;
  std::vector<Ranges> point_, states_;
};

/// Everything is an integer multiple of 2^-12 below 2^12 in absolute sum (bits times weights), so
/// neither float32 nor the doubles here round: 24 bits hold every partial sum.
bool is_small_fixed_point(const BitRnn& m) {
  const auto total_of = [](std::span<const float> values, Index width, double& total) {
    std::vector<double> sums(std::size_t(width), 0.0);
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double scaled = std::ldexp(double(values[i]), 6);
      if (scaled != std::rint(scaled)) return false;
      sums[i % sums.size()] += std::abs(double(values[i]));
    }
    total = *std::max_element(sums.begin(), sums.end());
    return true;
  };
  double x = 0, h = 0, bias = 0, head = 0, head_bias = 0, embedding = 0;
  for (const float e : m.embedding) {
    embedding = std::max(embedding, std::abs(double(e)));
    if (std::ldexp(double(e), 6) != std::rint(std::ldexp(double(e), 6))) return false;
  }
  return total_of(m.w_x, m.D, x) && total_of(m.w_h, m.D, h) && total_of(m.bias, m.D, bias) &&
         total_of(m.head, m.C, head) && total_of(m.head_bias, m.C, head_bias) &&
         embedding * x + h + bias < 0x1p12 && head + head_bias < 0x1p12;
}

/// Least logit difference between class y and any other, over all states in the ranges.
double least_margin(const BitRnn& m, const Ranges& state, std::size_t y) {
  const auto C = std::size_t(m.C);
  std::vector<double> margin(C);
  for (std::size_t c = 0; c < C; ++c) margin[c] = double(m.head_bias[y]) - double(m.head_bias[c]);
  for (std::size_t u = 0; u < state.size(); ++u) {
    if (state[u].high == 0 && state[u].low == 0) continue;
    const float* row = m.head.data() + u * C;
    for (std::size_t c = 0; c < C; ++c) {
      const double w = double(row[y]) - double(row[c]);
      margin[c] += w * (w > 0 ? state[u].low : state[u].high);
    }
  }
  double least = std::numeric_limits<double>::infinity();
  for (std::size_t c = 0; c < C; ++c)
    if (c != y) least = std::min(least, margin[c]);
  return least;
}

/// Target at the last token of `n` symbols and a query: all equal but `symbol` at `position`.
Token answer(const Task& task, std::vector<Token> tokens, Index position, Token symbol,
             Token query) {
  tokens[std::size_t(position)] = symbol;
  tokens.back() = query;
  std::vector<Token> targets(tokens.size());
  task.label(tokens, targets);
  return targets.back();
}

}  // namespace

std::string recheck_bit_rnn(const Certificate& certificate, const Task& task, const BitRnn& model) {
  const Index length = certificate.claim.length;
  const Index n = task.info(length).n_tokens - 1;
  std::vector<Index> looks_at;
  try {
    certificate.evidence.at("position").get_to(looks_at);
  } catch (const Json::exception&) {
    return "the evidence does not name the positions";
  }
  const std::vector<Token> symbols = task.legal_next({}, length);
  const std::vector<Token> queries =
      task.legal_next(std::vector<Token>(std::size_t(n), symbols.back()), length);
  if (looks_at.size() != queries.size()) return "the evidence is for other queries";
  if (!is_small_fixed_point(model)) return "its sums may be rounded";

  Propagation propagation(model, symbols);
  propagation.run(n);
  Rng rng(2, RngUse::search);
  for (std::size_t p = 0; p < queries.size(); ++p) {
    if (looks_at[p] < 0 || looks_at[p] >= n) return "the evidence names no position";
    const Ranges input = propagation.drive(queries[p]);
    const Ranges base = propagation.last_step(input);
    std::vector<Token> background(std::size_t(n + 1), 0);
    for (Token& token : background) token = symbols[std::size_t(rng.below(Index(symbols.size())))];
    for (std::size_t s = 0; s < symbols.size(); ++s) {
      // The answer must be the same before another background, or the position is not the one.
      const Token y = answer(task, background, looks_at[p], symbols[s], queries[p]);
      const std::vector<Token> flat(std::size_t(n + 1), symbols[s]);
      if (y == kIgnore || y != answer(task, flat, looks_at[p], symbols[s], queries[p]))
        return "the answer does not depend on the named position alone";
      Ranges state = base;
      const auto changes = propagation.follow(std::size_t(looks_at[p]), s);
      for (const auto& [unit, range] :
           propagation.next_changes(changes, propagation.final_state(), base, input))
        state[unit] = range;
      const double margin = least_margin(model, state, std::size_t(y));
      if (!(margin > 0 && margin >= certificate.margin && margin >= certificate.claim.margin))
        return "query " + std::to_string(p) + ": the intervals give a margin of only " +
               std::to_string(margin);
    }
  }
  return {};
}

}  // namespace separatrix

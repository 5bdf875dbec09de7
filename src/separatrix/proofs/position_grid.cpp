#include "separatrix/proofs/position_grid.h"

#include <array>
#include <cmath>
#include <limits>

#include "separatrix/proofs/key_grid.h"
#include "separatrix/proofs/one_layer.h"

namespace separatrix {
namespace {

using layered::Numbers;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kUnit = 0x1p-24;
constexpr double kWiden = 1 + 0x1p-20;  ///< so that a recheck by other code need not be as sharp

/// Margins over all inputs at once: one box of features for each symbol that is looked at.
class Features {
 public:
  struct Worst {
    double margin = kInfinity;
    std::size_t symbol = 0;
    Token other = 0;  ///< the class that comes nearest
  };

  Features(const LookupLayer& layer, const LookupPattern& pattern, const KeyGrid& grid)
      : m_(layer), f_(pattern), g_(grid), numbers_(layer.arithmetic) {
    const double u = numbers_.real() ? 0 : kUnit;
    // Relative to the target: exponentials are good to 4 units in the last place each.
    const double ratio = std::exp(20 * u);
    leak_ = g_.leak * ratio * kWiden;
    self_ = g_.self * FastInterval(1 / ratio, ratio) * FastInterval(1 / kWiden, kWiden);
    // Each partial sum of small terms joins the large ones with an error of at most itself.
    if (!numbers_.real()) leak_ *= 2 * (1 + numbers_.gamma(double(f_.n) + 24));
    others_.assign(std::size_t(m_.dv), FastInterval());
    for (std::size_t s = 0; s < f_.symbols.size(); ++s) values_.push_back(values_of(s));
    for (std::size_t i = 0; i < others_.size(); ++i) {
      bound_.push_back(g_.value_bound[i] * (1 + numbers_.gamma(double(m_.D) + 4)));
      bound_.back() = numbers_.stored(FastInterval(0, bound_.back())).hi;
      for (std::size_t s = 0; s < values_.size(); ++s)
        others_[i] = s == 0 ? values_[s][i] : hull(others_[i], values_[s][i]);
      if (!numbers_.real()) others_[i] = FastInterval(-bound_[i], bound_[i]);
    }
    head_ = Matrix(m_.C, m_.D);
    for (Index c = 0; c < m_.C; ++c)
      for (const layered::Entry& e : m_.head[std::size_t(c)]) head_(c, e.at) = e.weight;
  }

  Worst least_margin() const {
    Worst worst;
    for (std::size_t s = 0; s < values_.size(); ++s) {
      const std::vector<FastInterval> stream = stream_of(values_[s]);
      const Token y = f_.answer[s];
      for (Token c = 0; c < Token(m_.C); ++c)
        if (c != y)
          if (const double margin = difference(stream, y, c); !(margin >= worst.margin))
            worst = {margin, s, c};
    }
    return worst;
  }

 private:
  std::vector<FastInterval> values_of(std::size_t s) const {
    std::vector<FastInterval> out;
    for (std::size_t i = 0; i < std::size_t(m_.dv); ++i)
      out.push_back(stored_value(FastInterval(g_.value[s][i]), i));
    return out;
  }
  FastInterval stored_value(FastInterval v, std::size_t i) const {
    const double off = (numbers_.gamma(double(m_.D) + 4) + 0x1p-44) * g_.value_bound[i] * kWiden;
    return numbers_.stored(v + FastInterval(-off, off));
  }

  /// The head's average: of 1 at the target, `self` at the query, up to `leak` elsewhere. As a
  /// function of each of these alone it is monotone, so corners are enough.
  FastInterval average(FastInterval target, std::size_t i) const {
    const FastInterval own = stored_value(g_.self_value[i], i);
    double low = kInfinity, high = -kInfinity;
    for (const double h : {self_.lo, self_.hi})
      for (const double weight : {0.0, leak_})
        for (const double value : {0.0, leak_}) {
          if (numbers_.real() && value != weight) continue;
          const double total = 1 + h + weight;
          low = std::min(low, (target.lo + h * own.lo + value * others_[i].lo) / total);
          high = std::max(high, (target.hi + h * own.hi + value * others_[i].hi) / total);
        }
    // Sum of weights, quotient, products, and where the projection comes after the average.
    const double rounding = numbers_.real() ? 0 : numbers_.gamma(double(m_.D) + 40);
    const double off = (rounding * (1 + leak_) + 0x1p-44) * bound_[i] * kWiden +
                       (numbers_.real() ? 0 : double(f_.n) * 0x1p-140);
    return numbers_.stored(FastInterval(low - off, high + off));
  }

  /// The residual stream behind the attention, in the last row.
  std::vector<FastInterval> stream_of(const std::vector<FastInterval>& target) const {
    std::vector<FastInterval> context;
    for (std::size_t i = 0; i < target.size(); ++i) context.push_back(average(target[i], i));
    std::vector<FastInterval> out;
    for (std::size_t d = 0; d < std::size_t(m_.D); ++d) {
      FastInterval y = numbers_.stored(numbers_.dot(m_.o[d], context).value);
      const FastInterval x = m_.residual ? g_.stream[d] : FastInterval();
      if (x.lo != 0 || x.hi != 0) {
        const double off = numbers_.gamma(2) * (x.magnitude() + y.magnitude()) * kWiden;
        y = numbers_.stored(x + y + FastInterval(-off, off));
      }
      out.push_back(y);
    }
    return out;
  }

  /// At most what the arithmetic makes of logit y - logit c.
  double difference(const std::vector<FastInterval>& x, Token y, Token c) const {
    const auto bias = [&](Token k) { return m_.head_bias[std::size_t(k)]; };
    double low = bias(y) - bias(c), size_y = std::abs(bias(y)), size_c = std::abs(bias(c));
    for (Index d = 0; d < m_.D; ++d) {
      const double wy = head_(y, d), wc = head_(c, d), w = wy - wc;
      if (wy == 0 && wc == 0) continue;  // 0 times an unbounded number is 0
      const FastInterval& v = x[std::size_t(d)];
      low += w == 0 ? 0 : w * (w > 0 ? v.lo : v.hi);
      size_y += std::abs(wy) * v.magnitude();
      size_c += std::abs(wc) * v.magnitude();
    }
    const double sizes = size_y + size_c;
    double off = (numbers_.gamma(double(m_.D) + 2) + 0x1p-44) * sizes;
    if (is_emulated(m_.arithmetic))
      off += numbers_.store_error(size_y * 1.0001) + numbers_.store_error(size_c * 1.0001);
    if (is_emulated(m_.arithmetic) && !(sizes < number_format(m_.arithmetic).largest / 2))
      return -kInfinity;
    return low - off * kWiden;
  }

  const LookupLayer& m_;
  const LookupPattern& f_;
  const KeyGrid& g_;
  Numbers numbers_;
  double leak_ = 0;
  FastInterval self_;
  std::vector<std::vector<FastInterval>> values_;  ///< [|S|][dv], as the tensor keeps them
  std::vector<FastInterval> others_;               ///< [dv]: hull of the values elsewhere
  std::vector<double> bound_;                      ///< [dv]: of |value|
  Matrix head_;                                    ///< [C, D]
};

/// Position p holds `symbol`, all others `rest`.
bool refute_at(Certificate& c, const Subject& subject, const LookupPattern& f, Index p,
               std::size_t symbol, std::size_t rest) {
  // Over the reals a counterexample is run in intervals, pair by pair of positions; programs
  // compute the asked row alone.
  constexpr Index kMostInIntervals = 4096;
  if (c.claim.arithmetic == Arithmetic::real && f.n > kMostInIntervals) return false;
  std::vector<Token> tokens(std::size_t(f.n) + 1, f.symbols[rest]);
  tokens[std::size_t(p)] = f.symbols[symbol];
  tokens.back() = f.queries[std::size_t(p)];
  return refute(c, subject, tokens);
}

/// Of the symbols, one with the answer c.
std::size_t symbol_for(const LookupPattern& f, Token c) {
  for (std::size_t s = 0; s < f.answer.size(); ++s)
    if (f.answer[s] == c) return s;
  return 0;
}

}  // namespace

Certificate certify_by_grid(Certificate begun, const Claim& claim, const Subject& subject) {
  std::string why;
  const auto layer = view_lookup_layer(subject.weights, claim.arithmetic, why);
  if (!layer) return undecided(std::move(begun), why);
  const auto pattern = find_lookup_pattern(subject.task, claim.length, why);
  if (!pattern) return undecided(std::move(begun), why);
  const auto grid = read_key_grid(*layer, *pattern, why);
  if (!grid) return undecided(std::move(begun), why);

  if (grid->equal_keys) {
    const std::size_t last = pattern->symbols.size() - 1;
    for (const Index p : {grid->equal_keys->first, grid->equal_keys->second})
      for (const std::size_t s : {std::size_t(0), last})
        if (refute_at(begun, subject, *pattern, p, s, last - s)) return begun;
    return undecided(std::move(begun), "positions " + std::to_string(grid->equal_keys->first) +
                                           " and " + std::to_string(grid->equal_keys->second) +
                                           " have the same key");
  }
  const auto worst = Features(*layer, *pattern, *grid).least_margin();
  if (!keeps(claim, worst.margin) && refute_at(begun, subject, *pattern, grid->worst, worst.symbol,
                                               symbol_for(*pattern, worst.other)))
    return begun;
  if (worst.margin > 0 && std::isfinite(grid->leak))
    begun.evidence = {{"form", "grid"}, {"leak", grid->leak}, {"worst_query", grid->worst}};
  begun.trusted_base = "the C library's exponential and logarithm, " + pattern->trust();
  if (claim.arithmetic != Arithmetic::real)
    begun.trusted_base +=
        "; IEEE arithmetic in any order, and an exponential within 4 units in the last place";
  return conclude(std::move(begun), worst.margin, pattern->inputs());
}

}  // namespace separatrix

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "separatrix/proofs/position_grid.h"
#include "separatrix/proofs/recheck.h"

// Recomputes a position-only certificate of the form "grid" another way: keys are told apart by a
// hash table of their bits; what all positions weigh is exp of sum_i log sum_v e^(u_i v) - score,
// query by query, in long double; that float32 rounds no score is checked number by number on the
// rows themselves; and features are followed as a centre and a radius.

namespace separatrix {
namespace {

using Real = long double;
using Reals = std::vector<Real>;
constexpr Real kU = 0x1p-24L;

/// (1 + u)^k - 1.
Real gamma(Real k) { return std::expm1(k * std::log1p(kU)); }

/// A parameter matrix [in, out] without its zeros.
struct Sparse {
  struct Term {
    std::size_t in, out;
    Real weight;
  };
  std::size_t columns = 0;
  std::vector<Term> terms;
  Reals times(const Reals& x) const {
    Reals y(columns, 0);
    for (const Term& t : terms) y[t.out] += x[t.in] * t.weight;
    return y;
  }
  Reals times_absolute(const Reals& x) const {
    Reals y(columns, 0);
    for (const Term& t : terms) y[t.out] += std::fabs(x[t.in]) * std::fabs(t.weight);
    return y;
  }
  std::vector<bool> reads(std::size_t n) const {
    std::vector<bool> out(n, false);
    for (const Term& t : terms) out[t.in] = true;
    return out;
  }
};

/// Numbers and how far the computed ones may be from them.
struct Ball {
  Reals centre, radius;
};

class GridRecheck {
 public:
  GridRecheck(const Certificate& c, const Task& task, const Weights& w)
      : c_(c), task_(task), w_(w), A_(c.claim.arithmetic), D_(std::size_t(w.spec.d_model)) {
    n_ = task.info(c.claim.length).n_tokens - 1;
    q_ = part("layers.0.attention.q", D_);
    k_ = part("layers.0.attention.k", D_);
    v_ = part("layers.0.attention.v", D_);
    o_ = part("layers.0.attention.o", v_.columns);
    head_ = part("head", D_);
    for (const float b : w["head_bias"]) bias_.push_back(keep(Real(b)));
    const Json& config = w.spec.layers.front().config;
    scale_ = config.value("scale", std::string("sqrt")) == "none"
                 ? Real(1)
                 : Real(1 / std::sqrt(float(q_.columns)));
  }

  std::string run() {
    if (std::string wrong = read_task(); !wrong.empty()) return wrong;
    if (!parts_are_separate()) return "symbols take part in the scores, or positions in the values";
    if (std::string wrong = read_keys(); !wrong.empty()) return wrong;
    if (std::string wrong = read_queries(); !wrong.empty()) return wrong;
    if (!(real() || scores_fit())) return "float32 rounds a score";
    const Real least = least_margin();
    if (!(least > 0) || least < Real(c_.claim.margin) || least < Real(c_.margin))
      return "the margin comes to " + std::to_string(double(least)) + " only";
    return {};
  }

 private:
  bool real() const { return A_ == Arithmetic::real; }
  Real keep(Real x) const {
    if (!is_emulated(A_)) return x;
    return x == 0 || std::fabs(x) == 1 ? x : Real(round_to(A_, double(x)));
  }
  Real unit() const { return is_emulated(A_) ? Real(number_format(A_).unit()) : 0; }
  Real tiny() const {
    return is_emulated(A_) ? std::ldexp(1.0L, number_format(A_).least_exponent) : 0;
  }
  Sparse part(const std::string& name, std::size_t rows) const {
    const auto values = w_[name];
    Sparse out{values.size() / rows, {}};
    for (std::size_t i = 0; i < values.size(); ++i)
      if (const Real x = keep(Real(values[i])); x != 0)
        out.terms.push_back({i / out.columns, i % out.columns, x});
    return out;
  }
  Reals row(Token token, Index t) const {
    Reals x(D_);
    const auto e = w_["embedding"].subspan(std::size_t(token) * D_, D_);
    for (std::size_t d = 0; d < D_; ++d) x[d] = e[d] == 0 ? 0 : keep(Real(e[d]));
    if (w_.spec.positions != "learned") return x;
    const auto at = positions_.subspan(std::size_t(t) * D_, D_);
    for (std::size_t d = 0; d < D_; ++d)
      if (at[d] != 0) x[d] = keep(x[d] + keep(Real(at[d])));
    return x;
  }

  /// The p-th query asks for position p: before two backgrounds, on queries of its own choice.
  std::string read_task() {
    symbols_ = task_.legal_next({}, c_.claim.length);
    queries_ =
        task_.legal_next(std::vector<Token>(std::size_t(n_), symbols_.back()), c_.claim.length);
    if (Index(queries_.size()) != n_) return "the queries are not the positions";
    if (w_.spec.positions == "learned") positions_ = w_["positions"];
    std::vector<Token> tokens(std::size_t(n_) + 1), targets(tokens.size());
    const auto ask = [&](Index p, Token symbol, Token rest) {
      std::fill(tokens.begin(), tokens.end(), rest);
      tokens[std::size_t(p)] = symbol;
      tokens.back() = queries_[std::size_t(p)];
      task_.label(tokens, targets);
      return targets.back();
    };
    for (const Token s : symbols_) answers_.push_back(ask(n_ / 2, s, symbols_.front()));
    for (Index k = 0; k < 32; ++k) {
      const Index p = (k * 2654435761 + k * k) % n_;
      const std::size_t s = std::size_t(k) % symbols_.size();
      if (ask(p, symbols_[s], symbols_.back()) != answers_[s] ||
          ask(p, symbols_[s], symbols_.front()) != answers_[s])
        return "the answer does not depend on the position with the query's number alone";
    }
    return std::count(answers_.begin(), answers_.end(), kIgnore) == 0 ? "" : "nothing is asked";
  }

  bool parts_are_separate() const {
    const auto in_keys = k_.reads(D_), in_values = v_.reads(D_);
    const auto E = w_["embedding"];
    for (const Token s : symbols_)
      for (std::size_t d = 0; d < D_; ++d)
        if (in_keys[d] && E[std::size_t(s) * D_ + d] != E[std::size_t(symbols_.back()) * D_ + d])
          return false;
    for (std::size_t i = 0; i < std::size_t(n_ + 1) * D_ && !positions_.empty(); ++i)
      if (in_values[i % D_] && positions_[i] != 0) return false;
    return true;
  }

  /// Follows how small and how large the terms of the sums are that lead to scores.
  struct Range {
    int lowest = 10000;  ///< exponent of the lowest bit
    Real largest = 0, latest = 0;
    void look(Real x) {
      if (x == 0 || std::fabs(x) == latest) return;
      latest = std::fabs(x);
      int exponent = 0;
      auto digits = std::uint64_t(std::ldexp(std::fabs(std::frexp(x, &exponent)), 64));
      int zeros = 0;
      for (; (digits & 1U) == 0; digits >>= 1U) ++zeros;
      lowest = std::min(lowest, exponent - 64 + zeros);
      largest = std::max(largest, std::fabs(x));
    }
  };
  void follow(const Reals& x) {
    for (const Real value : x) x_range_.look(value);
  }
  /// All partial sums of scores, projected or folded, are multiples of the lowest bits' product.
  bool scores_fit() const {
    Range q_weights, k_weights;
    for (const auto& t : q_.terms) q_weights.look(t.weight);
    for (const auto& t : k_.terms) k_weights.look(t.weight);
    const Reals x(D_, x_range_.largest);
    Real score = 0, q_size = 0, k_size = 0, folded = 0;
    const Reals q = q_.times_absolute(x), k = k_.times_absolute(x);
    Reals u(D_, 0);
    for (const auto& t : k_.terms) u[t.in] += q[t.out] * std::fabs(t.weight);
    for (std::size_t i = 0; i < q.size(); ++i) {
      score += q[i] * k[i];
      q_size = std::max(q_size, q[i]);
      k_size = std::max(k_size, k[i]);
    }
    for (const Real value : u) folded = std::max(folded, value);
    const auto holds = [](int lowest, Real sum) { return sum <= std::ldexp(1.0L, 24 + lowest); };
    const int x_low = x_range_.lowest, q_low = q_weights.lowest, k_low = k_weights.lowest;
    int exponent = 0;
    return std::frexp(scale_, &exponent) == 0.5L && holds(x_low, x_range_.largest) &&
           holds(x_low + q_low, q_size) && holds(x_low + k_low, k_size) &&
           holds(x_low + q_low + k_low, folded) && holds(2 * x_low + q_low + k_low, 2 * score);
  }

  std::string read_keys() {
    const std::size_t dk = k_.columns;
    keys_.resize(std::size_t(n_) * dk);
    axes_.assign(dk, {});
    for (Index j = 0; j < n_; ++j) {
      const Reals x = row(symbols_.back(), j);
      const Reals k = k_.times(x);
      for (std::size_t i = 0; i < dk; ++i) {
        const float v = float(keep(k[i]));
        keys_[std::size_t(j) * dk + i] = v == 0 ? 0.0F : v;
        auto& axis = axes_[i];
        if (std::find(axis.begin(), axis.end(), v) == axis.end()) axis.push_back(v);
        if (axis.size() > 64) return "a coordinate of the keys has many values";
      }
      follow(x);
    }
    std::unordered_set<std::string_view> seen;
    seen.reserve(std::size_t(n_));
    for (Index j = 0; j < n_; ++j)
      if (!seen.emplace(reinterpret_cast<const char*>(keys_.data() + std::size_t(j) * dk),
                        dk * sizeof(float))
               .second)
        return "two positions have one key";
    return {};
  }

  std::string read_queries() {
    const std::size_t dk = k_.columns;
    for (Index p = 0; p < n_; ++p) {
      const Reals x = row(queries_[std::size_t(p)], n_);
      const Reals q = q_.times(x), k = k_.times(x), v = v_.times(x);
      Real log_all = 0, target = 0, self = 0;
      for (std::size_t i = 0; i < dk; ++i) {
        const Real u = scale_ * keep(q[i]);
        if (last_.size() <= i) last_.push_back({});
        auto& [known, log_sum] = last_[i][u > 0 ? 1 : 0];
        if (known != u) {
          Real sum = 0;
          for (const float a : axes_[i]) sum += std::exp(u * Real(a));
          known = u;
          log_sum = std::log(sum);
        }
        if (!std::isfinite(log_sum)) return "the scores are too large";
        log_all += log_sum;
        target += u * Real(keys_[std::size_t(p) * dk + i]);
        self += u * keep(k[i]);
      }
      // Long double: sums of so many terms of such sizes.
      const Real slack = (std::fabs(log_all) + std::fabs(target) + 1) * 0x1p-58L;
      leak_ = std::max(leak_, std::expm1(log_all - target + slack));
      widen(self_, std::exp(self - target), p == 0);
      own_.resize(v.size());
      stream_.resize(D_);
      for (std::size_t i = 0; i < v.size(); ++i) widen(own_[i], v[i], p == 0);
      for (std::size_t d = 0; d < D_; ++d) widen(stream_[d], x[d], p == 0);
      follow(x);
    }
    return {};
  }
  using Ends = std::pair<Real, Real>;
  static void widen(Ends& ends, Real x, bool fresh) {
    ends = fresh ? Ends{x, x} : Ends{std::min(ends.first, x), std::max(ends.second, x)};
  }

  /// Rounds to the format: the ends of [centre - radius, centre + radius].
  void store(Real& centre, Real& radius) const {
    if (!is_emulated(A_)) return;
    const Real low = keep(centre - radius), high = keep(centre + radius);
    centre = (low + high) / 2;
    radius = (high - low) / 2;
  }
  Ball multiply(const Sparse& m, const Ball& in) const {
    Ball out{m.times(in.centre), m.times_absolute(in.radius)};
    const Reals sizes = m.times_absolute(in.centre);
    for (std::size_t j = 0; j < out.centre.size(); ++j) {
      if (!real()) out.radius[j] += gamma(Real(D_) + 1) * (sizes[j] + out.radius[j]);
      store(out.centre[j], out.radius[j]);
    }
    return out;
  }

  /// The average, seen as a function of the query's own weight h, of the others' weight r and of
  /// what the others' values contribute, has its extremes at the ends of each.
  Ball average(const Ball& target, const Reals& sizes, const std::vector<Ends>& others) const {
    const Real e = real() ? 0 : 20 * kU;
    const Real r = real() ? leak_ : 2 * leak_ * std::exp(e) * (1 + gamma(Real(n_) + 20));
    Ball out = target;
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      Ball self{{(own_[i].first + own_[i].second) / 2}, {(own_[i].second - own_[i].first) / 2}};
      if (!real()) self.radius[0] += gamma(Real(D_) + 1) * sizes[i];
      store(self.centre[0], self.radius[0]);
      Real low = INFINITY, high = -INFINITY;
      for (int corner = 0; corner < 8; ++corner) {
        const bool in_sum = (corner & 1) != 0, in_value = real() ? in_sum : (corner & 2) != 0;
        const Real h = (corner & 4) != 0 ? self_.second * std::exp(e) : self_.first * std::exp(-e);
        const Real total = 1 + h + (in_sum ? r : 0), weight = in_value ? r : 0;
        const Real middle = target.centre[i] + h * self.centre[0];
        const Real spread = target.radius[i] + h * self.radius[0];
        low = std::min(low, (middle - spread + weight * others[i].first) / total);
        high = std::max(high, (middle + spread + weight * others[i].second) / total);
      }
      const Real rounding =
          real() ? 0 : gamma(Real(D_) + 36) * (1 + r) * sizes[i] + Real(n_) * 0x1p-141L;
      out.centre[i] = (low + high) / 2;
      out.radius[i] = (high - low) / 2 + rounding;
      store(out.centre[i], out.radius[i]);
    }
    return out;
  }

  Real least_margin() const {
    Reals input(D_, 0);
    const auto E = w_["embedding"];
    for (std::size_t i = 0; i < E.size(); ++i)
      input[i % D_] = std::max(input[i % D_], std::fabs(Real(E[i])));
    for (Real& x : input) x = keep(x);
    Reals sizes = v_.times_absolute(input);
    for (Real& size : sizes) size = keep(size * (real() ? 1 : 1 + gamma(Real(D_) + 1)));

    std::vector<Ball> values;
    std::vector<Ends> others(sizes.size());
    for (std::size_t s = 0; s < symbols_.size(); ++s) {
      Reals x(D_, 0);
      for (std::size_t d = 0; d < D_; ++d) x[d] = keep(Real(E[std::size_t(symbols_[s]) * D_ + d]));
      values.push_back(multiply(v_, {x, Reals(D_, 0)}));
      for (std::size_t i = 0; i < others.size(); ++i) {
        widen(others[i], values[s].centre[i], s == 0);
        if (!real()) others[i] = {-sizes[i], sizes[i]};
      }
    }
    Real least = INFINITY;
    for (std::size_t s = 0; s < symbols_.size(); ++s) {
      const Ball stream = behind(multiply(o_, average(values[s], sizes, others)));
      least = std::min(least, margin_of(stream, answers_[s]));
    }
    return least;
  }
  Ball behind(Ball out) const {
    for (std::size_t d = 0; d < D_ && w_.spec.layers.front().residual; ++d) {
      const auto& [low, high] = stream_[d];
      if (low == 0 && high == 0) continue;
      out.centre[d] += (low + high) / 2;
      out.radius[d] += (high - low) / 2;
      if (!real()) out.radius[d] += 1.5L * kU * (std::fabs(out.centre[d]) + out.radius[d]);
      store(out.centre[d], out.radius[d]);
    }
    return out;
  }
  /// Against the class that comes nearest. A class is `off` by its sum and by how it is stored.
  Real margin_of(const Ball& stream, Token answer) const {
    const std::size_t C = bias_.size(), y = std::size_t(answer);
    std::vector<Reals> by_class(C, Reals(D_, 0));
    for (const auto& t : head_.terms) by_class[t.out][t.in] = t.weight;
    Reals off(C, 0);
    for (std::size_t c = 0; c < C; ++c) {
      Real size = std::fabs(bias_[c]);
      for (std::size_t d = 0; d < D_; ++d)
        size += std::fabs(by_class[c][d]) * (std::fabs(stream.centre[d]) + stream.radius[d]);
      off[c] = (real() ? 0 : gamma(Real(D_) + 1) * size) + unit() * size + tiny();
      if (is_emulated(A_) && !(size < Real(number_format(A_).largest) / 2)) return -INFINITY;
    }
    Real least = INFINITY;
    for (std::size_t c = 0; c < C; ++c) {
      if (c == y) continue;
      Real margin = bias_[y] - bias_[c] - off[y] - off[c];
      for (std::size_t d = 0; d < D_; ++d) {
        const Real w = by_class[y][d] - by_class[c][d];
        if (w != 0) margin += w * stream.centre[d] - std::fabs(w) * stream.radius[d];
      }
      least = margin < least ? margin : least;
      if (std::isnan(margin)) return -INFINITY;
    }
    return least;
  }

  const Certificate& c_;
  const Task& task_;
  const Weights& w_;
  Arithmetic A_;
  std::size_t D_;
  Index n_ = 0;
  Sparse q_, k_, v_, o_, head_;
  Reals bias_;
  Real scale_ = 1;
  std::span<const float> positions_;
  std::vector<Token> symbols_, queries_, answers_;
  std::vector<float> keys_;                ///< [n, dk]
  std::vector<std::vector<float>> axes_;   ///< [dk]
  std::vector<std::array<Ends, 2>> last_;  ///< [dk][sign of u]: u, and log of its sum
  Range x_range_;
  Real leak_ = 0;
  Ends self_{1, 1};
  std::vector<Ends> own_, stream_;
};

}  // namespace

std::string recheck_by_grid(const Certificate& certificate, const Subject& subject) {
  if (auto wrong = unlike_one_layer(subject.weights); !wrong.empty()) return wrong;
  return GridRecheck(certificate, subject.task, subject.weights).run();
}

}  // namespace separatrix

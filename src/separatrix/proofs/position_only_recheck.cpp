#include <cmath>
#include <utility>
#include <vector>

#include <gmpxx.h>

#include "separatrix/proofs/position_only.h"
#include "separatrix/proofs/recheck.h"

// Recomputes a position-only certificate another way. The keys of all symbols are compared as exact
// fractions; the logits of each worst input are summed position by position as one quotient
// (sum of e^score value) / (sum of e^score) in long double with its own error bound, instead of
// interval shares of a histogram; and the float32 error is followed stage by stage.

namespace separatrix {
namespace {

using Real = long double;
using Reals = std::vector<Real>;

/// A row vector times a parameter matrix [in, out].
Reals times(const Reals& x, std::span<const float> matrix) {
  const std::size_t out = matrix.size() / x.size();
  Reals y(out, 0);
  for (std::size_t i = 0; i < x.size(); ++i)
    for (std::size_t j = 0; j < out; ++j) y[j] += x[i] * Real(matrix[i * out + j]);
  return y;
}
/// The same with absolute values.
Reals times_absolute(const Reals& x, std::span<const float> matrix) {
  const std::size_t out = matrix.size() / x.size();
  Reals y(out, 0);
  for (std::size_t i = 0; i < x.size(); ++i)
    for (std::size_t j = 0; j < out; ++j)
      y[j] += std::fabs(x[i]) * std::fabs(Real(matrix[i * out + j]));
  return y;
}
Real dot(const Reals& a, const Reals& b) {
  Real sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}
Real norm(const Reals& a) {  // largest entry
  Real out = 0;
  for (const Real x : a) out = std::max(out, std::fabs(x));
  return out;
}

class Recheck {
 public:
  Recheck(const Certificate& certificate, const Task& task, const Weights& weights)
      : c_(certificate), task_(task), w_(weights), D_(std::size_t(weights.spec.d_model)) {
    n_ = task.info(certificate.claim.length).n_tokens - 1;
    symbols_ = task.legal_next({}, c_.claim.length);
    queries_ =
        task.legal_next(std::vector<Token>(std::size_t(n_), symbols_.back()), c_.claim.length);
    q_ = part("q");
    k_ = part("k");
    v_ = part("v");
    o_ = part("o");
    scale_ = w_.spec.layers.front().config.value("scale", std::string("sqrt")) == "none"
                 ? Real(1)
                 : Real(1 / std::sqrt(float(q_.size() / D_)));
  }

  std::string run() {
    try {
      c_.evidence.at("position").get_to(looks_at_);
    } catch (const Json::exception&) {
      return "the evidence does not name the positions";
    }
    if (looks_at_.size() != queries_.size()) return "the evidence is for other queries";
    if (!keys_and_values_are_separate())
      return "symbols take part in the scores, or positions in the values";
    prepare();
    Real least = INFINITY;
    for (std::size_t p = 0; p < queries_.size(); ++p) {
      if (looks_at_[p] < 0 || looks_at_[p] >= n_) return "the evidence names no position";
      if (!answers_agree(p)) return "the answer does not depend on the named position alone";
      least = std::min(least, query_margin(p));
    }
    if (c_.claim.arithmetic == Arithmetic::float32) least -= float32_error();
    // Two bounds of the same number need not agree in the last digits.
    const Real tolerance = 1e-9L + 1e-6L * std::fabs(least);
    if (!(least > 0) || least < Real(c_.claim.margin) - tolerance ||
        least < Real(c_.margin) - tolerance)
      return "the margin comes to " + std::to_string(double(least)) + " only";
    return {};
  }

 private:
  std::span<const float> part(const char* name) const {
    return w_["layers.0.attention." + std::string(name)];
  }
  Reals embedding(Token token) const {
    const auto row = w_["embedding"].subspan(std::size_t(token) * D_, D_);
    return {row.begin(), row.end()};
  }
  Reals position(Index t) const {
    if (w_.spec.positions != "learned") return Reals(D_, 0);
    const auto row = w_["positions"].subspan(std::size_t(t) * D_, D_);
    return {row.begin(), row.end()};
  }
  Reals input(Token token, Index t) const {
    Reals x = embedding(token);
    const Reals at = position(t);
    for (std::size_t d = 0; d < D_; ++d) x[d] += at[d];
    return x;
  }

  /// x times matrix, exactly.
  static std::vector<mpq_class> exact(const Reals& x, std::span<const float> matrix) {
    const std::size_t out = matrix.size() / x.size();
    std::vector<mpq_class> y(out);
    for (std::size_t i = 0; i < x.size(); ++i)
      for (std::size_t j = 0; j < out; ++j)
        if (x[i] != 0 && matrix[i * out + j] != 0)
          y[j] += mpq_class(double(x[i])) * mpq_class(double(matrix[i * out + j]));
    return y;
  }
  bool keys_and_values_are_separate() const {
    const auto key = exact(embedding(symbols_.front()), k_);
    for (const Token s : symbols_)
      if (exact(embedding(s), k_) != key) return false;
    for (Index t = 0; t <= n_; ++t)
      for (const mpq_class& value : exact(position(t), v_))
        if (value != 0) return false;
    return true;
  }

  /// Logit contributions of each symbol's value, the keys of all positions, the worst symbols.
  void prepare() {
    for (const Token s : symbols_) gives_.push_back(logits_of(times(times(embedding(s), v_), o_)));
    for (Index t = 0; t < n_; ++t) keys_.push_back(times(input(symbols_.back(), t), k_));
    C_ = std::size_t(w_.spec.n_classes);
    worst_.assign(C_ * C_, INFINITY);
    for (const Reals& g : gives_)
      for (std::size_t y = 0; y < C_; ++y)
        for (std::size_t c = 0; c < C_; ++c)
          worst_[y * C_ + c] = std::min(worst_[y * C_ + c], g[y] - g[c]);
  }
  Reals logits_of(const Reals& x) const { return times(x, w_["head"]); }

  Token answer(std::size_t p, Token symbol) {
    Token& looked_at = tokens_[std::size_t(looks_at_[p])];
    const Token rest = std::exchange(looked_at, symbol);
    tokens_.back() = queries_[p];
    task_.label(tokens_, targets_);
    looked_at = rest;
    return targets_.back();
  }
  /// The answer for each symbol; the first and the last also before another background.
  bool answers_agree(std::size_t p) {
    tokens_.assign(std::size_t(n_ + 1), symbols_.front());
    targets_.resize(tokens_.size());
    answers_.clear();
    for (const Token symbol : symbols_) {
      answers_.push_back(answer(p, symbol));
      if (answers_.back() == kIgnore) return false;
    }
    std::fill(tokens_.begin(), tokens_.end(), symbols_.back());
    return answer(p, symbols_.front()) == answers_.front() &&
           answer(p, symbols_.back()) == answers_.back();
  }

  /// Least margin of one query: e^score weighted sums over positions, divided once.
  Real query_margin(std::size_t p) const {
    const Reals x = input(queries_[p], n_);
    const Reals q = times(x, q_);
    Reals scores;
    for (const Reals& key : keys_) scores.push_back(scale_ * dot(q, key));
    scores.push_back(scale_ * dot(q, times(x, k_)));
    const Real top = *std::max_element(scores.begin(), scores.end());
    Real total = 0;
    for (Real& s : scores) total += s = std::exp(s - top);
    const Real target = scores[std::size_t(looks_at_[p])], self = scores.back();
    Real rest = 0;
    for (std::size_t j = 0; j < std::size_t(n_); ++j)
      if (Index(j) != looks_at_[p]) rest += scores[j];

    const Reals own = logits_of(times(times(embedding(queries_[p]), v_), o_));
    Reals around(C_, 0);
    if (w_.spec.layers.front().residual) around = logits_of(x);
    const auto bias = w_["head_bias"];
    Real least = INFINITY;
    for (std::size_t s = 0; s < symbols_.size(); ++s)
      for (std::size_t c = 0; c < C_; ++c) {
        const auto y = std::size_t(answers_[s]);
        if (c == y) continue;
        const Real sum = target * (gives_[s][y] - gives_[s][c]) + rest * worst_[y * C_ + c] +
                         self * (own[y] - own[c]);
        const Real margin = sum / total + around[y] - around[c] + Real(bias[y]) - Real(bias[c]);
        least = std::min(least, margin);
      }
    // Long double has 64 bits: every operation above, and an exponential good to 8 units.
    const Real operations = Real(n_) + 4 * Real(D_) + 64 + 4 * std::fabs(top);
    return least - operations * 0x1p-62L * 8 * (1 + magnitude());
  }

  /// Largest |x| |W_v| |W_o| |head| plus what goes round.
  Real magnitude() const {
    const Reals x = input_bound();
    const Reals bias(w_["head_bias"].begin(), w_["head_bias"].end());
    return norm(attended(x)) + norm(times_absolute(x, w_["head"])) + norm(bias);
  }
  Reals attended(const Reals& x) const {
    return times_absolute(times_absolute(times_absolute(x, v_), o_), w_["head"]);
  }
  Reals input_bound() const {
    if (!bound_.empty()) return bound_;
    Reals x(D_, 0), at(D_, 0);
    for (Index v = 0; v < w_.spec.vocab_size; ++v)
      for (std::size_t d = 0; d < D_; ++d)
        x[d] = std::max(x[d], std::fabs(Real(w_["embedding"][std::size_t(v) * D_ + d])));
    for (Index t = 0; t <= n_; ++t) {
      const Reals row = position(t);
      for (std::size_t d = 0; d < D_; ++d) at[d] = std::max(at[d], std::fabs(row[d]));
    }
    for (std::size_t d = 0; d < D_; ++d) x[d] += at[d];
    return bound_ = x;
  }

  /// Stage by stage: each stage turns (bound, error) of its input into that of its output.
  struct Stage {
    Reals bound, error;
  };
  static Stage multiply(const Stage& in, std::span<const float> matrix) {
    Stage out{times_absolute(in.bound, matrix), times_absolute(in.error, matrix)};
    const Real rounding = 1.01L * Real(in.bound.size() + 1) * 0x1p-24L;
    for (std::size_t j = 0; j < out.bound.size(); ++j) {
      out.error[j] += rounding * (out.bound[j] + out.error[j]);
      out.bound[j] += 0;
    }
    return out;
  }
  /// Integers times a power of two whose sums stay below 2^24: no rounding.
  bool scores_are_integers() const {
    Real shift = 0;
    if (std::frexp(scale_, &exponent_) != 0.5L) return false;
    const auto integral = [&](std::span<const float> values, Real bits) {
      for (const float v : values)
        if (const Real x = std::ldexp(Real(v), int(bits)); x != std::rint(x)) return false;
      return true;
    };
    if (!integral(w_["embedding"], shift) || !integral(q_, 4) || !integral(k_, shift)) return false;
    if (w_.spec.positions == "learned" && !integral(w_["positions"], shift)) return false;
    const Reals x = input_bound();
    const Reals q = times_absolute(x, q_), k = times_absolute(x, k_);
    Real score = 0;
    for (std::size_t i = 0; i < q.size(); ++i) score += q[i] * k[i];
    return score * scale_ * 16 * std::max<Real>(1, 1 / scale_) < 0x1p22L;
  }
  Real float32_error() const {
    const Real u = 0x1p-24L, n = Real(n_) + 1;
    const Reals bound = input_bound();
    Stage x{bound, bound};
    for (Real& e : x.error) e *= u;
    const Stage q = multiply(x, q_), k = multiply(x, k_);
    Real score = 0, score_error = 0;
    for (std::size_t i = 0; i < q.bound.size(); ++i) {
      score += scale_ * q.bound[i] * k.bound[i];
      score_error += scale_ * (q.error[i] * (k.bound[i] + k.error[i]) + q.bound[i] * k.error[i]);
    }
    // Folding the keys into the query (the other path) multiplies the same absolute values, by a
    // longer chain: D + dk more roundings.
    score_error += score * u * 1.01L * (2 * Real(D_) + Real(q.bound.size()) + 8);
    if (scores_are_integers()) score_error = 0;
    const Real argument = score_error == 0 ? 0 : 2.1L * score * u;
    const Real share =
        std::expm1(2 * (score_error + argument)) * 1.1L + 1.1L * u * (2 * 8 + n + 20);
    // One weighted sum of n values, then the two products; or the products first.
    Stage attention = multiply(multiply(x, v_), o_);
    for (std::size_t d = 0; d < D_; ++d) {
      attention.error[d] += attention.bound[d] * (share + 1.1L * u * (n + 2));
      if (w_.spec.layers.front().residual) {
        attention.bound[d] += bound[d];
        attention.error[d] += u * (1.1L * attention.bound[d] + bound[d]);
      }
    }
    const Stage logits = multiply(attention, w_["head"]);
    Real worst = 0;
    for (std::size_t c = 0; c < logits.error.size(); ++c)
      worst = std::max(
          worst, logits.error[c] + 2 * u * (logits.bound[c] + std::fabs(Real(w_["head_bias"][c]))));
    return 2 * worst + n * 0x1p-60L;
  }

  const Certificate& c_;
  const Task& task_;
  const Weights& w_;
  std::size_t D_, C_ = 0;
  Index n_ = 0;
  std::vector<Token> symbols_, queries_, tokens_, targets_;
  std::vector<Index> looks_at_;
  std::vector<Token> answers_;
  std::span<const float> q_, k_, v_, o_;
  Real scale_ = 1;
  std::vector<Reals> gives_, keys_;
  Reals worst_;
  mutable Reals bound_;
  mutable int exponent_ = 0;
};

}  // namespace

std::string recheck_position_only(const Certificate& certificate, const Task& task,
                                  const Weights& weights) {
  if (auto wrong = unlike_one_layer(weights); !wrong.empty()) return wrong;
  return Recheck(certificate, task, weights).run();
}

}  // namespace separatrix

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "separatrix/proofs/separable_recheck.h"

namespace separatrix {
namespace {

using Real = long double;
using Reals = std::vector<Real>;

constexpr Real kExtended = 0x1p-64L;  // unit roundoff of long double

/// (1 + u)^k - 1.
Real growth(Real k, Real u) { return std::expm1(k * std::log1p(u)); }

/// A vector as numbers, as sums of absolute terms, and how far a computed one may be off.
struct Stage {
  Reals value, bound, error;
};

/// One input token at one position, as the reading row sees it.
struct Seen {
  Stage x, k, logits;
};

/// Follows x -> q, k, v -> logits in float32 (u = 2^-24) or exactly (u = 0), plus long double's own
/// roundings.
class Follow {
 public:
  Follow(const Weights& weights, Index positions, Arithmetic arithmetic)
      : w(weights), D(std::size_t(weights.spec.d_model)), T(Real(positions)) {
    u = arithmetic == Arithmetic::float32 ? 0x1p-24L : 0.0L;
    q = part("q");
    k = part("k");
    const std::size_t width = q.size() / D;
    dk = Real(width);
    const bool none = w.spec.layers.front().config.value("scale", std::string("sqrt")) == "none";
    const Real root = std::sqrt(dk);
    scale = none ? 1 : u > 0 ? Real(1 / std::sqrt(float(width))) : 1 / root;
    residual = w.spec.layers.front().residual;
    for (const float value : w.values) largest = std::max(largest, std::fabs(Real(value)));
  }
  std::span<const float> part(const char* name) const {
    return w["layers.0.attention." + std::string(name)];
  }

  Stage input(Token token, Index t) const {
    Stage x;
    for (std::size_t d = 0; d < D; ++d) {
      const Real e = Real(w["embedding"][std::size_t(token) * D + d]);
      const Real p =
          w.spec.positions == "learned" ? Real(w["positions"][std::size_t(t) * D + d]) : 0;
      x.value.push_back(e + p);
      x.bound.push_back(std::fabs(e + p));
      x.error.push_back((u + kExtended) * x.bound.back());
    }
    return x;
  }
  Stage times(const Stage& in, std::span<const float> matrix) const {
    const std::size_t n = in.value.size(), m = matrix.size() / n;
    Stage out{Reals(m, 0), Reals(m, 0), Reals(m, 0)};
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < m; ++j) {
        const Real a = Real(matrix[i * m + j]);
        out.value[j] += in.value[i] * a;
        out.bound[j] += in.bound[i] * std::fabs(a);
        out.error[j] += in.error[i] * std::fabs(a);
      }
    for (std::size_t j = 0; j < m; ++j)
      out.error[j] += rounding(Real(n) + 1) * (out.bound[j] + out.error[j]);
    return out;
  }
  Real rounding(Real steps) const {
    return (u > 0 ? growth(steps, u) : 0) + growth(steps + 4, kExtended);
  }
  /// Lost below the smallest normal number of float32, behind that many matrices.
  Real underflow(int matrices) const {
    return u > 0 ? 4 * 0x1p-149L * std::pow(1 + Real(D) * largest, Real(matrices)) : 0;
  }

  Seen see(Token token, Index t) const {
    Seen seen;
    seen.x = input(token, t);
    seen.k = times(seen.x, k);
    Stage y = times(times(seen.x, part("v")), part("o"));
    // Two sums over the positions and a quotient, wherever they stand; then the residual sum.
    for (std::size_t d = 0; d < D; ++d)
      y.error[d] += rounding(2 * T + 20) * (y.bound[d] + y.error[d]);
    seen.logits = times(y, w["head"]);
    return seen;
  }

  const Weights& w;
  std::size_t D;
  Real T, u = 0, dk = 0, scale = 1, largest = 0;
  bool residual = true;
  std::span<const float> q, k;
};

/// Of every token at every position [T][tokens].
using Table = std::vector<std::vector<Seen>>;

class DirectTerms final : public RecheckTerms {
 public:
  DirectTerms(const Follow& f, const Table& table, std::size_t last) : table_(table), last_(last) {
    const Stage& asked = table.back()[last].x;
    const Stage q = f.times(asked, f.q), folded = fold(f, q);
    Real top = -std::numeric_limits<Real>::infinity(), widest = 0;
    for (std::size_t t = 0; t < table.size(); ++t) {
      low_.emplace_back();
      high_.emplace_back();
      for (std::size_t i = 0; i < table[t].size(); ++i) {
        const auto [score, error] = score_of(f, q, folded, table[t][i]);
        low_[t].push_back(score);
        high_[t].push_back(error);
        if (!stands(t, i)) continue;
        top = std::max(top, score);
        widest = std::max(widest, error);
      }
    }
    for (std::size_t t = 0; t < table.size(); ++t)
      for (std::size_t i = 0; i < table[t].size(); ++i) {
        const Real argument = top - low_[t][i] + 2 * widest;
        high_[t][i] += f.u * (1.05L * argument + 9) + kExtended * (1.05L * argument + 16);
        const Real weight = std::exp(low_[t][i] - top);
        low_[t][i] = weight * std::exp(-high_[t][i]);
        high_[t][i] = std::max(weight, 1e-4000L) * std::exp(high_[t][i]);
      }
    const Stage head = f.times(asked, f.w["head"]);
    for (std::size_t c = 0; c < head.value.size(); ++c) {
      const Real bias = Real(f.w["head_bias"][c]), on = f.residual ? 1 : 0;
      around_.push_back(on * head.value[c] + bias);
      around_error_.push_back(on * head.error[c] +
                              f.rounding(4) * (on * head.bound[c] + std::fabs(bias)) +
                              f.underflow(1));
    }
  }

  Real term(Index t, std::size_t i, Token y, Token k, Real theta) const override {
    const auto at = std::size_t(t), a = std::size_t(y), b = std::size_t(k);
    const Stage& g = table_[at][i].logits;
    const Real gain = g.value[a] - g.value[b] - g.error[a] - g.error[b] - theta;
    return (gain >= 0 ? low_ : high_)[at][i] * gain;
  }
  Real around(Token y, Token k) const override {
    const auto a = std::size_t(y), b = std::size_t(k);
    return around_[a] - around_[b] - around_error_[a] - around_error_[b];
  }

 private:
  bool stands(std::size_t t, std::size_t i) const { return t + 1 < table_.size() || i == last_; }

  /// The query folded into the keys: times the transposed matrix.
  static Stage fold(const Follow& f, const Stage& q) {
    Stage out{Reals(f.D, 0), Reals(f.D, 0), Reals(f.D, 0)};
    const std::size_t dk = q.value.size();
    for (std::size_t d = 0; d < f.D; ++d) {
      for (std::size_t i = 0; i < dk; ++i) {
        const Real a = Real(f.k[d * dk + i]);
        out.value[d] += q.value[i] * a;
        out.bound[d] += (std::fabs(q.value[i]) + q.error[i]) * std::fabs(a);
        out.error[d] += q.error[i] * std::fabs(a);
      }
      out.error[d] += f.rounding(f.dk + 1) * out.bound[d];
    }
    return out;
  }
  static std::pair<Real, Real> score_of(const Follow& f, const Stage& q, const Stage& folded,
                                        const Seen& seen) {
    const auto [score, projected] = dot(f, q, seen.k);
    const auto [same, through] = dot(f, folded, seen.x);
    return {f.scale * score, f.scale * std::max(projected, through) +
                                 f.rounding(2) * f.scale * std::fabs(score) + f.underflow(2)};
  }
  /// Sum and error of a product of two vectors, each known up to its error.
  static std::pair<Real, Real> dot(const Follow& f, const Stage& a, const Stage& b) {
    Real sum = 0, error = 0, size = 0;
    for (std::size_t i = 0; i < a.value.size(); ++i) {
      const Real x = std::fabs(a.value[i]) + a.error[i], y = std::fabs(b.value[i]) + b.error[i];
      sum += a.value[i] * b.value[i];
      error += a.error[i] * y + x * b.error[i];
      size += x * y;
    }
    return {sum, error + f.rounding(Real(a.value.size()) + 1) * size};
  }

  const Table& table_;
  std::size_t last_;
  std::vector<Reals> low_,
      high_;  ///< first the scores and their errors, then the ends of each weight
  Reals around_, around_error_;
};

class DirectRows final : public RecheckRows {
 public:
  DirectRows(const Weights& weights, const Standing& tokens, Arithmetic arithmetic)
      : follow_(weights, Index(tokens.size()), arithmetic) {
    for (std::size_t t = 0; t < tokens.size(); ++t) {
      table_.emplace_back();
      for (const Token token : tokens[t]) table_.back().push_back(follow_.see(token, Index(t)));
    }
    if (arithmetic != Arithmetic::float32) return;
    // Numbers below the smallest normal one: on the way, and weights of any position's value.
    Real greatest = 0;
    for (const auto& position : table_)
      for (const Seen& seen : position)
        for (const Real bound : seen.logits.bound) greatest = std::max(greatest, bound);
    const Real lost = follow_.T * (follow_.underflow(3) + 0x1p-121L * greatest);
    for (auto& position : table_)
      for (Seen& seen : position)
        for (Real& error : seen.logits.error) error += lost;
  }
  std::unique_ptr<RecheckTerms> row(std::size_t last) const override {
    return std::make_unique<DirectTerms>(follow_, table_, last);
  }
  Index classes() const override { return follow_.w.spec.n_classes; }

 private:
  Follow follow_;
  Table table_;
};

}  // namespace

std::unique_ptr<RecheckRows> recheck_direct_rows(const Weights& weights, const Standing& tokens,
                                                 Arithmetic arithmetic) {
  return std::make_unique<DirectRows>(weights, tokens, arithmetic);
}

}  // namespace separatrix

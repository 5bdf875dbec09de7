#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

#include "separatrix/proofs/separable_recheck.h"

namespace separatrix {
namespace {

using Real = long double;
using Reals = std::vector<Real>;

/// A logit as a share of an average over the positions: its value for one token alone, and how far
/// it may be off when it is computed.
struct Part {
  Reals value, error;
};

/// A bfloat16 or float16 computation written out with plain floats.
class Format {
 public:
  Format(const Weights& weights, Arithmetic arithmetic)
      : w(weights), arithmetic_(arithmetic), D(std::size_t(weights.spec.d_model)) {
    const NumberFormat format = number_format(arithmetic);
    half = std::ldexp(1.0L, -format.significant);
    least = std::ldexp(0.5L, format.least_exponent);
    largest = std::min<Real>(0.98L * Real(format.largest), 0x1p99L);
  }
  float keep(float x) const { return float(round_to(arithmetic_, double(x))); }
  std::vector<float> read(const std::string& name) const {
    std::vector<float> out;
    for (const float value : w[name]) out.push_back(keep(value));
    return out;
  }
  std::vector<float> attention(const char* name) const {
    return read("layers.0.attention." + std::string(name));
  }
  std::vector<float> input(Token token, Index t, std::span<const float> embedding,
                           std::span<const float> positions) const {
    std::vector<float> x(embedding.begin() + std::ptrdiff_t(std::size_t(token) * D),
                         embedding.begin() + std::ptrdiff_t((std::size_t(token) + 1) * D));
    for (std::size_t d = 0; d < D; ++d) {
      if (!positions.empty()) x[d] += positions[std::size_t(t) * D + d];
      x[d] = keep(x[d]);
    }
    return x;
  }
  std::vector<float> times(const std::vector<float>& x, const std::vector<float>& matrix) const {
    const std::size_t m = matrix.size() / x.size();
    std::vector<float> y(m, 0.0F);
    for (std::size_t i = 0; i < x.size(); ++i)  // column sums in the order of i, all at once
      for (std::size_t j = 0; j < m; ++j)
        if (matrix[i * m + j] != 0) {
          const float term = x[i] * matrix[i * m + j];
          y[j] += term;
        }
    for (float& value : y) value = keep(value);
    return y;
  }

  const Weights& w;
  Arithmetic arithmetic_;
  std::size_t D;
  Real half, least, largest;
};

struct Seen {
  std::vector<float> x, k, v;
};

class RoundedRows;

/// (1 + 2^-24)^k - 1.
Real float_growth(Real k) { return std::expm1(k * std::log1p(0x1p-24L)); }

class RoundedTerms final : public RecheckTerms {
 public:
  RoundedTerms(const RoundedRows& rows, std::size_t last);
  Real term(Index t, std::size_t i, Token y, Token k, Real theta) const override {
    const auto at = std::size_t(t), a = std::size_t(y), b = std::size_t(k);
    const Part& g = logits_[at][i];
    const Real gain = g.value[a] - g.value[b] - g.error[a] - g.error[b] - theta;
    return (gain < 0 ? high_ : low_)[at][i] * gain;
  }
  Real around(Token y, Token k) const override {
    return around_[std::size_t(y)] - around_[std::size_t(k)];
  }

 private:
  Part follow(const RoundedRows& rows, const std::vector<float>& v,
              const std::vector<float>& asked) const;
  std::vector<Reals> low_, high_;          ///< [T][tokens]: the ends of each weight
  std::vector<std::vector<Part>> logits_;  ///< [T][tokens]
  Reals around_;
};

class RoundedRows final : public RecheckRows {
 public:
  RoundedRows(const Weights& weights, const Standing& tokens, Arithmetic arithmetic)
      : format(weights, arithmetic),
        q(format.attention("q")),
        o(format.attention("o")),
        head(format.read("head")),
        bias(format.read("head_bias")) {
    const auto k = format.attention("k"), v = format.attention("v");
    const auto embedding = format.read("embedding");
    const bool learned = weights.spec.positions == "learned";
    const auto positions = learned ? format.read("positions") : std::vector<float>{};
    for (std::size_t t = 0; t < tokens.size(); ++t) {
      seen.emplace_back();
      for (const Token token : tokens[t]) {
        const auto x = format.input(token, Index(t), embedding, positions);
        seen.back().push_back({x, format.times(x, k), format.times(x, v)});
      }
    }
    Real greatest = 0;
    for (const auto& position : seen)
      for (const Seen& one : position)
        for (const float x : one.v) greatest = std::max(greatest, std::fabs(Real(x)));
    lost = Real(seen.size()) * 0x1p-141L * (1 + greatest);
    residual = weights.spec.layers.front().residual;
    const std::size_t dk = q.size() / format.D;
    if (weights.spec.layers.front().config.value("scale", std::string("sqrt")) != "none")
      scale = float(1 / std::sqrt(double(dk)));
    // What an entry of the context does to each logit.
    const std::size_t dv = o.size() / format.D, C = bias.size();
    through.assign(dv * C, 0);
    for (std::size_t i = 0; i < dv; ++i)
      for (std::size_t d = 0; d < format.D; ++d)
        for (std::size_t c = 0; c < C; ++c)
          through[i * C + c] += Real(o[i * format.D + d]) * Real(head[d * C + c]);
  }
  std::unique_ptr<RecheckTerms> row(std::size_t last) const override {
    return std::make_unique<RoundedTerms>(*this, last);
  }
  Index classes() const override { return Index(bias.size()); }

  Format format;
  std::vector<float> q, o, head, bias;
  std::vector<std::vector<Seen>> seen;  ///< [T][tokens]
  Reals through;                        ///< [dv, C]
  float scale = 1;
  bool residual = true;
  Real lost = 0;  ///< by weights below the smallest normal float32, of the greatest value
};

RoundedTerms::RoundedTerms(const RoundedRows& rows, std::size_t last) {
  const std::vector<float>& asked = rows.seen.back()[last].x;
  const std::vector<float> q = rows.format.times(asked, rows.q);
  Real top = -std::numeric_limits<Real>::infinity();
  for (std::size_t t = 0; t < rows.seen.size(); ++t) {
    low_.emplace_back();
    logits_.emplace_back();
    for (std::size_t i = 0; i < rows.seen[t].size(); ++i) {
      float score = 0;
      for (std::size_t d = 0; d < q.size(); ++d) {
        const float term = q[d] * rows.seen[t][i].k[d];
        score += term;
      }
      score *= rows.scale;
      low_.back().push_back(Real(score));
      if (t + 1 < rows.seen.size() || i == last) top = std::max(top, Real(score));
      logits_.back().push_back(follow(rows, rows.seen[t][i].v, asked));
    }
  }
  high_ = low_;
  for (std::size_t t = 0; t < low_.size(); ++t)
    for (std::size_t i = 0; i < low_[t].size(); ++i) {
      const Real argument = top - low_[t][i];
      const Real spread = 0x1p-24L * (1.005L * argument + 1.005L) + 0x1p-60L * (argument + 1);
      low_[t][i] = std::exp(-argument - spread);
      high_[t][i] = std::max(std::exp(-argument), 1e-4000L) * std::exp(spread);
    }
  for (std::size_t c = 0; c < rows.bias.size(); ++c) {
    Real sum = Real(rows.bias[c]);
    for (std::size_t d = 0; d < asked.size() && rows.residual; ++d)
      sum += Real(asked[d]) * Real(rows.head[d * rows.bias.size() + c]);
    around_.push_back(sum);
  }
}

/// The greatest deviation of each stored tensor, one behind the other: context, block output,
/// residual stream, logits.
Part RoundedTerms::follow(const RoundedRows& rows, const std::vector<float>& v,
                          const std::vector<float>& asked) const {
  const Format& f = rows.format;
  const std::size_t C = rows.bias.size(), D = f.D;
  const Real T = Real(rows.seen.size()), average = float_growth(2 * T + 10);
  const auto rounds = [&](Real size) { return f.half * size + f.least; };
  Real greatest = 0;
  Reals context;
  for (const float value : v) {
    const Real size = std::fabs(Real(value)), order = average * size + rows.lost;
    context.push_back(order + rounds(size + order));
    greatest = std::max(greatest, size + context.back());
  }
  Part out{Reals(C, 0), Reals(C, 0)};
  Reals sizes(C, 0);
  for (std::size_t d = 0; d < D; ++d) {
    Real y = 0, size = 0, shift = 0;
    for (std::size_t i = 0; i < v.size(); ++i) {
      const Real a = Real(rows.o[i * D + d]);
      y += Real(v[i]) * a;
      size += std::fabs(Real(v[i]) * a);
      shift += context[i] * std::fabs(a);
    }
    const Real order = float_growth(Real(v.size()) + 1) * (size + shift);
    Real error = order + rounds(std::fabs(y) + shift + order);
    greatest = std::max(greatest, std::fabs(y) + shift + error);
    if (rows.residual) {
      const Real sum = std::fabs(y + Real(asked[d])) + shift + error;
      error += 0x1p-24L * sum + rounds(sum * (1 + 0x1p-24L));
    }
    const Real stream = std::fabs(y + (rows.residual ? Real(asked[d]) : 0)) + shift + error;
    greatest = std::max(greatest, stream);
    for (std::size_t c = 0; c < C; ++c) {
      const Real a = Real(rows.head[d * C + c]);
      out.value[c] += y * a;
      out.error[c] += error * std::fabs(a);
      sizes[c] += stream * std::fabs(a);
    }
  }
  for (std::size_t c = 0; c < C; ++c) {
    Real around = Real(rows.bias[c]);
    for (std::size_t d = 0; d < D && rows.residual; ++d)
      around += Real(asked[d]) * Real(rows.head[d * C + c]);
    for (std::size_t i = 0; i < v.size(); ++i)
      out.error[c] += context[i] * std::fabs(rows.through[i * C + c]);
    out.error[c] += float_growth(Real(D) + 2) * (sizes[c] + std::fabs(Real(rows.bias[c])));
    const Real logit = std::fabs(out.value[c] + around) + out.error[c];
    greatest = std::max(greatest, logit);
    out.error[c] += rounds(logit);
    out.error[c] *= 1 + 3 * average;
    if (!(greatest < f.largest)) out.error[c] = std::numeric_limits<Real>::infinity();
  }
  return out;
}

}  // namespace

std::unique_ptr<RecheckRows> recheck_rounded_rows(const Weights& weights, const Standing& tokens,
                                                  Arithmetic arithmetic) {
  return std::make_unique<RoundedRows>(weights, tokens, arithmetic);
}

}  // namespace separatrix

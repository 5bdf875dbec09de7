#include "separatrix/proofs/model_size.h"

#include <algorithm>
#include <cmath>

#include "separatrix/bounds/one_layer/evidence.h"
#include "separatrix/bounds/one_layer/inequality.h"
#include "separatrix/nn/plain_attention.h"
#include "separatrix/proofs/one_layer.h"

namespace separatrix {
namespace {

constexpr double kRounding = 0x1p-40;  ///< of a sum of up to 2^12 products of doubles, relative
constexpr double kNormEpsilon = double(1e-5F);
constexpr double kGeluSlope = 1.13;             ///< sup |gelu'| = 1.1289..
constexpr double kMaxScorePairs = 0x1p31;       ///< above: |<q, k>| <= |q| |k| instead
constexpr std::size_t kMaxClassPairs = 1 << 9;  ///< classes; above: twice the largest column

/// A vector and how far each entry may be from the true one.
struct Enclosed {
  std::vector<double> value, error;
  explicit Enclosed(std::size_t n) : value(n), error(n) {}
};

Matrix part(const Weights& weights, const std::string& name, Index rows) {
  return to_matrix(weights[name], rows);
}

/// x W, the roundings of the sums included.
Enclosed times(const Enclosed& x, const Matrix& w) {
  Enclosed y{std::size_t(w.cols)};
  for (Index d = 0; d < w.rows; ++d) {
    const double a = x.value[std::size_t(d)], e = x.error[std::size_t(d)];
    for (Index i = 0; i < w.cols; ++i) {
      y.value[std::size_t(i)] += a * w(d, i);
      y.error[std::size_t(i)] += (kRounding * std::abs(a) + e) * std::abs(w(d, i));
    }
  }
  return y;
}

/// The first layer's input for a token at a position: its embedding through the norm.
class Inputs {
 public:
  explicit Inputs(const Weights& weights)
      : spec_(weights.spec),
        embedding_(part(weights, "embedding", spec_.vocab_size)),
        positions_(spec_.positions == "learned" ? part(weights, "positions", spec_.max_length)
                                                : Matrix()) {
    if (spec_.norm == "none") return;
    gain_ = weights["layers.0.norm.gain"];
    if (spec_.norm == "layer") bias_ = weights["layers.0.norm.bias"];
  }

  Enclosed operator()(Index token, Index position) const {
    const Index D = spec_.d_model;
    Enclosed x{std::size_t(D)};
    double largest = 0, mean = 0, power = 0;
    for (Index d = 0; d < D; ++d) {
      const double a = embedding_(token, d) + (positions_.rows > 0 ? positions_(position, d) : 0.0);
      x.value[std::size_t(d)] = a;
      largest = std::max(largest, std::abs(a));
      mean += a / double(D);
    }
    if (spec_.norm == "none") return x;  // a sum of two floats: its rounding is part of kRounding
    for (double& a : x.value) {
      if (spec_.norm == "layer") a -= mean;
      power += a * a / double(D);
    }
    const double deviation = std::sqrt(power + kNormEpsilon);
    for (std::size_t d = 0; d < x.value.size(); ++d) {
      x.value[d] =
          x.value[d] / deviation * double(gain_[d]) + (bias_.empty() ? 0.0 : double(bias_[d]));
      // Every step above is right to a small multiple of 2^-53 (largest / deviation).
      x.error[d] = kRounding * ((1 + 2 * largest / deviation) * std::abs(double(gain_[d])) +
                                std::abs(x.value[d]));
    }
    return x;
  }

 private:
  const ModelSpec& spec_;
  Matrix embedding_, positions_;
  std::span<const float> gain_, bias_;
};

double largest(const Enclosed& x) {
  double out = 0;
  for (std::size_t i = 0; i < x.value.size(); ++i)
    out = std::max(out, std::abs(x.value[i]) + x.error[i]);
  return out;
}

/// Upper bound of the Euclidean norm of one head's slice.
double head_norm(const Enclosed& x, Index head, Index width) {
  double power = 0;
  for (Index i = head * width; i < (head + 1) * width; ++i) {
    const double a = std::abs(x.value[std::size_t(i)]) + x.error[std::size_t(i)];
    power += a * a;
  }
  return std::sqrt(power) * (1 + kRounding);
}

/// Upper bound of |<q, k>| of one head, by the product itself.
double head_score(const Enclosed& q, const Enclosed& k, Index head, Index width) {
  double sum = 0, error = 0;
  for (Index i = head * width; i < (head + 1) * width; ++i) {
    const auto at = std::size_t(i);
    const double a = q.value[at], b = k.value[at];
    sum += a * b;
    error += kRounding * std::abs(a * b) + std::abs(a) * k.error[at] +
             q.error[at] * (std::abs(b) + k.error[at]);
  }
  return std::abs(sum) + error;
}

struct Heads {
  Index n = 1, key_width = 0, value_width = 0;
  double scale = 1;
};

/// Fills V and S of `numbers`.
void measure_attention(const Weights& weights, const Heads& heads, Index n_tokens,
                       OneLayerNumbers& numbers) {
  const ModelSpec& spec = weights.spec;
  const Index D = spec.d_model;
  const Matrix q = part(weights, "layers.0.attention.q", D);
  const Matrix k = part(weights, "layers.0.attention.k", D);
  const Matrix v = part(weights, "layers.0.attention.v", D);
  const Inputs inputs(weights);
  std::vector<Enclosed> queries;
  for (Index token = 0; token < spec.vocab_size; ++token)
    queries.push_back(times(inputs(token, n_tokens - 1), q));
  const bool by_pairs = double(queries.size()) * double(queries.size()) * double(n_tokens) *
                            double(heads.n * heads.key_width) <=
                        kMaxScorePairs;
  std::vector<double> query_norm(std::size_t(heads.n));
  for (const Enclosed& query : queries)
    for (Index h = 0; h < heads.n; ++h) {
      double& norm = query_norm[std::size_t(h)];
      norm = std::max(norm, head_norm(query, h, heads.key_width));
    }
  double value = 0, score = 0;
  for (Index t = 0; t < n_tokens; ++t)
    for (Index token = 0; token < spec.vocab_size; ++token) {
      const Enclosed x = inputs(token, t);
      value = std::max(value, largest(times(x, v)));
      const Enclosed key = times(x, k);
      for (Index h = 0; h < heads.n; ++h) {
        const double most = query_norm[std::size_t(h)] * head_norm(key, h, heads.key_width);
        if (most <= score) continue;
        if (!by_pairs) {
          score = most;
          continue;
        }
        for (const Enclosed& query : queries)
          score = std::max(score, head_score(query, key, h, heads.key_width));
      }
    }
  numbers.value = value;
  numbers.score = score * heads.scale * (1 + kRounding);
}

/// How the residual stream moves when every head output moves by at most 1: by o M for the o that
/// moved (M [H d_v, D]), and by at most `rest` [D] beyond that.
struct Movement {
  Matrix linear;
  std::vector<double> rest;
};

/// |M w|_1 down column `column` of w, roundings included: sum_i |sum_d M_id w_d| + rest.
double reach(const Movement& m, const std::vector<double>& w) {
  double out = 0;
  for (Index i = 0; i < m.linear.rows; ++i) {
    double sum = 0, size = 0;
    for (Index d = 0; d < m.linear.cols; ++d) {
      const double term = m.linear(i, d) * w[std::size_t(d)];
      sum += term;
      size += std::abs(term);
    }
    out += std::abs(sum) + kRounding * size;
  }
  for (std::size_t d = 0; d < w.size(); ++d) out += m.rest[d] * std::abs(w[d]);
  return out * (1 + kRounding);
}

std::vector<double> column(const Matrix& m, Index j) {
  std::vector<double> out(std::size_t(m.rows));
  for (Index i = 0; i < m.rows; ++i) out[std::size_t(i)] = m(i, j);
  return out;
}

/// Through a norm: its derivative is at most |gain| / sqrt(eps) in the Euclidean norm.
void pass_norm(Movement& m, std::span<const float> gain) {
  double power = 0;
  for (Index d = 0; d < m.linear.cols; ++d) {
    double moved = m.rest[std::size_t(d)];
    for (Index i = 0; i < m.linear.rows; ++i) moved += std::abs(m.linear(i, d));
    power += moved * moved;
  }
  const double most = std::sqrt(power / kNormEpsilon) * (1 + kRounding);
  std::fill(m.linear.data.begin(), m.linear.data.end(), 0.0);
  for (std::size_t d = 0; d < m.rest.size(); ++d) m.rest[d] = most * std::abs(double(gain[d]));
}

/// x (+)= f(norm(x) W_in) W_out with |f'| <= slope.
void pass_mlp(Movement& m, const Weights& weights, std::size_t layer, double slope) {
  const std::string prefix = "layers." + std::to_string(layer) + ".";
  const ModelSpec& spec = weights.spec;
  const Matrix in = part(weights, prefix + "mlp.in", spec.d_model);
  const Matrix out = part(weights, prefix + "mlp.out", in.cols);
  Movement normed = m;
  if (spec.norm != "none") pass_norm(normed, weights[prefix + "norm.gain"]);
  if (!spec.layers[layer].residual) {
    std::fill(m.linear.data.begin(), m.linear.data.end(), 0.0);
    std::fill(m.rest.begin(), m.rest.end(), 0.0);
  }
  for (Index j = 0; j < in.cols; ++j) {
    const double hidden = slope * reach(normed, column(in, j));
    for (Index d = 0; d < out.cols; ++d) m.rest[std::size_t(d)] += hidden * std::abs(out(j, d));
  }
}

/// Largest movement of a difference of two logits.
double logit_reach(const Movement& m, const Matrix& head) {
  double most = 0;
  const auto n = std::size_t(head.cols);
  for (std::size_t a = 0; a < n; ++a) {
    const std::vector<double> first = column(head, Index(a));
    if (n > kMaxClassPairs) {
      most = std::max(most, 2 * reach(m, first));
      continue;
    }
    for (std::size_t b = 0; b < a; ++b) {
      std::vector<double> difference = column(head, Index(b));
      for (std::size_t d = 0; d < first.size(); ++d) difference[d] = first[d] - difference[d];
      most = std::max(most, reach(m, difference));
    }
  }
  return most;
}

/// Slope of an MLP's activation; nullopt where it has no bound (a product of two inputs).
std::optional<double> slope_of(const LayerSpec& layer) {
  const std::string activation = layer.config.value("activation", std::string("gelu"));
  if (activation == "relu") return 1.0;
  if (activation == "gelu") return kGeluSlope;
  return std::nullopt;
}

/// What keeps the model from being one attention layer followed by MLPs; empty: nothing.
std::string obstacle(const ModelSpec& spec) {
  if (spec.layers.empty() || spec.layers.front().block != "attention")
    return "its first layer is not attention";
  if (const auto beyond = beyond_plain_attention(spec.layers.front().config); !beyond.empty())
    return beyond;
  for (std::size_t i = 1; i < spec.layers.size(); ++i) {
    const LayerSpec& layer = spec.layers[i];
    if (layer.block == "attention") return "it has more than one attention layer";
    if (layer.block != "mlp") return "no bound on the steepness of '" + layer.block + "' is known";
    if (!slope_of(layer)) return "the activation of its MLP has no bound on its steepness";
  }
  return {};
}

OneLayerNumbers measure_one_layer(const Weights& weights, Index n_tokens) {
  const ModelSpec& spec = weights.spec;
  const Json& config = spec.layers.front().config;
  Heads heads;
  heads.n = config.value("n_heads", Index{1});
  heads.key_width = Index(weights["layers.0.attention.q"].size()) / spec.d_model / heads.n;
  heads.value_width = Index(weights["layers.0.attention.v"].size()) / spec.d_model / heads.n;
  heads.scale = attention_scale(config, heads.key_width);
  OneLayerNumbers numbers;
  numbers.heads = heads.n;
  numbers.value_width = heads.value_width;
  measure_attention(weights, heads, n_tokens, numbers);

  Movement m{part(weights, "layers.0.attention.o", heads.n * heads.value_width),
             std::vector<double>(std::size_t(spec.d_model))};
  for (std::size_t i = 1; i < spec.layers.size(); ++i)
    pass_mlp(m, weights, i, *slope_of(spec.layers[i]));
  if (spec.norm != "none") pass_norm(m, weights["norm.gain"]);
  numbers.lipschitz = logit_reach(m, part(weights, "head", spec.d_model));
  // The same logits for every class, or one class only: any number is large enough.
  if (numbers.lipschitz == 0) numbers.lipschitz = 1;
  return numbers;
}

}  // namespace

ModelSize measure_size(const Weights& weights, const Registry<Block>& blocks, Index n_tokens) {
  ModelSize size;
  size.state_bits = state_bits(weights.spec, blocks);
  if (size.state_bits) return size;
  size.why_not = obstacle(weights.spec);
  for (const float w : weights.values)
    if (!std::isfinite(w)) size.why_not = "a weight is not finite";
  if (size.why_not.empty()) size.one_layer = measure_one_layer(weights, n_tokens);
  return size;
}

std::optional<double> excluded_margin(const OneLayerNumbers& numbers, const BoundRequest& request,
                                      const Bound& bound) {
  const one_layer::OneLayerClaim claim{.arithmetic = one_layer::OneLayerArithmetic::margin,
                                       .tokens = one_layer::one_layer_tokens(request),
                                       .answer_bits = 1,
                                       .needed = bound.inequality->needed,
                                       .partition = {}};
  const auto possible = [&](double margin) {
    OneLayerNumbers with(numbers);
    with.margin = margin;
    return one_layer::one_layer_inequality(with, claim).satisfied.value_or(true);
  };
  double low = 1e-300, high = 1e300;  // the left side falls as the margin grows
  if (possible(high) || !possible(low)) return std::nullopt;
  while (high > low * 1.001) {
    const double middle = std::sqrt(low) * std::sqrt(high);
    (possible(middle) ? low : high) = middle;
  }
  return high;
}

}  // namespace separatrix

#include <algorithm>

#include "separatrix/proofs/intervals_recheck_network.h"
#include "separatrix/proofs/recheck.h"

// The blocks as docs/format.md writes them.

namespace separatrix::intervals_recheck {
namespace {

class Attention final : public Layer {
 public:
  Attention(const Json& config, const Weights& weights, const std::string& prefix)
      : D_(weights.spec.d_model),
        H_(config.value("n_heads", Index{1})),
        K_(config.value("d_head", Index{0})),
        U_(config.value("d_value", Index{0})),
        causal_(config.value("causal", true)),
        divided_(config.value("scale", std::string("sqrt")) == "sqrt") {
    if (K_ == 0) K_ = D_ / H_;
    if (U_ == 0) U_ = K_;
    q_ = {weights[prefix + "q"], H_ * K_};
    k_ = {weights[prefix + "k"], H_ * K_};
    v_ = {weights[prefix + "v"], H_ * U_};
    o_ = {weights[prefix + "o"], D_};
  }

  bool mixes() const override { return true; }

  Rows run(const Calculus& calculus, const Rows& x, Index first) const override {
    Rows y(x.size());
    const Rows keys = project(calculus, x, k_), values = project(calculus, x, v_);
    for (auto t = std::size_t(first); t < x.size(); ++t) {
      const std::vector<Number> query = project(calculus, {x[t]}, q_).front();
      const std::size_t seen = causal_ ? t + 1 : x.size();
      std::vector<Number> context;
      for (Index h = 0; h < H_; ++h) {
        const auto shares = softmax(calculus, scores(calculus, query, keys, h, seen));
        for (Index u = h * U_; u < (h + 1) * U_; ++u) {
          std::vector<Number> column;
          for (std::size_t j = 0; j < seen; ++j) column.push_back(values[j][std::size_t(u)]);
          context.push_back(calculus.average(shares, column));
        }
      }
      for (Index d = 0; d < D_; ++d) y[t].push_back(affine(calculus, context, o_, d));
    }
    return y;
  }

 private:
  static Rows project(const Calculus& calculus, const Rows& x, const Matrix& w) {
    Rows out;
    for (const auto& row : x) {
      out.emplace_back();
      for (Index j = 0; j < w.cols; ++j) out.back().push_back(affine(calculus, row, w, j));
    }
    return out;
  }

  std::vector<Number> scores(const Calculus& calculus, const std::vector<Number>& query,
                             const Rows& keys, Index h, std::size_t seen) const {
    std::vector<Number> out;
    const Number root = calculus.apply(Function::sqrt, Number::point(Real(K_)));
    const Number scale = calculus.apply(Function::reciprocal, root);
    for (std::size_t j = 0; j < seen; ++j) {
      std::vector<Number> products;
      for (Index i = h * K_; i < (h + 1) * K_; ++i)
        products.push_back(calculus.product(query[std::size_t(i)], keys[j][std::size_t(i)]));
      std::vector<Term> terms;
      terms.reserve(products.size());
      for (const Number& product : products) terms.push_back({1, &product});
      Number score = calculus.sum(terms);
      out.push_back(divided_ ? calculus.product(score, scale) : std::move(score));
    }
    return out;
  }

  /// Share j is 1 / sum_k e^(score_k - score_j).
  static std::vector<Number> softmax(const Calculus& calculus, const std::vector<Number>& score) {
    std::vector<Number> shares;
    for (std::size_t j = 0; j < score.size(); ++j) {
      std::vector<Number> others;
      for (std::size_t k = 0; k < score.size(); ++k) {
        if (k == j) continue;
        const Term difference[] = {{1, &score[k]}, {-1, &score[j]}};
        others.push_back(calculus.apply(Function::exp, calculus.sum(difference)));
      }
      std::vector<Term> terms;
      terms.reserve(others.size());
      for (const Number& other : others) terms.push_back({1, &other});
      Number sum = calculus.sum(terms, 1);
      sum.range.lo = std::max(sum.range.lo, 1.0L);
      shares.push_back(calculus.apply(Function::reciprocal, sum));
    }
    return shares;
  }

  Index D_, H_, K_, U_;
  bool causal_, divided_;
  Matrix q_, k_, v_, o_;
};

class Mlp final : public Layer {
 public:
  Mlp(const Json& config, const Weights& weights, const std::string& prefix)
      : activation_(config.value("activation", std::string("gelu"))) {
    Index F = config.value("d_ff", Index{0});
    if (F == 0) F = 4 * weights.spec.d_model;
    in_ = {weights[prefix + "in"], F};
    out_ = {weights[prefix + "out"], weights.spec.d_model};
    if (activation_ == "swiglu") gate_ = {weights[prefix + "gate"], F};
    if (!config.value("bias", true)) return;
    in_bias_ = weights[prefix + "in_bias"];
    out_bias_ = weights[prefix + "out_bias"];
  }

  bool mixes() const override { return false; }

  Rows run(const Calculus& calculus, const Rows& x, Index first) const override {
    Rows y(x.size());
    for (auto t = std::size_t(first); t < x.size(); ++t) {
      std::vector<Number> hidden;
      for (Index f = 0; f < in_.cols; ++f) {
        const Number a = affine(calculus, x[t], in_, f, in_bias_);
        hidden.push_back(activation_ == "swiglu" ? gated(calculus, x[t], f, a)
                                                 : activated(calculus, a));
      }
      for (Index d = 0; d < out_.cols; ++d)
        y[t].push_back(affine(calculus, hidden, out_, d, out_bias_));
    }
    return y;
  }

 private:
  Number activated(const Calculus& calculus, const Number& a) const {
    if (activation_ == "relu") return calculus.apply(Function::relu, a);
    const Number two = calculus.apply(Function::sqrt, Number::point(2));
    const Number erf = calculus.apply(
        Function::erf, calculus.product(a, calculus.apply(Function::reciprocal, two)));
    const Term half[] = {{0.5L, &erf}};
    return calculus.product(a, calculus.sum(half, 0.5L));  // a Phi(a)
  }
  Number gated(const Calculus& calculus, const std::vector<Number>& x, Index f,
               const Number& a) const {
    const Number gate = affine(calculus, x, gate_, f);
    const Number silu = calculus.product(gate, calculus.apply(Function::sigmoid, gate));
    return calculus.product(silu, a);
  }

  std::string activation_;
  Matrix in_, gate_, out_;
  std::span<const float> in_bias_, out_bias_;
};

/// What the recurrent layers share: x_t W + h_{t-1} V + b, column j.
Number pre_activation(const Calculus& calculus, std::span<const Number> x, const Matrix& w,
                      std::span<const Number> h, const Matrix& v, Index j, Real bias) {
  std::vector<Term> terms;
  for (std::size_t i = 0; i < x.size(); ++i) terms.push_back({w.at(Index(i), j), &x[i]});
  for (std::size_t i = 0; i < h.size(); ++i) terms.push_back({v.at(Index(i), j), &h[i]});
  return calculus.sum(terms, bias);
}

class Lstm final : public Layer {
 public:
  Lstm(const Json& config, const Weights& weights, const std::string& prefix)
      : D_(weights.spec.d_model),
        forget_bias_(float(config.value("forget_bias", 0.0))),
        ih_{weights[prefix + "w_ih"], 4 * D_},
        hh_{weights[prefix + "w_hh"], 4 * D_},
        bias_(weights[prefix + "bias"]) {}

  bool mixes() const override { return true; }

  Rows run(const Calculus& calculus, const Rows& x, Index /*first*/) const override {
    std::vector<Number> cell(std::size_t(D_), Number::point(0)), h;
    Rows y;
    for (const auto& row : x) {
      const auto gate = [&](Index which, Index d, Function f) {
        const Index j = which * D_ + d;
        const Number bias = Number::point(bias_[std::size_t(j)]);
        const Term self[] = {{1, &bias}};
        Number a = pre_activation(calculus, row, ih_, h, hh_, j, 0);
        const Number b = calculus.sum(self, which == 1 ? forget_bias_ : 0);
        const Term both[] = {{1, &a}, {1, &b}};
        return calculus.apply(f, calculus.sum(both));
      };
      std::vector<Number> next;
      for (Index d = 0; d < D_; ++d) {
        Number& c = cell[std::size_t(d)];
        const Number kept = calculus.product(gate(1, d, Function::sigmoid), c);
        const Number fresh =
            calculus.product(gate(0, d, Function::sigmoid), gate(2, d, Function::tanh));
        const Term both[] = {{1, &kept}, {1, &fresh}};
        c = calculus.sum(both);
        next.push_back(
            calculus.product(gate(3, d, Function::sigmoid), calculus.apply(Function::tanh, c)));
      }
      h = std::move(next);
      y.push_back(h);
    }
    return y;
  }

 private:
  Index D_;
  Real forget_bias_;
  Matrix ih_, hh_;
  std::span<const float> bias_;
};

class Rnn final : public Layer {
 public:
  Rnn(const Json& config, const Weights& weights, const std::string& prefix)
      : relu_(config.value("activation", std::string("tanh")) == "relu"),
        bits_(config.value("state_format", std::string("float32")) == "bit"),
        w_x_{weights[prefix + "w_x"], weights.spec.d_model},
        w_h_{weights[prefix + "w_h"], weights.spec.d_model},
        bias_(weights[prefix + "bias"]) {}

  bool mixes() const override { return true; }

  Rows run(const Calculus& calculus, const Rows& x, Index /*first*/) const override {
    std::vector<Number> h;
    Rows y;
    for (const auto& row : x) {
      std::vector<Number> next;
      for (Index d = 0; d < w_x_.cols; ++d) {
        const Number a =
            pre_activation(calculus, row, w_x_, h, w_h_, d, Real(bias_[std::size_t(d)]));
        Number state = calculus.apply(relu_ ? Function::relu : Function::tanh, a);
        next.push_back(bits_ ? calculus.apply(Function::to_bit, state) : std::move(state));
      }
      h = std::move(next);
      y.push_back(h);
    }
    return y;
  }

 private:
  bool relu_, bits_;
  Matrix w_x_, w_h_;
  std::span<const float> bias_;
};

}  // namespace

bool is_known(const LayerSpec& spec) {
  const std::string format = spec.config.value("state_format", std::string("float32"));
  if (spec.block == "lstm") return format == "float32";
  if (spec.block == "rnn") return format == "float32" || format == "bit";
  if (spec.block == "attention") return unlike_plain_attention(spec.config).empty();
  return spec.block == "mlp";
}

std::unique_ptr<Layer> make_layer(const LayerSpec& spec, const Weights& weights,
                                  const std::string& prefix) {
  if (!is_known(spec)) return nullptr;
  if (spec.block == "attention") return std::make_unique<Attention>(spec.config, weights, prefix);
  if (spec.block == "mlp") return std::make_unique<Mlp>(spec.config, weights, prefix);
  if (spec.block == "lstm") return std::make_unique<Lstm>(spec.config, weights, prefix);
  return std::make_unique<Rnn>(spec.config, weights, prefix);
}

}  // namespace separatrix::intervals_recheck

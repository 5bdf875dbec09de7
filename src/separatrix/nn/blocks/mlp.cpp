#include <cmath>
#include <string>
#include <type_traits>

#include "separatrix/kernels/kernels.h"
#include "separatrix/nn/blocks/plain_math.h"
#include "separatrix/nn/buffer.h"

namespace separatrix {
namespace {

struct MlpConfig {
  Index d_ff = 0;
  std::string activation = "gelu";
  bool bias = true;
};
template <class V>
void visit(V& v, MlpConfig& c) {
  v("d_ff", c.d_ff, "hidden width; 0 = 4 d_model");
  v("activation", c.activation, "gelu (exact), relu or swiglu");
  v("bias", c.bias, "add a bias to the hidden and the output layer");
}

/// y = f(x in + in_bias) out + out_bias at every position; for swiglu the hidden layer is silu(x
/// gate) (x in + in_bias). Cached per live row: the activated hidden layer, and f' (for swiglu the
/// two factors). See docs/derivations/mlp.md.
class Mlp final : public Plain<Mlp> {
 public:
  using Config = MlpConfig;
  explicit Mlp(Config config) : config_(std::move(config)) {}

  Mixing mixing() const override { return Mixing::pointwise; }
  std::vector<ParamSpec> params(Index D) const override;
  Index cache_size(Shape s) const override { return lay_out<Cache>(s.rows(), s.D, nullptr).end; }
  Index scratch_size(Shape s) const override {
    return lay_out<Scratch>(s.rows(), s.D, nullptr).end;
  }
  void forward(Shape s, Live live, const float* x, float* y, Slots slots) const override;
  void backward(Shape s, Live live, const float* x, const float* dy, float* dx,
                Slots slots) const override;

 private:
  friend Plain<Mlp>;
  /// Where each parameter starts, in the order of params(); null where there is none.
  template <class T>
  struct Parameters {
    T *in = nullptr, *in_bias = nullptr, *gate = nullptr, *out = nullptr, *out_bias = nullptr;
  };
  /// n live rows, compact. `slope` is f' of the pre-activation, for swiglu the pre-activation x in.
  struct Cache {
    float *hidden = nullptr, *slope = nullptr, *gate = nullptr;  ///< [n, F]
    Index end = 0;
  };
  struct Scratch {
    float *x = nullptr, *y = nullptr;            ///< [n, D], the live rows where not all are
    float *dhidden = nullptr, *dgate = nullptr;  ///< [n, F]
    Index end = 0;
  };

  bool gated() const { return config_.activation == "swiglu"; }
  Activation function() const {
    return config_.activation == "relu" ? Activation::relu : Activation::gelu;
  }
  Index hidden_width(Index D) const { return config_.d_ff == 0 ? 4 * D : config_.d_ff; }

  template <class T>
  Parameters<T> split(T* w, Index D) const {
    const Index F = hidden_width(D);
    Parameters<T> p;
    const auto take = [&w](Index n) {
      T* at = w;
      w += n;
      return at;
    };
    p.in = take(D * F);
    if (config_.bias) p.in_bias = take(F);
    if (gated()) p.gate = take(D * F);
    p.out = take(F * D);
    if (config_.bias) p.out_bias = take(D);
    return p;
  }
  template <class Memory>
  Memory lay_out(Index n, Index D, float* base) const {
    const Index F = hidden_width(D);
    Memory m;
    if constexpr (std::is_same_v<Memory, Cache>) {
      m.hidden = slice(base, m.end, n * F);
      m.slope = slice(base, m.end, n * F);
      if (gated()) m.gate = slice(base, m.end, n * F);
    } else {
      m.x = slice(base, m.end, n * D);
      m.y = slice(base, m.end, n * D);
      m.dhidden = slice(base, m.end, n * F);
      if (gated()) m.dgate = slice(base, m.end, n * F);
    }
    return m;
  }

  template <class S>
  void run(std::span<const double> w, View<const S, 2> x, View<S, 2> y, Index first) const;

  Config config_;
};

std::vector<ParamSpec> Mlp::params(Index D) const {
  if (config_.activation != "gelu" && config_.activation != "relu" && !gated())
    throw Error(ErrorKind::spec, "unknown activation '" + config_.activation + "'", "activation",
                did_you_mean(config_.activation, {"gelu", "relu", "swiglu"}));
  if (config_.d_ff < 0)
    throw Error(ErrorKind::spec, "d_ff must not be negative", "d_ff",
                "use 0 for four times the model width");
  const Index F = hidden_width(D);
  const auto uniform = [](const char* name, std::vector<Index> shape, Index fan_in) {
    return ParamSpec{name, std::move(shape), Init::uniform, 1 / std::sqrt(double(fan_in))};
  };
  std::vector<ParamSpec> list = {uniform("in", {D, F}, D)};
  if (config_.bias) list.push_back(uniform("in_bias", {F}, D));
  if (gated()) list.push_back(uniform("gate", {D, F}, D));
  list.push_back(uniform("out", {F, D}, F));
  if (config_.bias) list.push_back(uniform("out_bias", {D}, F));
  for (ParamSpec& param : list)
    param.role = param.name == "out"       ? ParamRole::output
                 : param.shape.size() == 2 ? ParamRole::matrix
                                           : ParamRole::bias;
  return list;
}

void Mlp::forward(Shape s, Live live, const float* x, float* y, Slots slots) const {
  const Index D = s.D, F = hidden_width(D), n = live.count(s);
  const auto p = split(slots.w, D);
  const auto cache = lay_out<Cache>(n, D, slots.cache);
  const auto scratch = lay_out<Scratch>(n, D, slots.scratch);
  const Rows rows{n, live.rows.data()};
  if (!live.all()) gather_rows(rows, D, x, scratch.x);
  const float* in = live.all() ? x : scratch.x;
  float* out = live.all() ? y : scratch.y;

  gemm({.M = n, .N = F, .K = D}, in, D, p.in, F, cache.slope, F);
  if (gated()) {
    if (p.in_bias != nullptr) add_bias(n, F, p.in_bias, cache.slope);
    gemm({.M = n, .N = F, .K = D}, in, D, p.gate, F, cache.gate, F);
    swiglu(n * F, cache.gate, cache.slope, cache.hidden);
  } else {
    bias_activation(function(), n, F, p.in_bias, cache.slope, cache.hidden);
  }
  gemm({.M = n, .N = D, .K = F}, cache.hidden, F, p.out, D, out, D);
  if (p.out_bias != nullptr) add_bias(n, D, p.out_bias, out);
  if (!live.all()) scatter_rows(rows, D, out, y);
}

void Mlp::backward(Shape s, Live live, const float* x, const float* dy, float* dx,
                   Slots slots) const {
  const Index D = s.D, F = hidden_width(D), n = live.count(s);
  const auto p = split(slots.w, D);
  const auto dp = split(slots.dw, D);
  const auto cache = lay_out<Cache>(n, D, slots.cache);
  const auto scratch = lay_out<Scratch>(n, D, slots.scratch);
  const Rows rows{n, live.rows.data()};
  if (!live.all()) {
    gather_rows(rows, D, x, scratch.x);
    gather_rows(rows, D, dy, scratch.y);
  }
  const float* in = live.all() ? x : scratch.x;
  const float* dout = live.all() ? dy : scratch.y;

  if (dp.out_bias != nullptr) column_sums(n, D, dout, dp.out_bias);
  gemm({.M = F, .N = D, .K = n, .a_transposed = true, .accumulate = true}, cache.hidden, F, dout, D,
       dp.out, D);
  gemm({.M = n, .N = F, .K = D, .b_transposed = true}, dout, D, p.out, D, scratch.dhidden, F);
  if (gated())
    swiglu_backward(n * F, cache.gate, cache.slope, scratch.dhidden, scratch.dgate,
                    scratch.dhidden);
  else
    multiply(n * F, cache.slope, scratch.dhidden);

  // From here scratch.dhidden is the gradient of x in + in_bias.
  float* din = live.all() ? dx : scratch.y;
  if (dp.in_bias != nullptr) column_sums(n, F, scratch.dhidden, dp.in_bias);
  const Gemm weights{.M = D, .N = F, .K = n, .a_transposed = true, .accumulate = true};
  gemm(weights, in, D, scratch.dhidden, F, dp.in, F);
  gemm({.M = n, .N = D, .K = F, .b_transposed = true, .accumulate = live.all()}, scratch.dhidden, F,
       p.in, F, din, D);
  if (gated()) {
    gemm(weights, in, D, scratch.dgate, F, dp.gate, F);
    gemm({.M = n, .N = D, .K = F, .b_transposed = true, .accumulate = true}, scratch.dgate, F,
         p.gate, F, din, D);
  }
  if (!live.all()) scatter_add_rows(rows, D, din, dx);
}

/// bias + sum_i x_i w[i, j]. Zero weights are left out: 0 times an unbounded interval is 0.
template <class S>
S affine(const S* x, Index n, const double* w, Index ld, Index j, double bias) {
  S sum(bias);
  for (Index i = 0; i < n; ++i)
    if (w[i * ld + j] != 0) sum += x[i] * w[i * ld + j];
  return stored(sum);
}

template <class S>
void Mlp::run(std::span<const double> w, View<const S, 2> x, View<S, 2> y, Index first) const {
  const Index T = x.extent[0], D = x.extent[1], F = hidden_width(D);
  const auto p = split(w.data(), D);
  const auto bias = [&](const double* values, Index j) { return config_.bias ? values[j] : 0.0; };
  std::vector<S> hidden(std::size_t(F), S(0));
  for (Index t = first; t < T; ++t) {
    const S* in = x.data + t * D;
    for (Index f = 0; f < F; ++f) {
      const S a = affine(in, D, p.in, F, f, bias(p.in_bias, f));
      S& h = hidden[std::size_t(f)];
      if (p.gate != nullptr) {
        const S g = affine(in, D, p.gate, F, f, 0.0);
        h = stored(g * sigmoid(g) * a);
      } else {
        h = config_.activation == "relu" ? relu(a) : stored(gelu(a));
      }
    }
    for (Index d = 0; d < D; ++d)
      y(t, d) = affine(hidden.data(), F, p.out, D, d, bias(p.out_bias, d));
  }
}

}  // namespace

void register_mlp(Registry<Block>& blocks) {
  blocks.add<Mlp>("mlp", "two linear layers with an activation between, at every position");
}

}  // namespace separatrix

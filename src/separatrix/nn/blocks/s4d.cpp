#include <algorithm>
#include <cmath>
#include <numbers>

#include "separatrix/base/rng.h"
#include "separatrix/nn/blocks/diagonal_system.h"
#include "separatrix/nn/blocks/step_sizes.h"
#include "separatrix/nn/buffer.h"

namespace separatrix {
namespace {

struct S4dConfig : DiagonalConfig {
  Index d_state = 64;
};
template <class V>
void visit(V& v, S4dConfig& c) {
  visit_diagonal(v, c);
  v("d_state", c.d_state, "states per channel, conjugates included: d_state / 2 complex modes");
}

/// Diagonal state space model, S4D-Lin. Per channel, with M = d_state / 2 complex modes n:
///   A_n = -exp(log_A_real) + i A_imag,  dt = exp(log_dt)           A [D, M], dt [D]
///   s_t[n] = e^{dt A_n} s_{t-1}[n] + (e^{dt A_n} - 1) / A_n x_t
///   y_t = 2 Re sum_n C_n s_t[n] + D x_t                            C [D, M, 2]: re, im
/// which is also y = K * x + D x with K_l = 2 Re sum_n C_n (e^{dt A_n} - 1) / A_n e^{dt A_n l}.
///   (v_t, g_t) = gelu(y_t) W + b                                   W [D, 2D], b [2D]
///   output = v_t * sigmoid(g_t)
/// Carried, and rounded to the state format: s, real and imaginary parts.
/// [gu2022; derivation in docs/derivations/s4d.md]
class S4d final : public Plain<S4d, RecurrentBlock> {
 public:
  using Config = S4dConfig;
  explicit S4d(const Config& config) : M_(config.d_state / 2), system_(config) {
    if (config.d_state < 2 || config.d_state % 2 != 0)
      throw Error(ErrorKind::spec, "d_state must be even and at least 2", "d_state",
                  "states come in conjugate pairs; use 64");
  }

  std::vector<ParamSpec> params(Index D) const override;
  Index state_size(Index D) const override { return system_.state_size(D, M_); }
  Index state_bits(Index D) const override { return system_.format().bits() * state_size(D); }
  Index lockstep() const override { return 16; }
  Index cache_size(Shape s) const override { return Cache(*this, s, s.rows(), nullptr).end; }
  Index scratch_size(Shape s) const override { return Scratch(*this, s, s.rows(), nullptr).end; }
  double flops(Shape s, Live outputs) const override {
    return system_.flops(s, M_, outputs) + 4 * double(s.D * s.D) * double(outputs.count(s));
  }

  void forward(Shape s, Live live, const float* x, float* y, Slots m) const override;
  void backward(Shape s, Live live, const float* x, const float* dy, float* dx,
                Slots m) const override;
  void step(Index D, const float* w, float* state, const float* x, float* y) const override;

 private:
  friend Plain<S4d, RecurrentBlock>;

  template <class T>
  struct Tensors {
    T *log_A_real, *A_imag, *log_dt, *C, *D, *output, *output_bias;
    Tensors(T* w, Index width, Index M) {
      const auto take = [&w](Index n) {
        T* at = w;
        w += n;
        return at;
      };
      log_A_real = take(width * M);
      A_imag = take(width * M);
      log_dt = take(width);
      C = take(2 * width * M);
      D = take(width);
      output = take(2 * width * width);
      output_bias = take(2 * width);
    }
  };
  struct Cache {  // n live rows, compact
    float *system, *slope, *activated, *glu;
    Index end = 0;
    Cache(const S4d& block, Shape s, Index n, float* base) {
      system = slice(base, end, block.system_.cache_size(s, block.M_));
      slope = slice(base, end, n * s.D);
      activated = slice(base, end, n * s.D);
      glu = slice(base, end, 2 * n * s.D);
    }
  };
  struct Scratch {
    float *system, *out, *dy;
    Index end = 0;
    Scratch(const S4d& block, Shape s, Index n, float* base) {
      system = slice(base, end, block.system_.scratch_size(s, block.M_));
      out = slice(base, end, n * s.D);
      dy = slice(base, end, n * s.D);
    }
  };

  template <class S, class T>
  static S step_size(const Tensors<T>& w, Index i) {
    return constant<S>([](auto v) { return exp(v); }, double(w.log_dt[i]));
  }
  /// Discretisation of mode n of channel i, at = i M + n: a = e^{dt A}, b = (e^{dt A} - 1) / A,
  /// c = 2 C.
  template <class S, class T>
  Mode<S> mode(const Tensors<T>& w, S dt, Index at) const {
    const Complex<S> A{-constant<S>([](auto v) { return exp(v); }, double(w.log_A_real[at])),
                       S(double(w.A_imag[at]))};
    const Complex<S> a = exp(A * dt);
    const Complex<S> b = Complex<S>{a.re - 1.0, a.im} * reciprocal(A);
    return {a, b, {S(2 * double(w.C[2 * at])), S(2 * double(w.C[2 * at + 1]))}};
  }

  template <class S>
  void run(std::span<const double> w, View<const S, 2> x, View<S, 2> y, Index first) const;

  Index M_;
  DiagonalSystem system_;
};

std::vector<ParamSpec> S4d::params(Index D) const {
  ParamSpec log_A_real{"log_A_real", {D, M_}, Init::drawn}, A_imag{"A_imag", {D, M_}, Init::drawn},
      log_dt{"log_dt", {D}, Init::drawn};
  log_A_real.draw = [](LayerPlace, Rng&, std::span<float> values) {
    std::fill(values.begin(), values.end(), float(std::log(0.5)));
  };
  A_imag.draw = [M = M_](LayerPlace, Rng&, std::span<float> values) {
    for (std::size_t i = 0; i < values.size(); ++i)
      values[i] = float(std::numbers::pi * double(Index(i) % M));
  };
  log_dt.draw = draw_log_dt;
  const double half = std::sqrt(0.5);  // a complex normal number of variance 1
  const double width = 1 / std::sqrt(double(D));
  return {log_A_real,
          A_imag,
          log_dt,
          {"C", {D, M_, 2}, Init::normal, half},
          {"D", {D}, Init::normal, 1},
          {"output_linear", {D, 2 * D}, Init::uniform, width},
          {"output_linear_bias", {2 * D}, Init::uniform, width}};
}

void S4d::forward(Shape s, Live live, const float* x, float* y, Slots m) const {
  const Index D = s.D, n = live.count(s);
  const Tensors<const float> w(m.w, D, M_);
  const Cache c(*this, s, n, m.cache);
  const Scratch k(*this, s, n, m.scratch);
  system_.set_modes(s, M_, c.system, [&](Index i) {
    return [&, i, dt = step_size<double>(w, i)](Index j) { return mode(w, dt, i * M_ + j); };
  });
  system_.forward({s, M_, live, w.D, x, c.system, k.system}, c.slope);
  bias_activation(Activation::gelu, n, D, nullptr, c.slope, c.activated);
  gemm({.M = n, .N = 2 * D, .K = D}, c.activated, D, w.output, 2 * D, c.glu, 2 * D);
  bias_glu(n, D, w.output_bias, c.glu, live.all() ? y : k.out);
  if (!live.all()) scatter_rows({n, live.rows.data()}, D, k.out, y);
}

void S4d::backward(Shape s, Live live, const float* x, const float* dy, float* dx, Slots m) const {
  const Index D = s.D, n = live.count(s);
  const Tensors<const float> w(m.w, D, M_);
  const Tensors<float> dw(m.dw, D, M_);
  const Cache c(*this, s, n, m.cache);
  const Scratch k(*this, s, n, m.scratch);
  if (!live.all()) gather_rows({n, live.rows.data()}, D, dy, k.out);
  bias_glu_backward(n, D, live.all() ? dy : k.out, c.glu);
  column_sums(n, 2 * D, c.glu, dw.output_bias);
  gemm({.M = D, .N = 2 * D, .K = n, .a_transposed = true, .accumulate = true}, c.activated, D,
       c.glu, 2 * D, dw.output, 2 * D);
  gemm({.M = n, .N = D, .K = 2 * D, .b_transposed = true}, c.glu, 2 * D, w.output, 2 * D, k.dy, D);
  multiply(n * D, c.slope, k.dy);
  const DiagonalSystem::Call call{s, M_, live, w.D, x, c.system, k.system};
  system_.backward(call, k.dy, dx, dw.D);
  // A function of z = dt A and A: da/dz = a, b = (a - 1) / A.
  system_.each_gradient(call, [&](Index i) {
    return [&, i, dt = step_size<double>(w, i)](Index j, const Mode<double>& g,
                                                const Mode<double>& z) {
      const Index at = i * M_ + j;
      const Complex<double> A{-std::exp(double(w.log_A_real[at])), double(w.A_imag[at])};
      const Complex<double> inverse = reciprocal(A);
      const Complex<double> dz = conjugate(z.a) * (g.a + conjugate(inverse) * g.b);
      const Complex<double> dA = dz * dt + conjugate(z.b * inverse) * g.b * -1.0;
      dw.log_A_real[at] += float(dA.re * A.re);
      dw.A_imag[at] += float(dA.im);
      dw.log_dt[i] += float(dt * (conjugate(A) * dz).re);
      dw.C[2 * at] += float(2 * g.c.re);
      dw.C[2 * at + 1] += float(2 * g.c.im);
    };
  });
}

void S4d::step(Index D, const float* w, float* state, const float* x, float* y) const {
  const Tensors<const float> p(w, D, M_);
  std::vector<float> activated;
  std::vector<Mode<double>> modes{std::size_t(M_)};
  for (Index i = 0; i < D; ++i) {
    const auto dt = step_size<double>(p, i);
    for (Index n = 0; n < M_; ++n) modes[std::size_t(n)] = mode(p, dt, i * M_ + n);
    float a = system_.step(modes, x[i], state + 2 * M_ * i) + p.D[i] * x[i];
    activation(Activation::gelu, 1, &a, &a);
    activated.push_back(a);
  }
  for (Index j = 0; j < D; ++j) {
    float v = p.output_bias[j], g = p.output_bias[D + j];
    for (Index i = 0; i < D; ++i) {
      v += activated[std::size_t(i)] * p.output[i * 2 * D + j];
      g += activated[std::size_t(i)] * p.output[i * 2 * D + D + j];
    }
    y[j] = v / (1 + std::exp(-g));
  }
}

template <class S>
void S4d::run(std::span<const double> weights, View<const S, 2> x, View<S, 2> y,
              Index /*first*/) const {
  const auto [T, D] = x.extent;
  const Tensors<const double> w(weights.data(), D, M_);
  std::vector<S> states = zeros_of<S>(2 * M_ * D), activated = zeros_of<S>(D);
  std::vector<std::vector<Mode<S>>> modes{std::size_t(D)};
  for (Index i = 0; i < D; ++i)
    for (Index n = 0; n < M_; ++n)
      modes[std::size_t(i)].push_back(mode(w, step_size<S>(w, i), i * M_ + n));
  for (Index t = 0; t < T; ++t) {
    for (Index i = 0; i < D; ++i) {
      const S sum = system_.advance(modes[std::size_t(i)], x(t, i), states.data() + 2 * M_ * i);
      activated[std::size_t(i)] = stored(gelu(stored(sum + x(t, i) * w.D[i])));
    }
    const std::vector<S> vg = product(activated.data(), D, w.output, 2 * D);
    for (Index j = 0; j < D; ++j)
      y(t, j) = stored((vg[std::size_t(j)] + w.output_bias[j]) *
                       sigmoid(vg[std::size_t(D + j)] + w.output_bias[D + j]));
  }
}

}  // namespace

void register_s4d(Registry<Block>& blocks) {
  blocks.add<S4d>("s4d", "diagonal state space model (S4D-Lin); state d_model d_state numbers");
}

}  // namespace separatrix

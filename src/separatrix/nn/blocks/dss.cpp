#include <algorithm>
#include <cmath>

#include "separatrix/base/rng.h"
#include "separatrix/nn/blocks/diagonal_system.h"
#include "separatrix/nn/blocks/hippo.h"
#include "separatrix/nn/blocks/step_sizes.h"
#include "separatrix/nn/buffer.h"

namespace separatrix {
namespace {

struct DssConfig : DiagonalConfig {
  Index d_state = 64;
  std::string kernel = "exp";
  Index length = 0;
};
template <class V>
void visit(V& v, DssConfig& c) {
  visit_diagonal(v, c);
  v("d_state", c.d_state, "complex modes, whose frequencies all channels share");
  v("kernel", c.kernel, "exp, or softmax, which is normalised over `length` positions");
  v("length", c.length,
    "softmax: L, fixed when the model is made; inputs may be shorter or longer");
}

/// Diagonal state space model, DSS. N complex modes n, lambda in C^N shared by the channels; per
/// channel a step size for the real and one for the imaginary parts, dt = exp(log_dt):
///   z_n = dt_re Re lambda_n + i dt_im Im lambda_n        Lambda_re, Lambda_im [N], log_dt [D, 2]
///   exp:      lambda = -exp(Lambda_re) + i Lambda_im,    b_n = (e^{z_n} - 1) / lambda_n
///   softmax:  lambda = Lambda_re + i Lambda_im,          b_n = 1 / (lambda_n sum_{l<L} e^{z_n l})
///   K_l = Re sum_n w_n b_n e^{z_n l}                     W [D, N, 2]: real, imaginary parts of w
///   y = K * x + D x
///   output = gelu(y_t) W_out + bias                      W_out [D, D]
/// K of softmax depends on L = `length`, so models of different L are different functions, and L
/// does not follow the input. Once L is fixed b_n is a constant, and both kernels are those of
///   s_t[n] = e^{z_n} s_{t-1}[n] + b_n x_t,  y_t = Re sum_n w_n s_t[n] + D x_t
/// for all l, also beyond L. Carried, and rounded to the state format: s.
/// [gupta2022; derivation in docs/derivations/dss.md]
class Dss final : public Plain<Dss, RecurrentBlock> {
 public:
  using Config = DssConfig;
  explicit Dss(const Config& config)
      : N_(config.d_state),
        softmax_(config.kernel == "softmax"),
        length_(config.length),
        system_(config) {
    const std::vector<std::string> choices = {"exp", "softmax"};
    if (!contains_name(choices, config.kernel))
      throw Error(ErrorKind::spec, "unknown kernel '" + config.kernel + "'", "kernel",
                  did_you_mean(config.kernel, choices));
    if (N_ < 1) throw Error(ErrorKind::spec, "d_state must be at least 1", "d_state", "use 64");
    if (softmax_ && length_ < 1)
      throw Error(ErrorKind::spec, "the softmax kernel needs a length", "length",
                  "give the number of positions that it is normalised over");
    if (!softmax_ && length_ != 0)
      throw Error(ErrorKind::spec, "the exp kernel has no length", "length", "leave it out");
  }

  std::vector<ParamSpec> params(Index D) const override;
  Index state_size(Index D) const override { return system_.state_size(D, N_); }
  Index state_bits(Index D) const override { return system_.format().bits() * state_size(D); }
  Index lockstep() const override { return 16; }
  Index cache_size(Shape s) const override { return Cache(*this, s, s.rows(), nullptr).end; }
  Index scratch_size(Shape s) const override { return Scratch(*this, s, s.rows(), nullptr).end; }
  double flops(Shape s, Live outputs) const override {
    return system_.flops(s, N_, outputs) + 2 * double(s.D * s.D) * double(outputs.count(s));
  }

  void forward(Shape s, Live live, const float* x, float* y, Slots m) const override;
  void backward(Shape s, Live live, const float* x, const float* dy, float* dx,
                Slots m) const override;
  void step(Index D, const float* w, float* state, const float* x, float* y) const override;

 private:
  friend Plain<Dss, RecurrentBlock>;

  template <class T>
  struct Tensors {
    T *Lambda_re, *Lambda_im, *log_dt, *W, *D, *output, *output_bias;
    Tensors(T* w, Index width, Index N) {
      const auto take = [&w](Index n) {
        T* at = w;
        w += n;
        return at;
      };
      Lambda_re = take(N);
      Lambda_im = take(N);
      log_dt = take(2 * width);
      W = take(2 * width * N);
      D = take(width);
      output = take(width * width);
      output_bias = take(width);
    }
  };
  struct Cache {  // n live rows, compact
    float *system, *slope, *activated;
    Index end = 0;
    Cache(const Dss& block, Shape s, Index n, float* base) {
      system = slice(base, end, block.system_.cache_size(s, block.N_));
      slope = slice(base, end, n * s.D);
      activated = slice(base, end, n * s.D);
    }
  };
  struct Scratch {
    float *system, *out, *dy;
    Index end = 0;
    Scratch(const Dss& block, Shape s, Index n, float* base) {
      system = slice(base, end, block.system_.scratch_size(s, block.N_));
      out = slice(base, end, n * s.D);
      dy = slice(base, end, n * s.D);
    }
  };

  /// b of softmax and what its gradient needs. With r = z, or -z where |e^z| > 1, nothing
  /// overflows:
  ///   b = (e^r - 1) f / ((e^{rL} - 1) lambda),  f = 1, or e^{-z (L-1)} where r = -z.
  /// 1 / p is conj(p) / (|p|^2 + 1e-7), as published.
  template <class S>
  struct Normalised {
    Complex<S> er, erL, numerator, denominator, inverse, f;
    double sign = 1;
    Complex<S> b() const { return numerator * inverse * f; }
  };
  static constexpr double kEpsilon = 1e-7;
  template <class S>
  Normalised<S> normalised(Complex<S> lambda, Complex<S> z, bool growing) const {
    Normalised<S> k;
    const auto power = [&](double n) { return exp(Complex<S>{z.re * n, z.im * n}); };
    const auto less_one = [](Complex<S> v) { return Complex<S>{v.re - 1.0, v.im}; };
    k.sign = growing ? -1 : 1;
    k.er = power(k.sign);
    k.erL = power(k.sign * double(length_));
    k.f = power(growing ? 1 - double(length_) : 0);
    k.numerator = less_one(k.er);
    k.denominator = less_one(k.erL);
    k.inverse = reciprocal(k.denominator * lambda, kEpsilon);
    return k;
  }

  template <class S>
  struct Steps {
    S re{}, im{};
  };
  template <class S, class T>
  static Steps<S> step_sizes(const Tensors<T>& w, Index i) {
    const auto dt = [&](Index k) {
      return constant<S>([](auto v) { return exp(v); }, double(w.log_dt[2 * i + k]));
    };
    return {dt(0), dt(1)};
  }
  template <class S, class T>
  Complex<S> lambda(const Tensors<T>& w, Index n) const {
    const auto re = double(w.Lambda_re[n]);
    return {softmax_ ? S(re) : -constant<S>([](auto v) { return exp(v); }, re),
            S(double(w.Lambda_im[n]))};
  }
  /// Mode n of channel i: a = e^z, b, c = w.
  template <class S, class T>
  Mode<S> mode(const Tensors<T>& w, const Steps<S>& dt, Index i, Index n) const {
    const Complex<S> l = lambda<S>(w, n), z{dt.re * l.re, dt.im * l.im}, a = exp(z);
    const Complex<S> b = softmax_ ? normalised(l, z, w.Lambda_re[n] > 0).b()
                                  : Complex<S>{a.re - 1.0, a.im} * reciprocal(l);
    const Index at = 2 * (i * N_ + n);
    return {a, b, {S(double(w.W[at])), S(double(w.W[at + 1]))}};
  }
  /// d loss / d z and d loss / d lambda at fixed z, of a mode whose gradient is g.
  struct ModeGradient {
    Complex<double> dz, dlambda;
  };
  ModeGradient mode_backward(Complex<double> lambda, Complex<double> z, const Mode<double>& mode,
                             const Mode<double>& g) const;

  template <class S>
  void run(std::span<const double> w, View<const S, 2> x, View<S, 2> y, Index first) const;

  Index N_;
  bool softmax_;
  Index length_;
  DiagonalSystem system_;
};

std::vector<ParamSpec> Dss::params(Index D) const {
  ParamSpec Lambda_re{"Lambda_re", {N_}, Init::drawn}, Lambda_im{"Lambda_im", {N_}, Init::drawn},
      log_dt{"log_dt", {D, 2}, Init::drawn};
  Lambda_re.draw = [softmax = softmax_](LayerPlace, Rng&, std::span<float> values) {
    std::fill(values.begin(), values.end(), softmax ? -0.5F : float(std::log(0.5)));
  };
  Lambda_im.draw = [](LayerPlace, Rng&, std::span<float> values) {
    const std::vector<double> frequencies = skew_hippo_frequencies(Index(values.size()));
    std::transform(frequencies.begin(), frequencies.end(), values.begin(),
                   [](double v) { return float(v); });
  };
  log_dt.draw = draw_log_dt;
  const double width = 1 / std::sqrt(double(D));
  return {Lambda_re,
          Lambda_im,
          log_dt,
          {"W", {D, N_, 2}, Init::normal, 1},
          {"D", {D}, Init::normal, 1},
          {"output_linear", {D, D}, Init::uniform, width},
          {"output_linear_bias", {D}, Init::uniform, width}};
}

void Dss::forward(Shape s, Live live, const float* x, float* y, Slots m) const {
  const Index D = s.D, n = live.count(s);
  const Tensors<const float> w(m.w, D, N_);
  const Cache c(*this, s, n, m.cache);
  const Scratch k(*this, s, n, m.scratch);
  system_.set_modes(s, N_, c.system, [&](Index i) {
    return [&, i, dt = step_sizes<double>(w, i)](Index j) { return mode(w, dt, i, j); };
  });
  system_.forward({s, N_, live, w.D, x, c.system, k.system}, c.slope);
  bias_activation(Activation::gelu, n, D, nullptr, c.slope, c.activated);
  float* out = live.all() ? y : k.out;
  gemm({.M = n, .N = D, .K = D}, c.activated, D, w.output, D, out, D);
  add_bias(n, D, w.output_bias, out);
  if (!live.all()) scatter_rows({n, live.rows.data()}, D, out, y);
}

void Dss::backward(Shape s, Live live, const float* x, const float* dy, float* dx, Slots m) const {
  const Index D = s.D, n = live.count(s);
  const Tensors<const float> w(m.w, D, N_);
  const Tensors<float> dw(m.dw, D, N_);
  const Cache c(*this, s, n, m.cache);
  const Scratch k(*this, s, n, m.scratch);
  if (!live.all()) gather_rows({n, live.rows.data()}, D, dy, k.out);
  const float* dout = live.all() ? dy : k.out;
  column_sums(n, D, dout, dw.output_bias);
  gemm({.M = D, .N = D, .K = n, .a_transposed = true, .accumulate = true}, c.activated, D, dout, D,
       dw.output, D);
  gemm({.M = n, .N = D, .K = D, .b_transposed = true}, dout, D, w.output, D, k.dy, D);
  multiply(n * D, c.slope, k.dy);
  const DiagonalSystem::Call call{s, N_, live, w.D, x, c.system, k.system};
  system_.backward(call, k.dy, dx, dw.D);
  system_.each_gradient(call, [&](Index i) {
    return [&, i, dt = step_sizes<double>(w, i)](Index j, const Mode<double>& g,
                                                 const Mode<double>& mode) {
      const Complex<double> l = lambda<double>(w, j), z{dt.re * l.re, dt.im * l.im};
      auto [dz, dl] = mode_backward(l, z, mode, g);
      dl = dl + Complex<double>{dt.re * dz.re, dt.im * dz.im};
      dw.Lambda_re[j] += float(softmax_ ? dl.re : dl.re * l.re);
      dw.Lambda_im[j] += float(dl.im);
      dw.log_dt[2 * i] += float(z.re * dz.re);
      dw.log_dt[2 * i + 1] += float(z.im * dz.im);
      dw.W[2 * (i * N_ + j)] += float(g.c.re);
      dw.W[2 * (i * N_ + j) + 1] += float(g.c.im);
    };
  });
}

Dss::ModeGradient Dss::mode_backward(Complex<double> lambda, Complex<double> z,
                                     const Mode<double>& mode, const Mode<double>& g) const {
  using Z = Complex<double>;
  Z dz = conjugate(mode.a) * g.a;
  if (!softmax_) {
    const Z inverse = reciprocal(lambda);
    return {dz + conjugate(mode.a * inverse) * g.b, conjugate(mode.b * inverse) * g.b * -1.0};
  }
  const Normalised<double> k = normalised(lambda, z, lambda.re > 0);
  const double L = double(length_);
  const Z dnumerator = conjugate(k.inverse * k.f) * g.b;
  const Z dinverse = conjugate(k.numerator * k.f) * g.b;
  const Z df = conjugate(k.numerator * k.inverse) * g.b;
  // inverse = conj(p) / size with size = |p|^2 + epsilon: not holomorphic.
  const Z p = k.denominator * lambda;
  const double size = square(p.re) + square(p.im) + kEpsilon;
  const Z dp = conjugate(dinverse) * (1 / size) +
               p * (-2 * (dinverse.re * p.re - dinverse.im * p.im) / (size * size));
  const Z dr = conjugate(k.er) * dnumerator + conjugate(k.erL * lambda) * dp * L;
  dz = dz + dr * k.sign;
  if (k.sign < 0) dz = dz + conjugate(k.f) * df * (1 - L);
  return {dz, conjugate(k.denominator) * dp};
}

void Dss::step(Index D, const float* w, float* state, const float* x, float* y) const {
  const Tensors<const float> p(w, D, N_);
  std::copy_n(p.output_bias, D, y);
  std::vector<Mode<double>> modes{std::size_t(N_)};
  for (Index i = 0; i < D; ++i) {
    const auto dt = step_sizes<double>(p, i);
    for (Index n = 0; n < N_; ++n) modes[std::size_t(n)] = mode(p, dt, i, n);
    float a = system_.step(modes, x[i], state + 2 * N_ * i) + p.D[i] * x[i];
    activation(Activation::gelu, 1, &a, &a);
    for (Index j = 0; j < D; ++j) y[j] += a * p.output[i * D + j];
  }
}

template <class S>
void Dss::run(std::span<const double> weights, View<const S, 2> x, View<S, 2> y,
              Index /*first*/) const {
  const auto [T, D] = x.extent;
  const Tensors<const double> w(weights.data(), D, N_);
  std::vector<S> states = zeros_of<S>(2 * N_ * D), activated = zeros_of<S>(D);
  std::vector<std::vector<Mode<S>>> modes{std::size_t(D)};
  for (Index i = 0; i < D; ++i)
    for (Index n = 0; n < N_; ++n)
      modes[std::size_t(i)].push_back(mode(w, step_sizes<S>(w, i), i, n));
  for (Index t = 0; t < T; ++t) {
    for (Index i = 0; i < D; ++i) {
      const S sum = system_.advance(modes[std::size_t(i)], x(t, i), states.data() + 2 * N_ * i);
      activated[std::size_t(i)] = stored(gelu(stored(sum + x(t, i) * w.D[i])));
    }
    const std::vector<S> out = product(activated.data(), D, w.output, D);
    for (Index j = 0; j < D; ++j) y(t, j) = stored(out[std::size_t(j)] + w.output_bias[j]);
  }
}

}  // namespace

void register_dss(Registry<Block>& blocks) {
  blocks.add<Dss>("dss", "diagonal state spaces (DSS); state 2 d_model d_state numbers");
}

}  // namespace separatrix

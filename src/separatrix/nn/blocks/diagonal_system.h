#pragma once

#include <string>
#include <vector>

#include "separatrix/kernels/diagonal.h"
#include "separatrix/nn/blocks/plain_math.h"
#include "separatrix/nn/state_format.h"

// What S4D and DSS share: per channel, y_t = Re sum over modes of c s_t + D u_t with
// s_t = a s_{t-1} + b u_t, once a, b, c have been made of the block's parameters.

namespace separatrix {

/// Complex numbers of every scalar; std::complex is for floating point only.
template <class S>
struct Complex {
  S re{}, im{};
  friend Complex operator*(Complex x, Complex y) {
    return {x.re * y.re - x.im * y.im, x.re * y.im + x.im * y.re};
  }
  friend Complex operator+(Complex x, Complex y) { return {x.re + y.re, x.im + y.im}; }
  friend Complex operator*(Complex x, S y) { return {x.re * y, x.im * y}; }
};
template <class S>
Complex<S> conjugate(Complex<S> z) {
  return {z.re, -z.im};
}
template <class S>
Complex<S> exp(Complex<S> z) {
  const S size = exp(z.re);
  return {size * cos(z.im), size * sin(z.im)};
}
/// 1 / z, or with epsilon > 0 conj(z) / (|z|^2 + epsilon), which stays finite at 0.
template <class S>
Complex<S> reciprocal(Complex<S> z, double epsilon = 0) {
  const S size = square(z.re) + square(z.im) + epsilon;
  return {z.re / size, -z.im / size};
}

/// One mode of one channel.
template <class S>
struct Mode {
  Complex<S> a, b, c;
};

struct DiagonalConfig : StateFormatConfig {
  std::string form = "auto";
};
template <class V>
void visit_diagonal(V& v, DiagonalConfig& c) {
  visit_state_format(v, c);
  v("form", c.form,
    "how it is computed: convolution with K, recurrence, or auto, the faster; the same function");
}

class DiagonalSystem {
 public:
  /// Throws Error(spec): unknown form, or a convolution whose states would have to be rounded.
  explicit DiagonalSystem(const DiagonalConfig& config);

  const StateFormat& format() const { return format_; }
  Index state_size(Index C, Index M) const { return 2 * C * M; }
  double flops(Shape s, Index M, Live outputs) const;

  /// Floats that one call may use.
  Index cache_size(Shape s, Index M) const { return Cache(*this, s, M, nullptr).end; }
  Index scratch_size(Shape s, Index M) const { return Scratch(*this, s, M, nullptr).end; }
  /// To be called first in forward: a, b, c of each mode, f(channel)(mode) -> Mode<double>, are
  /// kept in the cache.
  template <class F>
  void set_modes(Shape s, Index M, float* cache, const F& f) const {
    float* planes = Cache(*this, s, M, cache).modes;
    for (Index i = 0; i < s.D; ++i) {
      const auto mode = f(i);
      for (Index m = 0; m < M; ++m) write_mode(mode(m), M * s.D, planes + m * s.D + i);
    }
  }

  /// One call for M modes per channel.
  struct Call {
    Shape s;
    Index M = 0;
    Live live;
    const float* D = nullptr;  ///< [C]
    const float* u = nullptr;  ///< [B, T, C]
    float *cache = nullptr, *scratch = nullptr;
  };
  /// y [live.count, C], compact.
  void forward(const Call& call, float* y) const;
  /// dy compact; du [B, T, C] += at the rows needed, dD +=. The gradients of the modes are left in
  /// the scratch, for each_gradient.
  void backward(const Call& call, const float* dy, float* du, float* dD) const;

  /// After backward: f(channel)(mode, its gradient, itself as it is kept).
  template <class F>
  void each_gradient(const Call& call, const F& f) const {
    const Index C = call.s.D, M = call.M;
    const float* gradients = Scratch(*this, call.s, M, call.scratch).gradients;
    const float* modes = Cache(*this, call.s, M, call.cache).modes;
    for (Index i = 0; i < C; ++i) {
      const auto receive = f(i);
      for (Index m = 0; m < M; ++m)
        receive(m, read_mode(gradients + m * C + i, M * C), read_mode(modes + m * C + i, M * C));
    }
  }

  /// One position of one channel: state [2 M] (re, im of each mode) moves on; -> Re sum c s.
  float step(const std::vector<Mode<double>>& modes, float u, float* state) const;
  /// The same for every scalar.
  template <class S>
  S advance(const std::vector<Mode<S>>& modes, S u, S* state) const {
    S sum(0.0);
    for (const Mode<S>& mode : modes) {
      const Complex<S> s = mode.a * Complex<S>{state[0], state[1]} + mode.b * u;
      state[0] = format_.rounded(stored(s.re));
      state[1] = format_.rounded(stored(s.im));
      sum += mode.c.re * state[0] - mode.c.im * state[1];
      state += 2;
    }
    return sum;
  }

 private:
  /// The six numbers of a mode stand `plane` floats apart.
  static void write_mode(const Mode<double>& mode, Index plane, float* at) {
    for (const Complex<double>& z : {mode.a, mode.b, mode.c}) {
      at[0] = float(z.re);
      at[plane] = float(z.im);
      at += 2 * plane;
    }
  }
  static Mode<double> read_mode(const float* at, Index plane) {
    const auto number = [&](Index k) { return double(at[k * plane]); };
    return {{number(0), number(1)}, {number(2), number(3)}, {number(4), number(5)}};
  }
  struct Cache {
    float *modes, *kernel, *states;
    Index end = 0;
    Cache(const DiagonalSystem& system, Shape s, Index M, float* base);
  };
  struct Scratch {
    float *gradients, *dkernel, *work;
    Index end = 0;
    Scratch(const DiagonalSystem& system, Shape s, Index M, float* base);
  };
  bool convolves(Index T, Index M) const;
  Index chunk() const { return format_.is_float32() ? 32 : 1; }
  Index kept(Index T) const { return (T + chunk() - 1) / chunk() + 1; }
  void scan_rounding(const DiagonalScan& s, float* y) const;

  enum class Form { automatic, convolution, recurrence };
  Form form_ = Form::automatic;
  StateFormat format_;
};

}  // namespace separatrix

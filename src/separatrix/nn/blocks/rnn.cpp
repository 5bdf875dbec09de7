#include <algorithm>
#include <cmath>

#include "separatrix/kernels/kernels.h"
#include "separatrix/nn/blocks/plain_math.h"
#include "separatrix/nn/blocks/time_major.h"
#include "separatrix/nn/buffer.h"
#include "separatrix/nn/state_format.h"

namespace separatrix {
namespace {

struct RnnConfig : StateFormatConfig {
  std::string activation = "tanh";
};
template <class V>
void visit(V& v, RnnConfig& c) {
  v("activation", c.activation, "tanh or relu");
  visit_state_format(v, c);
}

/// h_t = act(x_t W_x + h_{t-1} W_h + b) = y_t, h_{-1} = 0, hidden width = D; h_t is
/// rounded to the state format.   [elman1990; derivation in docs/derivations/rnn.md]
class Rnn final : public Plain<Rnn, RecurrentBlock> {
 public:
  using Config = RnnConfig;
  explicit Rnn(const Config& config)
      : activation_(config.activation == "relu" ? Activation::relu : Activation::tanh),
        format_(config) {
    const std::vector<std::string> choices = {"tanh", "relu"};
    if (!contains_name(choices, config.activation))
      throw Error(ErrorKind::spec, "unknown activation '" + config.activation + "'", {},
                  did_you_mean(config.activation, choices));
  }

  std::vector<ParamSpec> params(Index D) const override {
    const double width = 1 / std::sqrt(double(D));
    return {{"w_x", {D, D}, Init::uniform, width},
            {"w_h", {D, D}, Init::uniform, width},
            {"bias", {D}, Init::uniform, width}};
  }
  Index state_size(Index D) const override { return D; }
  Index state_bits(Index D) const override { return format_.bits() * D; }
  Index lockstep() const override { return 16; }

  Index cache_size(Shape s) const override { return Cache(s, s.T, nullptr).end; }
  Index scratch_size(Shape s) const override { return Scratch(s, s.T, nullptr).end; }

  void forward(Shape s, Live live, const float* x, float* y, Slots m) const override {
    const Index B = s.B, D = s.D, N = B * D, steps = live_steps(s, live);
    const Params w(m.w, D);
    const Cache c(s, steps, m.cache);

    gather_inputs(s, live, steps, x, c.x);
    gemm({steps * B, D, D}, c.x, D, w.x, D, c.slope, D);
    for (Index t = 0; t < steps; ++t) {
      float *a = c.slope + t * N, *h = c.h + t * N;  // pre-activation, then its slope
      if (t > 0)                                     // the first state is zero
        gemm({.M = B, .N = D, .K = D, .accumulate = true}, h - N, D, w.h, D, a, D);
      bias_activation(activation_, B, D, w.bias, a, h);
      format_.round(N, h);
    }
    scatter_outputs(s, live, c.h, y);
  }

  void backward(Shape s, Live live, const float*, const float* dy, float* dx,
                Slots m) const override {
    const Index B = s.B, D = s.D, N = B * D, steps = live_steps(s, live);
    const Params w(m.w, D);
    const Cache c(s, steps, m.cache);
    const Scratch k(s, steps, m.scratch);
    float *dw_x = m.dw, *dw_h = dw_x + D * D, *dbias = dw_h + D * D;

    transpose(D, D, w.h, D, k.w_h_t, D);
    gather_outputs(s, live, steps, dy, k.da);
    for (Index t = steps - 1; t >= 0; --t) {
      float* da = k.da + t * N;  // dh until the activation's derivative is applied
      if (t + 1 < steps)
        gemm({.M = B, .N = D, .K = D, .accumulate = true}, da + N, D, k.w_h_t, D, da, D);
      multiply(N, c.slope + t * N, da);
    }
    gemm({.M = D, .N = D, .K = steps * B, .a_transposed = true, .accumulate = true}, c.x, D, k.da,
         D, dw_x, D);
    gemm({.M = D, .N = D, .K = (steps - 1) * B, .a_transposed = true, .accumulate = true}, c.h, D,
         k.da + N, D, dw_h, D);
    column_sums(steps * B, D, k.da, dbias);
    float* dxs = c.slope;  // has served
    gemm({.M = steps * B, .N = D, .K = D, .b_transposed = true}, k.da, D, w.x, D, dxs, D);
    scatter_add_inputs(s, live, dxs, dx);
  }

  void step(Index D, const float* w, float* state, const float* x, float* y) const override {
    const Params p(w, D);
    for (Index d = 0; d < D; ++d) {
      float a = p.bias[d];
      for (Index i = 0; i < D; ++i) a += x[i] * p.x[i * D + d] + state[i] * p.h[i * D + d];
      y[d] = activation_ == Activation::relu ? std::max(a, 0.0F) : std::tanh(a);
    }
    format_.round(D, y);
    std::copy_n(y, D, state);
  }

 private:
  friend Plain<Rnn, RecurrentBlock>;
  struct Params {
    const float *x, *h, *bias;
    Params(const float* w, Index D) : x(w), h(w + D * D), bias(w + 2 * D * D) {}
  };
  struct Cache {  // time-major; slope: act' at the pre-activations
    float *x, *slope, *h;
    Index end = 0;
    Cache(Shape s, Index steps, float* base) {
      const Index n = steps * s.B * s.D;
      x = slice(base, end, n);
      slope = slice(base, end, n);
      h = slice(base, end, n);
    }
  };
  struct Scratch {
    float *w_h_t, *da;
    Index end = 0;
    Scratch(Shape s, Index steps, float* base) {
      w_h_t = slice(base, end, s.D * s.D);
      da = slice(base, end, steps * s.B * s.D);
    }
  };

  template <class S>
  void run(std::span<const double> w, View<const S, 2> x, View<S, 2> y, Index /*first*/) const {
    const Index T = x.extent[0], D = x.extent[1];
    const View<const double, 2> w_x{w.data(), {D, D}}, w_h{w.data() + D * D, {D, D}};
    const double* bias = w.data() + 2 * D * D;
    for (Index t = 0; t < T; ++t)
      for (Index d = 0; d < D; ++d) {
        S a(bias[d]);
        add_products(x, t, w_x, d, a);
        if (t > 0) add_products(View<const S, 2>(y), t - 1, w_h, d, a);
        const S h = stored(activation_ == Activation::relu ? relu(a) : tanh(a));
        y(t, d) = format_.rounded(h);
      }
  }

  Activation activation_;
  StateFormat format_;
};

}  // namespace

void register_rnn(Registry<Block>& blocks) {
  blocks.add<Rnn>("rnn", "Elman network; state d_model numbers, or as many bits");
}

}  // namespace separatrix

#include <algorithm>
#include <cmath>

#include "separatrix/kernels/kernels.h"
#include "separatrix/nn/blocks/plain_math.h"
#include "separatrix/nn/blocks/time_major.h"
#include "separatrix/nn/buffer.h"
#include "separatrix/nn/state_format.h"

namespace separatrix {
namespace {

struct LstmConfig : StateFormatConfig {
  double forget_bias = 0;
};
template <class V>
void visit(V& v, LstmConfig& c) {
  visit_state_format(v, c);
  v("forget_bias", c.forget_bias,
    "constant added to the forget gate besides its bias (0: as in PyTorch)");
}

/// i, f, g, o = x_t W_ih + h_{t-1} W_hh + b;
/// c_t = sigmoid(f) c_{t-1} + sigmoid(i) tanh(g);  h_t = sigmoid(o) tanh(c_t) = y_t.
/// h and c start at 0, and what is carried of both is rounded to the state format; hidden width =
/// D. Gates in PyTorch's order; its two biases are one here,
/// their sum.   [hochreiter1997; derivation in docs/derivations/lstm.md]
class Lstm final : public Plain<Lstm, RecurrentBlock> {
 public:
  using Config = LstmConfig;
  explicit Lstm(const Config& config) : forget_bias_(float(config.forget_bias)), format_(config) {}

  std::vector<ParamSpec> params(Index D) const override {
    const double width = 1 / std::sqrt(double(D));
    return {{"w_ih", {D, 4 * D}, Init::uniform, width},
            {"w_hh", {D, 4 * D}, Init::uniform, width},
            {"bias", {4 * D}, Init::uniform, width}};
  }
  Index state_size(Index D) const override { return 2 * D; }
  Index state_bits(Index D) const override { return format_.bits() * state_size(D); }
  Index lockstep() const override { return 16; }

  Index cache_size(Shape s) const override { return Cache(s, s.T, nullptr).end; }
  Index scratch_size(Shape s) const override { return Scratch(s, s.T, nullptr).end; }

  void forward(Shape s, Live live, const float* x, float* y, Slots m) const override {
    const Index B = s.B, D = s.D, N = B * D, steps = live_steps(s, live);
    const Params w(m.w, D);
    const Cache c(s, steps, m.cache);
    float* bias = Scratch(s, steps, m.scratch).bias;
    full_bias(w, D, bias);

    gather_inputs(s, live, steps, x, c.x);
    gemm({steps * B, 4 * D, D}, c.x, D, w.ih, 4 * D, c.gates, 4 * D);
    std::fill_n(c.c, N, 0.0F);
    for (Index t = 0; t < steps; ++t) {
      float* gates = c.gates + 4 * t * N;
      if (t > 0)  // the first state is zero
        gemm({.M = B, .N = 4 * D, .K = D, .accumulate = true}, c.h + t * N, D, w.hh, 4 * D, gates,
             4 * D);
      lstm_gates(B, D, bias, gates, c.c + t * N, c.c + (t + 1) * N, c.h + (t + 1) * N);
      format_.round(N, c.c + (t + 1) * N);
      format_.round(N, c.h + (t + 1) * N);
    }
    scatter_outputs(s, live, c.h + N, y);
  }

  void backward(Shape s, Live live, const float*, const float* dy, float* dx,
                Slots m) const override {
    const Index B = s.B, D = s.D, N = B * D, steps = live_steps(s, live);
    const Params w(m.w, D);
    const Cache c(s, steps, m.cache);
    const Scratch k(s, steps, m.scratch);
    float *dw_ih = m.dw, *dw_hh = dw_ih + 4 * D * D, *dbias = dw_hh + 4 * D * D;
    float* dgates = c.gates;  // each step's gradient replaces its gates

    transpose(D, 4 * D, w.hh, 4 * D, k.w_hh_t, D);
    gather_outputs(s, live, steps, dy, k.dh);
    std::fill_n(k.dc, N, 0.0F);
    for (Index t = steps - 1; t >= 0; --t) {
      float* dh = k.dh + t * N;
      if (t + 1 < steps)
        gemm({.M = B, .N = D, .K = 4 * D, .accumulate = true}, dgates + 4 * (t + 1) * N, 4 * D,
             k.w_hh_t, D, dh, D);
      lstm_gates_backward({B, D, c.gates + 4 * t * N, c.c + t * N, c.c + (t + 1) * N, dh}, k.dc,
                          dgates + 4 * t * N);
    }
    gemm({.M = D, .N = 4 * D, .K = steps * B, .a_transposed = true, .accumulate = true}, c.x, D,
         dgates, 4 * D, dw_ih, 4 * D);
    gemm({.M = D, .N = 4 * D, .K = (steps - 1) * B, .a_transposed = true, .accumulate = true},
         c.h + N, D, dgates + 4 * N, 4 * D, dw_hh, 4 * D);  // the first state is zero
    column_sums(steps * B, 4 * D, dgates, dbias);
    float* dx_steps = k.dh;  // has served
    gemm({.M = steps * B, .N = D, .K = 4 * D, .b_transposed = true}, dgates, 4 * D, w.ih, 4 * D,
         dx_steps, D);
    scatter_add_inputs(s, live, dx_steps, dx);
  }

  void step(Index D, const float* w, float* state, const float* x, float* y) const override {
    const Params p(w, D);
    float *h = state, *c = state + D;
    const auto sum = [&](Index gate, Index d) {
      const Index column = gate * D + d;
      float a = p.bias[column] + (gate == 1 ? forget_bias_ : 0);
      for (Index i = 0; i < D; ++i)
        a += x[i] * p.ih[i * 4 * D + column] + h[i] * p.hh[i * 4 * D + column];
      return a;
    };
    const auto sigma = [](float a) { return 1 / (1 + std::exp(-a)); };
    for (Index d = 0; d < D; ++d) {
      c[d] = sigma(sum(1, d)) * c[d] + sigma(sum(0, d)) * std::tanh(sum(2, d));
      y[d] = sigma(sum(3, d)) * std::tanh(c[d]);
    }
    format_.round(D, c);
    format_.round(D, y);
    std::copy_n(y, D, h);  // not earlier: every unit reads the old state
  }

 private:
  friend Plain<Lstm, RecurrentBlock>;
  struct Params {
    const float *ih, *hh, *bias;
    Params(const float* w, Index D) : ih(w), hh(w + 4 * D * D), bias(w + 8 * D * D) {}
  };
  /// Time-major; h and c have a zero state in front of step 0.
  struct Cache {
    float *x, *gates, *h, *c;
    Index end = 0;
    Cache(Shape s, Index steps, float* base) {
      const auto take = [&](Index n) { return slice(base, end, n); };
      x = take(steps * s.B * s.D);
      gates = take(4 * steps * s.B * s.D);
      h = take((steps + 1) * s.B * s.D);
      c = take((steps + 1) * s.B * s.D);
    }
  };
  struct Scratch {
    float *bias, *w_hh_t, *dh, *dc;
    Index end = 0;
    Scratch(Shape s, Index steps, float* base) {
      const auto take = [&](Index n) { return slice(base, end, n); };
      bias = take(4 * s.D);
      w_hh_t = take(4 * s.D * s.D);
      dh = take(steps * s.B * s.D);
      dc = take(s.B * s.D);
    }
  };

  void full_bias(const Params& w, Index D, float* bias) const {
    std::copy_n(w.bias, 4 * D, bias);
    for (Index d = D; d < 2 * D; ++d) bias[d] += forget_bias_;
  }

  template <class S>
  void run(std::span<const double> w, View<const S, 2> x, View<S, 2> y, Index /*first*/) const {
    const Index T = x.extent[0], D = x.extent[1];
    const View<const double, 2> ih{w.data(), {D, 4 * D}}, hh{ih.data + ih.size(), {D, 4 * D}};
    const double* bias = hh.data + hh.size();
    std::vector<S> c(std::size_t(D), S(0));
    for (Index t = 0; t < T; ++t) {
      const auto gate = [&](Index k, Index d) {
        S a(bias[k * D + d]);
        if (k == 1) a += double(forget_bias_);
        add_products(x, t, ih, k * D + d, a);
        if (t > 0) add_products(View<const S, 2>(y), t - 1, hh, k * D + d, a);
        return stored(a);
      };
      for (Index d = 0; d < D; ++d) {
        S& cell = c[std::size_t(d)];
        const S next = stored(sigmoid(gate(1, d)) * cell + sigmoid(gate(0, d)) * tanh(gate(2, d)));
        y(t, d) = format_.rounded(stored(sigmoid(gate(3, d)) * tanh(next)));
        cell = format_.rounded(next);
      }
    }
  }

  float forget_bias_;
  StateFormat format_;
};

}  // namespace

void register_lstm(Registry<Block>& blocks) {
  blocks.add<Lstm>("lstm", "long short-term memory; state 2 d_model numbers");
}

}  // namespace separatrix

#include "separatrix/kernels/gru.h"

#include <algorithm>
#include <cmath>

#include "separatrix/kernels/kernels.h"
#include "separatrix/nn/blocks/plain_math.h"
#include "separatrix/nn/blocks/time_major.h"
#include "separatrix/nn/buffer.h"
#include "separatrix/nn/state_format.h"

namespace separatrix {
namespace {

struct GruConfig : StateFormatConfig {};
template <class V>
void visit(V& v, GruConfig& c) {
  visit_state_format(v, c);
}

/// r, z = sigmoid(x_t W_ir,iz + h_{t-1} W_hr,hz + b_r,z);
/// n = tanh(x_t W_in + b_n + r m), m = h_{t-1} W_hn + b_hn;
/// h_t = (1 - z) n + z h_{t-1} = y_t, h_{-1} = 0, rounded to the state format; hidden width = D.
/// PyTorch's form and order of gates, r, z, n: the reset gate works on the product with the state.
/// Its two biases of r and of z are one here, their sum.
/// [cho2014; derivation in docs/derivations/gru.md]
class Gru final : public Plain<Gru, RecurrentBlock> {
 public:
  using Config = GruConfig;
  explicit Gru(const Config& config) : format_(config) {}

  std::vector<ParamSpec> params(Index D) const override {
    const double width = 1 / std::sqrt(double(D));
    return {{"w_ih", {D, 3 * D}, Init::uniform, width},
            {"w_hh", {D, 3 * D}, Init::uniform, width},
            {"bias", {3 * D}, Init::uniform, width},
            {"bias_hn", {D}, Init::uniform, width}};
  }
  Index state_size(Index D) const override { return D; }
  Index state_bits(Index D) const override { return format_.bits() * D; }
  Index lockstep() const override { return 16; }

  Index cache_size(Shape s) const override { return Cache(s, s.T, nullptr).end; }
  Index scratch_size(Shape s) const override { return Scratch(s, s.T, nullptr).end; }

  // A step's pre-activations are n, r, z, m side by side [B, 4D]: the input drives the first three,
  // the state the last three, so that each is one product where W's columns r, z, n allow it.

  void forward(Shape s, Live live, const float* x, float* y, Slots m) const override {
    const Index B = s.B, D = s.D, N = B * D, steps = live_steps(s, live), rows = steps * B;
    const Params w(m.w, D);
    const Cache c(s, steps, m.cache);
    float* bias = Scratch(s, steps, m.scratch).bias;
    std::copy_n(w.bias + 2 * D, D, bias);
    std::copy_n(w.bias, 2 * D, bias + D);
    std::copy_n(w.bias_hn, D, bias + 3 * D);

    gather_inputs(s, live, steps, x, c.x);
    gemm({rows, D, D}, c.x, D, w.ih + 2 * D, 3 * D, c.gates, 4 * D);
    gemm({rows, 2 * D, D}, c.x, D, w.ih, 3 * D, c.gates + D, 4 * D);
    for (Index row = 0; row < rows; ++row) std::fill_n(c.gates + (4 * row + 3) * D, D, 0.0F);
    std::fill_n(c.h, N, 0.0F);
    for (Index t = 0; t < steps; ++t) {
      float *gates = c.gates + 4 * t * N, *h = c.h + t * N;
      if (t > 0)  // the first state is zero
        gemm({.M = B, .N = 3 * D, .K = D, .accumulate = true}, h, D, w.hh_rzn, 3 * D, gates + D,
             4 * D);
      gru_gates(B, D, bias, gates, h, h + N);
      format_.round(N, h + N);
    }
    scatter_outputs(s, live, c.h + N, y);
  }

  void backward(Shape s, Live live, const float*, const float* dy, float* dx,
                Slots m) const override {
    const Index B = s.B, D = s.D, N = B * D, steps = live_steps(s, live), rows = steps * B;
    const Params w(m.w, D);
    const Cache c(s, steps, m.cache);
    const Scratch k(s, steps, m.scratch);
    float *dw_ih = m.dw, *dw_hh = dw_ih + 3 * D * D, *dbias = dw_hh + 3 * D * D;
    float* dgates = c.gates;  // each step's gradient replaces its gates

    transpose(D, 3 * D, w.hh_rzn, 3 * D, k.w_hh_t, D);
    gather_outputs(s, live, steps, dy, k.dh);
    for (Index t = steps - 1; t >= 0; --t) {
      float *dh = k.dh + t * N, *at = dgates + 4 * t * N;
      gru_gates_backward({B, D, c.gates + 4 * t * N, c.h + t * N}, dh, at);
      if (t == 0) break;
      gemm({.M = B, .N = D, .K = 3 * D, .accumulate = true}, at + D, 4 * D, k.w_hh_t, D, dh, D);
      add(N, dh, dh - N);
    }
    const Gemm of_weights{.M = D, .N = D, .K = rows, .a_transposed = true, .accumulate = true};
    Gemm of_gates = of_weights, of_state = of_weights;
    of_gates.N = 2 * D;
    of_state.N = 3 * D;
    of_state.K = rows - B;  // the first state is zero
    gemm(of_weights, c.x, D, dgates, 4 * D, dw_ih + 2 * D, 3 * D);
    gemm(of_gates, c.x, D, dgates + D, 4 * D, dw_ih, 3 * D);
    gemm(of_state, c.h + N, D, dgates + 4 * N + D, 4 * D, dw_hh, 3 * D);
    std::fill_n(k.dbias, 4 * D, 0.0F);
    column_sums(rows, 4 * D, dgates, k.dbias);
    add(D, k.dbias, dbias + 2 * D);
    add(2 * D, k.dbias + D, dbias);
    add(D, k.dbias + 3 * D, dbias + 3 * D);
    float* dx_steps = k.dh;  // has served
    gemm({.M = rows, .N = D, .K = D, .b_transposed = true}, dgates, 4 * D, w.ih + 2 * D, 3 * D,
         dx_steps, D);
    gemm({.M = rows, .N = D, .K = 2 * D, .b_transposed = true, .accumulate = true}, dgates + D,
         4 * D, w.ih, 3 * D, dx_steps, D);
    scatter_add_inputs(s, live, dx_steps, dx);
  }

  void step(Index D, const float* w, float* state, const float* x, float* y) const override {
    const Params p(w, D);
    const auto sum = [D](const float* in, const float* matrix, Index column) {
      float a = 0;
      for (Index i = 0; i < D; ++i) a += in[i] * matrix[i * 3 * D + column];
      return a;
    };
    const auto sigma = [](float a) { return 1 / (1 + std::exp(-a)); };
    for (Index d = 0; d < D; ++d) {
      const float r = sigma(sum(x, p.ih, d) + sum(state, p.hh_rzn, d) + p.bias[d]);
      const float z = sigma(sum(x, p.ih, D + d) + sum(state, p.hh_rzn, D + d) + p.bias[D + d]);
      const float m = sum(state, p.hh_rzn, 2 * D + d) + p.bias_hn[d];
      const float n = std::tanh(sum(x, p.ih, 2 * D + d) + p.bias[2 * D + d] + r * m);
      y[d] = (1 - z) * n + z * state[d];
    }
    format_.round(D, y);
    std::copy_n(y, D, state);  // not earlier: every unit reads the old state
  }

 private:
  friend Plain<Gru, RecurrentBlock>;
  struct Params {
    const float *ih, *hh_rzn, *bias, *bias_hn;
    Params(const float* w, Index D)
        : ih(w), hh_rzn(w + 3 * D * D), bias(w + 6 * D * D), bias_hn(bias + 3 * D) {}
  };
  /// Time-major; h has a zero state in front of step 0.
  struct Cache {
    float *x, *gates, *h;
    Index end = 0;
    Cache(Shape s, Index steps, float* base) {
      x = slice(base, end, steps * s.B * s.D);
      gates = slice(base, end, 4 * steps * s.B * s.D);
      h = slice(base, end, (steps + 1) * s.B * s.D);
    }
  };
  struct Scratch {
    float *bias, *dbias, *w_hh_t, *dh;
    Index end = 0;
    Scratch(Shape s, Index steps, float* base) {
      bias = slice(base, end, 4 * s.D);
      dbias = slice(base, end, 4 * s.D);
      w_hh_t = slice(base, end, 3 * s.D * s.D);
      dh = slice(base, end, steps * s.B * s.D);
    }
  };

  template <class S>
  void run(std::span<const double> w, View<const S, 2> x, View<S, 2> y, Index /*first*/) const {
    const Index T = x.extent[0], D = x.extent[1];
    const View<const double, 2> ih{w.data(), {D, 3 * D}}, hh{ih.data + ih.size(), {D, 3 * D}};
    const double *bias = hh.data + hh.size(), *bias_hn = bias + 3 * D;
    for (Index t = 0; t < T; ++t) {
      const View<const S, 2> before = y;  // row t - 1 is the state
      const auto gate = [&](Index column) {
        S a(bias[column]);
        add_products(x, t, ih, column, a);
        if (t > 0) add_products(before, t - 1, hh, column, a);
        return stored(sigmoid(stored(a)));
      };
      for (Index d = 0; d < D; ++d) {
        const S r = gate(d), z = gate(D + d);
        S m(bias_hn[d]), n(bias[2 * D + d]);
        if (t > 0) add_products(before, t - 1, hh, 2 * D + d, m);
        add_products(x, t, ih, 2 * D + d, n);
        n = stored(tanh(stored(n) + r * stored(m)));
        S h = (1.0 - z) * n;
        if (t > 0) h += z * before(t - 1, d);
        y(t, d) = format_.rounded(stored(h));
      }
    }
  }

  StateFormat format_;
};

}  // namespace

void register_gru(Registry<Block>& blocks) {
  blocks.add<Gru>("gru", "gated recurrent unit; state d_model numbers");
}

}  // namespace separatrix

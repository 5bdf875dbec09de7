#include <algorithm>
#include <cmath>

#include "separatrix/kernels/kernels.h"
#include "separatrix/kernels/rwkv.h"
#include "separatrix/nn/blocks/plain_math.h"
#include "separatrix/nn/blocks/rwkv_parts.h"
#include "separatrix/nn/buffer.h"

namespace separatrix {
namespace {

struct RwkvChannelMixConfig : StateFormatConfig {
  Index d_ff = 0;
};
template <class V>
void visit(V& v, RwkvChannelMixConfig& c) {
  visit_state_format(v, c);
  v("d_ff", c.d_ff, "hidden width; 0 = 4 d_model");
}

/// RWKV version 4, channel mix. With x^_t = x_{t-1} (0 at the start), o. elementwise:
///   k_t = max(0, (time_mix_k o. x_t + (1 - time_mix_k) o. x^_t) key)^2           [d_ff]
///   r_t = (time_mix_r o. x_t + (1 - time_mix_r) o. x^_t) receptance              [D]
///   y_t = sigmoid(r_t) o. (k_t value).
/// State: x^, rounded to the state format. [peng2023; derivation in docs/derivations/rwkv.md]
class RwkvChannelMix final : public Plain<RwkvChannelMix, RecurrentBlock> {
 public:
  using Config = RwkvChannelMixConfig;
  explicit RwkvChannelMix(const Config& config) : d_ff_(config.d_ff), format_(config) {}

  std::vector<ParamSpec> params(Index D) const override;
  Index state_size(Index D) const override { return D; }
  Index state_bits(Index D) const override { return format_.bits() * D; }

  Index cache_size(Shape s) const override {
    return Cache(s, s.rows(), hidden(s.D), format_, nullptr).end;
  }
  Index scratch_size(Shape s) const override {
    return Scratch(s, s.rows(), hidden(s.D), nullptr).end;
  }
  Live needs(Shape s, Live outputs, std::vector<Index>& storage) const override;
  double flops(Shape s, Live outputs) const override {
    const auto D = double(s.D), F = double(hidden(s.D));
    return 2 * double(outputs.count(s)) * D * (2 * F + D);
  }

  // Everything is computed at the live rows only, n of them, [n, .].

  void forward(Shape s, Live live, const float* x, float* y, Slots m) const override {
    const Index D = s.D, F = hidden(D), n = live.count(s);
    const Params<const float> w(m.w, D, F);
    const Cache c(s, n, F, format_, m.cache);
    const Scratch k(s, n, F, m.scratch);
    const ShiftedInputs inputs(s, format_, x, c.shifted, k.shifted);

    for_live_runs(s, live, [&](const Run& run) {
      inputs.remember(run);
      inputs.mix(run, w.time_mix_k, c.xk + run.live * D);
      inputs.mix(run, w.time_mix_r, c.xr + run.live * D);
    });
    gemm({n, F, D}, c.xk, D, w.key, F, c.key, F);
    squared_relu(n * F, c.key, c.k);
    gemm({n, D, D}, c.xr, D, w.receptance, D, c.r, D);
    gemm({n, D, F}, c.k, F, w.value, D, c.kv, D);
    float* out = live.all() ? y : k.dy;
    sigmoid_gate(n * D, c.r, c.kv, out);
    if (!live.all()) scatter_rows({n, live.rows.data()}, D, out, y);
  }

  void backward(Shape s, Live live, const float* x, const float* dy, float* dx,
                Slots m) const override {
    const Index D = s.D, F = hidden(D), n = live.count(s);
    const Params<const float> w(m.w, D, F);
    const Params<float> dw(m.dw, D, F);
    const Cache c(s, n, F, format_, m.cache);
    const Scratch k(s, n, F, m.scratch);
    const ShiftedInputs inputs(s, format_, x, c.shifted, k.shifted);

    if (!live.all()) gather_rows({n, live.rows.data()}, D, dy, k.dy);
    sigmoid_gate_backward(n * D, c.r, c.kv, live.all() ? dy : k.dy, k.dr, k.dkv);
    gemm({.M = F, .N = D, .K = n, .a_transposed = true, .accumulate = true}, c.k, F, k.dkv, D,
         dw.value, D);
    gemm({.M = n, .N = F, .K = D, .b_transposed = true}, k.dkv, D, w.value, D, k.dkey, F);
    squared_relu_backward(n * F, c.key, k.dkey);
    float* dmixed = k.dkv;  // has served
    gemm({.M = D, .N = D, .K = n, .a_transposed = true, .accumulate = true}, c.xr, D, k.dr, D,
         dw.receptance, D);
    gemm({.M = n, .N = D, .K = D, .b_transposed = true}, k.dr, D, w.receptance, D, dmixed, D);
    for_live_runs(s, live, [&](const Run& run) {
      inputs.mix_backward(run, w.time_mix_r, dmixed + run.live * D, dx, dw.time_mix_r);
    });
    gemm({.M = D, .N = F, .K = n, .a_transposed = true, .accumulate = true}, c.xk, D, k.dkey, F,
         dw.key, F);
    gemm({.M = n, .N = D, .K = F, .b_transposed = true}, k.dkey, F, w.key, F, dmixed, D);
    for_live_runs(s, live, [&](const Run& run) {
      inputs.mix_backward(run, w.time_mix_k, dmixed + run.live * D, dx, dw.time_mix_k);
    });
  }

  void step(Index D, const float* w, float* state, const float* x, float* y) const override;

 private:
  friend Plain<RwkvChannelMix, RecurrentBlock>;
  template <class T>
  struct Params {
    T *time_mix_k, *time_mix_r, *key, *receptance, *value;
    Params(T* w, Index D, Index F)
        : time_mix_k(w),
          time_mix_r(w + D),
          key(w + 2 * D),
          receptance(key + D * F),
          value(receptance + D * D) {}
  };
  /// key: xk times its matrix; k: squared; kv: k times value.
  struct Cache {
    float *xk, *xr, *key, *k, *r, *kv, *shifted;
    Index end = 0;
    Cache(Shape s, Index n, Index F, const StateFormat& format, float* base) {
      xk = slice(base, end, n * s.D);
      xr = slice(base, end, n * s.D);
      key = slice(base, end, n * F);
      k = slice(base, end, n * F);
      r = slice(base, end, n * s.D);
      kv = slice(base, end, n * s.D);
      shifted = slice(base, end, ShiftedInputs::cache_size(s, format));
    }
  };
  struct Scratch {
    float *shifted, *dy, *dr, *dkv, *dkey;
    Index end = 0;
    Scratch(Shape s, Index n, Index F, float* base) {
      shifted = slice(base, end, ShiftedInputs::scratch_size(s));
      dy = slice(base, end, n * s.D);
      dr = slice(base, end, n * s.D);
      dkv = slice(base, end, n * s.D);
      dkey = slice(base, end, n * F);
    }
  };
  Index hidden(Index D) const { return d_ff_ == 0 ? 4 * D : d_ff_; }

  template <class S>
  void run(std::span<const double> w, View<const S, 2> x, View<S, 2> y, Index first) const;

  Index d_ff_;
  StateFormat format_;
};

std::vector<ParamSpec> RwkvChannelMix::params(Index D) const {
  if (d_ff_ < 0)
    throw Error(ErrorKind::spec, "d_ff must not be negative", "d_ff",
                "use 0 for four times the model width");
  const Index F = hidden(D);
  const auto mix = [D](RwkvDepth l, Index i) { return std::pow(double(i) / double(D), l.r1); };
  std::vector<ParamSpec> list = {rwkv_vector("time_mix_k", D, mix),
                                 rwkv_vector("time_mix_r", D, mix),
                                 rwkv_orthogonal("key", D, F),
                                 {"receptance", {D, D}},
                                 {"value", {F, D}}};
  give_roles("value", list);
  return list;
}

/// The live rows and those before them.
Live RwkvChannelMix::needs(Shape s, Live outputs, std::vector<Index>& storage) const {
  if (outputs.all()) return outputs;
  storage.clear();
  for (const Index row : outputs.rows) {
    const bool listed = !storage.empty() && storage.back() == row - 1;
    if (row % s.T > 0 && !listed) storage.push_back(row - 1);
    storage.push_back(row);
  }
  return Index(storage.size()) == s.rows() ? Live{} : Live{storage};
}

void RwkvChannelMix::step(Index D, const float* weights, float* state, const float* x,
                          float* y) const {
  const Index F = hidden(D);
  const Params<const float> w(weights, D, F);
  std::vector<float> memory(std::size_t(3 * D + F));
  float *mixed = memory.data(), *r = mixed + D, *kv = r + D, *k = kv + D;
  const auto mix = [&](const float* mu) {
    for (Index d = 0; d < D; ++d) mixed[d] = mu[d] * x[d] + (1 - mu[d]) * state[d];
  };
  mix(w.time_mix_k);
  gemm({1, F, D}, mixed, D, w.key, F, k, F);
  squared_relu(F, k, k);
  mix(w.time_mix_r);
  gemm({1, D, D}, mixed, D, w.receptance, D, r, D);
  gemm({1, D, F}, k, F, w.value, D, kv, D);
  sigmoid_gate(D, r, kv, y);
  std::copy_n(x, D, state);
  format_.round(D, state);
}

template <class S>
void RwkvChannelMix::run(std::span<const double> weights, View<const S, 2> x, View<S, 2> y,
                         Index first) const {
  const Index T = x.extent[0], D = x.extent[1], F = hidden(D);
  const Params<const double> w(weights.data(), D, F);
  for (Index t = first; t < T; ++t) {
    const S* in = x.data + t * D;
    std::vector<S> before = zeros_of<S>(D);
    for (Index d = 0; t > 0 && d < D; ++d) before[std::size_t(d)] = format_.rounded(x(t - 1, d));
    std::vector<S> k = product(mix_reference(in, before, w.time_mix_k).data(), D, w.key, F);
    for (S& v : k) v = stored(square(relu(v)));
    const auto r = product(mix_reference(in, before, w.time_mix_r).data(), D, w.receptance, D);
    const auto kv = product(k.data(), F, w.value, D);
    for (Index d = 0; d < D; ++d) y(t, d) = stored(sigmoid(r[std::size_t(d)]) * kv[std::size_t(d)]);
  }
}

}  // namespace

void register_rwkv_channel_mix(Registry<Block>& blocks) {
  blocks.add<RwkvChannelMix>("rwkv_channel_mix",
                             "RWKV 4: gated layer of two positions; state d_model numbers");
}

}  // namespace separatrix

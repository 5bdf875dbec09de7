#include <algorithm>
#include <cmath>

#include "separatrix/kernels/kernels.h"
#include "separatrix/kernels/wkv.h"
#include "separatrix/nn/blocks/plain_math.h"
#include "separatrix/nn/blocks/rwkv_parts.h"
#include "separatrix/nn/buffer.h"

namespace separatrix {
namespace {

struct RwkvTimeMixConfig : StateFormatConfig {};
template <class V>
void visit(V& v, RwkvTimeMixConfig& c) {
  visit_state_format(v, c);
}

/// RWKV version 4, time mix. With x^_t = x_{t-1} (0 at the start), o. elementwise:
///   k_t = (time_mix_k o. x_t + (1 - time_mix_k) o. x^_t) key
///   v_t = (time_mix_v o. x_t + (1 - time_mix_v) o. x^_t) value
///   r_t = (time_mix_r o. x_t + (1 - time_mix_r) o. x^_t) receptance
///   wkv_t = (sum_{s<t} e^{(t-1-s) w + k_s} v_s + e^{u + k_t} v_t) / (the same without v),
///   per channel, w = -e^time_decay, u = time_first;
///   y_t = (sigmoid(r_t) o. wkv_t) output.
/// Computed stably, from sums p of weighted values and q of weights, both divided by e^o:
///   wkv_t = (e^{o-m} p + e^{u+k_t-m} v_t) / (e^{o-m} q + e^{u+k_t-m}), m = max(o, u + k_t);
///   o' = max(w + o, k_t), p' = e^{w+o-o'} p + e^{k_t-o'} v_t, q' = e^{w+o-o'} q + e^{k_t-o'}.
/// State: x^, p, q, o, rounded to the state format; q = 0 is the empty past, whatever p and o.
/// [peng2023; derivation in docs/derivations/rwkv.md]
class RwkvTimeMix final : public Plain<RwkvTimeMix, RecurrentBlock> {
 public:
  using Config = RwkvTimeMixConfig;
  explicit RwkvTimeMix(const Config& config) : format_(config) {}

  std::vector<ParamSpec> params(Index D) const override;
  Index state_size(Index D) const override { return 4 * D; }
  Index state_bits(Index D) const override { return format_.bits() * state_size(D); }

  Index cache_size(Shape s) const override {
    return Cache(s, s.rows(), s.rows(), format_, nullptr).end;
  }
  Index scratch_size(Shape s) const override { return Scratch(s, s.rows(), s.rows(), nullptr).end; }
  double flops(Shape s, Live outputs) const override;

  // k, v and the past are needed up to the last live row of each sequence, r and all that follows
  // at the live rows only.

  void forward(Shape s, Live live, const float* x, float* y, Slots m) const override {
    const Index D = s.D, rows = packed_rows(s, live), n = live.count(s);
    const Params<const float> w(m.w, D);
    const Cache c(s, rows, n, format_, m.cache);
    const Scratch k(s, rows, n, m.scratch);
    const ShiftedInputs inputs(s, format_, x, c.shifted, k.shifted);

    for_prefixes(s, live, [&](const Run& run, Index) {
      inputs.remember(run);
      inputs.mix(run, w.time_mix_k, c.xk + run.packed * D);
      inputs.mix(run, w.time_mix_v, c.xv + run.packed * D);
    });
    for_live_runs(s, live,
                  [&](const Run& run) { inputs.mix(run, w.time_mix_r, c.xr + run.live * D); });
    gemm({rows, D, D}, c.xk, D, w.key, D, c.k, D);
    gemm({rows, D, D}, c.xv, D, w.value, D, c.v, D);
    gemm({n, D, D}, c.xr, D, w.receptance, D, c.r, D);

    decays(D, w.time_decay, k.decay);
    for_prefixes(s, live, [&](const Run& run, Index) {
      const Index packed = run.packed * D;
      scan(run.n, D, k.decay, c.k + packed, c.v + packed, c.past + 3 * packed);
    });
    for_live_runs(s, live, [&](const Run& run) {
      wkv_read(at(c, run, D), w.time_first, c.r + run.live * D, c.gated + run.live * D);
    });

    float* out = live.all() ? y : k.dy;
    gemm({n, D, D}, c.gated, D, w.output, D, out, D);
    if (!live.all()) scatter_rows({n, live.rows.data()}, D, out, y);
  }

  void backward(Shape s, Live live, const float* x, const float* dy, float* dx,
                Slots m) const override {
    const Index D = s.D, rows = packed_rows(s, live), n = live.count(s);
    const Params<const float> w(m.w, D);
    const Params<float> dw(m.dw, D);
    const Cache c(s, rows, n, format_, m.cache);
    const Scratch k(s, rows, n, m.scratch);
    const ShiftedInputs inputs(s, format_, x, c.shifted, k.shifted);
    /// Of out = in matrix, over `count` rows: dmatrix += in^T dout, din = dout matrix^T.
    const auto product_backward = [D](Index count, const float* in, const float* matrix,
                                      const float* dout, float* dmatrix, float* din) {
      gemm({.M = D, .N = D, .K = count, .a_transposed = true, .accumulate = true}, in, D, dout, D,
           dmatrix, D);
      gemm({.M = count, .N = D, .K = D, .b_transposed = true}, dout, D, matrix, D, din, D);
    };

    if (!live.all()) gather_rows({n, live.rows.data()}, D, dy, k.dy);
    product_backward(n, c.gated, w.output, live.all() ? dy : k.dy, dw.output, k.dgated);

    for_live_runs(s, live, [&](const Run& run) {
      const Index packed = run.packed * D, first = run.live * D;
      wkv_read_backward(
          at(c, run, D), w.time_first, c.r + first, k.dgated + first,
          {k.dr + first, k.dk + packed, k.dv + packed, k.dpast + 2 * packed, dw.time_first});
    });
    decays(D, w.time_decay, k.decay);
    std::fill_n(k.ddecay, D, 0.0F);
    for_prefixes(s, live, [&](const Run& run, Index live_end) {
      const Index packed = run.packed * D;
      const LiveRows read = live_rows(live, run, live_end);
      wkv_scan_backward(
          at(c, run, D), k.decay,
          {read.rows, read.start, k.dpast + 2 * packed, k.dk + packed, k.dv + packed, k.ddecay});
    });
    multiply(D, k.decay, k.ddecay);  // the derivative of -e^time_decay is itself
    add(D, k.ddecay, dw.time_decay);

    float* dmixed = k.dpast;  // has served
    product_backward(n, c.xr, w.receptance, k.dr, dw.receptance, dmixed);
    for_live_runs(s, live, [&](const Run& run) {
      inputs.mix_backward(run, w.time_mix_r, dmixed + run.live * D, dx, dw.time_mix_r);
    });
    product_backward(rows, c.xv, w.value, k.dv, dw.value, dmixed);
    for_prefixes(s, live, [&](const Run& run, Index) {
      inputs.mix_backward(run, w.time_mix_v, dmixed + run.packed * D, dx, dw.time_mix_v);
    });
    product_backward(rows, c.xk, w.key, k.dk, dw.key, dmixed);
    for_prefixes(s, live, [&](const Run& run, Index) {
      inputs.mix_backward(run, w.time_mix_k, dmixed + run.packed * D, dx, dw.time_mix_k);
    });
  }

  void step(Index D, const float* w, float* state, const float* x, float* y) const override;

 private:
  friend Plain<RwkvTimeMix, RecurrentBlock>;
  template <class T>
  struct Params {
    T *time_decay, *time_first, *time_mix_k, *time_mix_v, *time_mix_r;
    T *key, *value, *receptance, *output;
    Params(T* w, Index D)
        : time_decay(w),
          time_first(w + D),
          time_mix_k(w + 2 * D),
          time_mix_v(w + 3 * D),
          time_mix_r(w + 4 * D),
          key(w + 5 * D),
          value(key + D * D),
          receptance(value + D * D),
          output(receptance + D * D) {}
  };
  /// The first five packed, the last three at the live rows; past: p, q, o before each position.
  struct Cache {
    float *xk, *xv, *k, *v, *past, *xr, *r, *gated, *shifted;
    Index end = 0;
    Cache(Shape s, Index rows, Index n, const StateFormat& format, float* base) {
      const auto take = [&](Index count) { return slice(base, end, count * s.D); };
      xk = take(rows);
      xv = take(rows);
      k = take(rows);
      v = take(rows);
      past = take(3 * rows);
      xr = take(n);
      r = take(n);
      gated = take(n);
      shifted = slice(base, end, ShiftedInputs::cache_size(s, format));
    }
  };
  struct Scratch {
    float *shifted, *decay, *ddecay, *dy, *dgated, *dr, *dk, *dv, *dpast;
    Index end = 0;
    Scratch(Shape s, Index rows, Index n, float* base) {
      const auto take = [&](Index count) { return slice(base, end, count * s.D); };
      shifted = slice(base, end, ShiftedInputs::scratch_size(s));
      decay = take(1);
      ddecay = take(1);
      dy = take(n);
      dgated = take(n);
      dr = take(n);
      dk = take(rows);
      dv = take(rows);
      dpast = take(2 * rows);
    }
  };
  static Wkv at(const Cache& c, const Run& run, Index D) {
    const Index packed = run.packed * D;
    return {run.n, D, c.k + packed, c.v + packed, c.past + 3 * packed};
  }
  /// w = -e^time_decay.
  static void decays(Index D, const float* time_decay, float* decay) {
    for (Index d = 0; d < D; ++d) decay[d] = -std::exp(time_decay[d]);
  }

  /// The past before each position, the first one empty.
  void scan(Index n, Index D, const float* decay, const float* k, const float* v,
            float* past) const {
    std::fill_n(past, 3 * D, 0.0F);
    if (format_.is_float32()) return wkv_scan(n, D, decay, k, v, past);
    for (Index t = 0; t + 1 < n; ++t) {
      wkv_scan(2, D, decay, k + t * D, v + t * D, past + 3 * t * D);
      format_.round(3 * D, past + 3 * (t + 1) * D);
    }
  }

  template <class S>
  void run(std::span<const double> w, View<const S, 2> x, View<S, 2> y, Index first) const;

  StateFormat format_;
};

std::vector<ParamSpec> RwkvTimeMix::params(Index D) const {
  const auto at = [D](Index i) { return double(i) / double(D); };
  std::vector<ParamSpec> list = {
      rwkv_vector("time_decay", D,
                  [D](RwkvDepth l, Index i) {
                    const double along = D > 1 ? double(i) / double(D - 1) : 0;
                    return -5 + 8 * std::pow(along, 0.7 + 1.3 * l.r0);
                  }),
      rwkv_vector("time_first", D,
                  [](RwkvDepth, Index i) { return std::log(0.3) + 0.5 * double((i + 1) % 3 - 1); }),
      rwkv_vector("time_mix_k", D, [at](RwkvDepth l, Index i) { return std::pow(at(i), l.r1); }),
      rwkv_vector("time_mix_v", D,
                  [at](RwkvDepth l, Index i) { return std::pow(at(i), l.r1) + 0.3 * l.r0; }),
      rwkv_vector("time_mix_r", D,
                  [at](RwkvDepth l, Index i) { return std::pow(at(i), 0.5 * l.r1); }),
      {"key", {D, D}},
      rwkv_orthogonal("value", D, D),
      {"receptance", {D, D}},
      {"output", {D, D}}};
  give_roles("output", list);
  return list;
}

/// The four products; for each channel 10 operations of the scan and 12 where it is read.
double RwkvTimeMix::flops(Shape s, Live outputs) const {
  const auto rows = double(packed_rows(s, outputs)), n = double(outputs.count(s)), D = double(s.D);
  return 4 * D * D * (rows + n) + D * (10 * rows + 12 * n);
}

void RwkvTimeMix::step(Index D, const float* weights, float* state, const float* x,
                       float* y) const {
  const Params<const float> w(weights, D);
  float *before = state, *past = state + D;
  std::vector<float> memory(std::size_t(11 * D));
  float *mixed = memory.data(), *k = mixed + D, *v = k + D, *r = v + D, *decay = r + D;
  float* both = decay + D;  // the past and the next one
  const auto project = [&](const float* mu, const float* matrix, float* out) {
    for (Index d = 0; d < D; ++d) mixed[d] = mu[d] * x[d] + (1 - mu[d]) * before[d];
    gemm({1, D, D}, mixed, D, matrix, D, out, D);
  };
  project(w.time_mix_k, w.key, k);
  project(w.time_mix_v, w.value, v);
  project(w.time_mix_r, w.receptance, r);
  wkv_read({1, D, k, v, past}, w.time_first, r, mixed);
  gemm({1, D, D}, mixed, D, w.output, D, y, D);

  decays(D, w.time_decay, decay);
  std::copy_n(past, 3 * D, both);
  wkv_scan(2, D, decay, k, v, both);
  std::copy_n(both + 3 * D, 3 * D, past);
  std::copy_n(x, D, before);
  format_.round(4 * D, state);
}

template <class S>
void RwkvTimeMix::run(std::span<const double> weights, View<const S, 2> x, View<S, 2> y,
                      Index first) const {
  const Index T = x.extent[0], D = x.extent[1];
  const Params<const double> w(weights.data(), D);
  const S none(0.0);
  std::vector<S> before = zeros_of<S>(D), p = before, q = before, o = before, gated = before;
  for (Index t = 0; t < T; ++t) {
    const S* in = x.data + t * D;
    const auto project = [&](const double* mu, const double* matrix) {
      return product(mix_reference(in, before, mu).data(), D, matrix, D);
    };
    const std::vector<S> k = project(w.time_mix_k, w.key), v = project(w.time_mix_v, w.value);
    const std::vector<S> r = project(w.time_mix_r, w.receptance);
    for (std::size_t d = 0; d < std::size_t(D); ++d) {
      // e^(a - max(a, b)) is written e^-relu(b - a), which is sharp in intervals.
      const S own = k[d] + w.time_first[d];
      const S a = where_positive(q[d], exp(-relu(own - o[d])), none);
      const S b = where_positive(q[d], exp(-relu(o[d] - own)), S(1.0));
      const S wkv = (a * p[d] + b * v[d]) / (a * q[d] + b);
      gated[d] = stored(sigmoid(r[d]) * stored(wkv));

      const S faded = o[d] - constant<S>([](auto rate) { return exp(rate); }, w.time_decay[d]);
      const S e1 = where_positive(q[d], exp(-relu(k[d] - faded)), none);
      const S e2 = where_positive(q[d], exp(-relu(faded - k[d])), S(1.0));
      o[d] = format_.rounded(stored(where_positive(q[d], max(faded, k[d]), k[d])));
      p[d] = format_.rounded(stored(e1 * p[d] + e2 * v[d]));
      q[d] = format_.rounded(stored(e1 * q[d] + e2));
      before[d] = format_.rounded(in[d]);
    }
    if (t >= first) product(gated.data(), D, w.output, D, D, y.data + t * D);
  }
}

}  // namespace

void register_rwkv_time_mix(Registry<Block>& blocks) {
  blocks.add<RwkvTimeMix>("rwkv_time_mix",
                          "RWKV 4: decaying average of values; state 4 d_model numbers");
}

}  // namespace separatrix

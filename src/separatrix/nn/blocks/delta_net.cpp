#include <algorithm>
#include <cmath>

#include "separatrix/kernels/conv.h"
#include "separatrix/nn/blocks/delta_gates.h"
#include "separatrix/nn/blocks/head_output.h"
#include "separatrix/nn/blocks/matrix_state_plain.h"
#include "separatrix/nn/blocks/step_sizes.h"

namespace separatrix {
namespace {

constexpr Index kTaps = 4;               ///< of the convolutions
constexpr double kLengthEpsilon = 1e-6;  ///< of the division by the length of q and k
constexpr double kInitDeviation = 0.02;

template <bool kGated>
struct DeltaNetConfig : HeadsConfig {
  bool negative_eigenvalues = false, output_gate = true;
  DeltaNetConfig() { value_expansion = kGated ? 2 : 1; }
};
template <class V, bool kGated>
void visit(V& v, DeltaNetConfig<kGated>& c) {
  visit_heads(v, c);
  v("negative_eigenvalues", c.negative_eigenvalues,
    "beta in (0, 2) instead of (0, 1): the transition may turn a direction around");
  v("output_gate", c.output_gate, "multiply the heads' outputs by silu(x W_g)");
}

/// The delta rule, and with kGated the gated one. With conv: causal, depthwise, 4 taps; per head
///   q = silu(conv(x W_q)), k = silu(conv(x W_k)), v = silu(conv(x W_v));
///   q <- q / (|q|^2 + 1e-6)^(1/2) / sqrt(dk),  k <- k / (|k|^2 + 1e-6)^(1/2);
///   beta = sigmoid(x W_b), twice that with negative_eigenvalues;
///   log g = -exp(A_log) softplus(x W_a + dt_bias), or 0 if not gated;
///   S <- g_t S;  e_t = beta_t (v_t - S^T k_t);  S_t = S + k_t e_t^T;  o_t = S_t^T q_t;
///   y_t = (silu(x W_g) * o_t / rms(o_t) * norm) W_o.
/// I.e. S_t = g_t (I - beta_t k_t k_t^T) S_(t-1) + beta_t k_t v_t^T, with the eigenvalue 1 - beta_t
/// along k_t. Carried are S and the last 3 inputs of each convolution.
/// [schlag2021, yang2024, yang2024b, grazzi2024; docs/derivations/delta_net.md]
template <bool kGated>
class DeltaNet final : public Plain<DeltaNet<kGated>, RecurrentBlock> {
 public:
  using Config = DeltaNetConfig<kGated>;
  explicit DeltaNet(const Config& config) : config_(config), format_(config) {}

  std::vector<ParamSpec> params(Index D) const override;
  Index state_size(Index D) const override {
    const MatrixStateSizes z = sizes(D);
    return z.state() + (kTaps - 1) * (2 * z.qk() + z.vv());
  }
  Index state_bits(Index D) const override { return format_.bits() * state_size(D); }
  Index cache_size(Shape s) const override { return s.B * Cache(*this, s, nullptr).end; }
  Index scratch_size(Shape s) const override { return Scratch(*this, s, nullptr).end; }
  double flops(Shape s, Live live) const override {
    const MatrixStateSizes z = sizes(s.D);
    double products = 0;
    for_each_sequence(s, live, [&](const LiveSequence& rows) {
      const Index gates = (kGated ? 2 : 1) * z.H;
      products += double(queried(rows).steps * (s.D + kTaps) * z.qk());
      products += double(rows.steps * ((s.D + kTaps) * (z.qk() + z.vv()) + s.D * gates));
      products += double(rows.steps * 2 * z.state());
      products += double(rows.n_live * ((output_gate() ? 2 : 1) * s.D * z.vv() + z.state()));
    });
    return 2 * products;
  }

  void forward(Shape s, Live live, const float* x, float* y, Slots m) const override {
    const Index D = s.D;
    const MatrixStateSizes z = sizes(D);
    const Params<float> w(m.w, *this, D);
    const Scratch tmp(*this, s, m.scratch);
    for_each_sequence(s, live, [&](const LiveSequence& rows) {
      const Cache c(*this, s, m.cache + rows.origin / s.T * Cache(*this, s, nullptr).end);
      const Index steps = rows.steps, n = rows.n_live;
      const float* xs = x + rows.origin * D;
      const LiveSequence from = queried(rows);
      project(from.steps, D, x + from.origin * D, w.q, z.qk(), c.in_q);
      project(steps, D, xs, w.k, z.qk(), c.in_k);
      project(steps, D, xs, w.v, z.vv(), c.in_v);
      causal_conv(convolution(from.steps, z.qk(), w.q_conv, c.in_q, tmp.past), tmp.dq, z.qk());
      causal_conv(convolution(steps, z.qk(), w.k_conv, c.in_k, tmp.past), c.long_k, z.qk());
      causal_conv(convolution(steps, z.vv(), w.v_conv, c.in_v, tmp.past), c.v, z.vv());
      for (Index i = 0; i < n; ++i)
        std::copy_n(tmp.dq + from.time(i) * z.qk(), z.qk(), c.long_q + i * z.qk());
      normalize_rows(length(n, z, true), c.long_q, c.q, c.length_q);
      normalize_rows(length(steps, z, false), c.long_k, c.k, c.length_k);
      gates(w).forward(steps, D, xs, of(c));
      recurrence(z, [&](const auto& state) {
        state.forward(input(rows, z, c), c.o, c.states, tmp.state);
      });
      const float* xn = gather_live(rows, D, x, tmp.x);  // at the live rows
      if (output_gate()) project(n, D, xn, w.g, z.vv(), c.g);
      output(z, w).forward(n, c.o, gate(c), tmp.a, c.r, tmp.output);
      write_live(rows, D, y, tmp.x, [&](float* yn) { project(n, z.vv(), tmp.a, w.o, D, yn); });
    });
  }

  void backward(Shape s, Live live, const float* x, const float* dy, float* dx,
                Slots m) const override {
    const Index D = s.D;
    const MatrixStateSizes z = sizes(D);
    const Params<float> w(m.w, *this, D);
    const Params<float, float*> dw(m.dw, *this, D);
    const Scratch tmp(*this, s, m.scratch);
    for_each_sequence(s, live, [&](const LiveSequence& rows) {
      const Cache c(*this, s, m.cache + rows.origin / s.T * Cache(*this, s, nullptr).end);
      const Index steps = rows.steps, n = rows.n_live;
      const float* dyn = gather_live(rows, D, dy, tmp.x);
      output(z, w).forward(n, c.o, gate(c), tmp.a, c.r, tmp.output);
      gemm({.M = z.vv(), .N = D, .K = n, .a_transposed = true, .accumulate = true}, tmp.a, z.vv(),
           dyn, D, dw.o, D);
      float* d_o = tmp.a;
      gemm({.M = n, .N = z.vv(), .K = D, .b_transposed = true}, dyn, D, w.o, D, d_o, z.vv());
      output(z, w).backward(n, c.o, gate(c), c.r, d_o, tmp.dg, dw.norm, tmp.output);
      recurrence(z, [&](const auto& state) {
        float* dlog_decay = kGated ? tmp.dlog_decay : nullptr;
        state.backward(input(rows, z, c), d_o, {tmp.dq_live, tmp.dk, tmp.dv, dlog_decay, tmp.de_e},
                       c.states, tmp.state);
      });
      const float* xn = gather_live(rows, D, x, tmp.x);
      float* dxn = rows.live == nullptr ? dx + rows.origin * D : tmp.dx;
      if (rows.live != nullptr) std::fill_n(dxn, n * D, 0.0F);
      if (output_gate()) project_backward(n, D, xn, w.g, z.vv(), tmp.dg, dw.g, dxn);
      if (rows.live != nullptr) scatter_add_rows({n, rows.live}, D, dxn, dx);

      const float* xs = x + rows.origin * D;
      float* dxs = dx + rows.origin * D;
      gates(w).backward(steps, D, xs, of(c), {tmp.de_e, tmp.dlog_decay},
                        {dw.b, dw.a, dw.A_log, dw.dt_bias, dxs});
      normalize_rows_backward(length(steps, z, false), c.long_k, c.length_k, tmp.dk, tmp.dk);
      normalize_rows_backward(length(n, z, true), c.long_q, c.length_q, tmp.dq_live, tmp.dq_live);
      const LiveSequence from = queried(rows);
      std::fill_n(tmp.dq, from.steps * z.qk(), 0.0F);
      for (Index i = 0; i < n; ++i)
        std::copy_n(tmp.dq_live + i * z.qk(), z.qk(), tmp.dq + from.time(i) * z.qk());
      convolved_backward({steps, D, z.vv()}, {xs, w.v, w.v_conv, c.in_v}, tmp, tmp.dv,
                         {dxs, dw.v, dw.v_conv});
      convolved_backward({steps, D, z.qk()}, {xs, w.k, w.k_conv, c.in_k}, tmp, tmp.dk,
                         {dxs, dw.k, dw.k_conv});
      convolved_backward({from.steps, D, z.qk()}, {x + from.origin * D, w.q, w.q_conv, c.in_q}, tmp,
                         tmp.dq, {dx + from.origin * D, dw.q, dw.q_conv});
    });
  }

  void step(Index D, const float* w, float* state, const float* x, float* y) const override {
    const Params<float> p(w, *this, D);
    step_in_double(D, state_size(D), state, x, y,
                   [&](double* s, const std::vector<double>& in) { return advance(p, s, in); });
  }

 private:
  friend Plain<DeltaNet, RecurrentBlock>;
  template <class W, class Pointer = const W*>
  struct Params {
    Pointer q, k, v, q_conv, k_conv, v_conv, b, a, A_log, dt_bias, g, norm, o;
    Params(Pointer w, const DeltaNet& block, Index D) {
      const MatrixStateSizes z = block.sizes(D);
      const auto take = [&](Index n) {
        Pointer at = w;
        w += n;
        return at;
      };
      q = take(D * z.qk());
      k = take(D * z.qk());
      v = take(D * z.vv());
      q_conv = take(kTaps * z.qk());
      k_conv = take(kTaps * z.qk());
      v_conv = take(kTaps * z.vv());
      b = take(D * z.H);
      a = take(kGated ? D * z.H : 0);
      A_log = take(kGated ? z.H : 0);
      dt_bias = take(kGated ? z.H : 0);
      g = take(block.output_gate() ? D * z.vv() : 0);
      norm = take(z.dv);
      o = take(z.vv() * D);
    }
  };
  /// Of one sequence: inputs of the convolutions; what they return before it is divided by its
  /// length, q at the live rows; the gates; r: 1 / rms.
  struct Cache {
    float *in_q = nullptr, *in_k = nullptr, *in_v = nullptr, *long_q = nullptr, *long_k = nullptr,
          *length_q = nullptr, *length_k = nullptr, *q = nullptr, *k = nullptr, *v = nullptr;
    float *beta = nullptr, *softplus_input = nullptr, *log_decay = nullptr, *decay = nullptr,
          *g = nullptr, *o = nullptr, *r = nullptr, *states = nullptr;
    Index end = 0;
    Cache(const DeltaNet& block, Shape s, float* base) {
      const MatrixStateSizes z = block.sizes(s.D);
      const auto take = [&](Index n) { return slice(base, end, s.T * n); };
      for (float** part : {&in_q, &in_k, &long_q, &long_k, &q, &k}) *part = take(z.qk());
      for (float** part : {&in_v, &v, &o}) *part = take(z.vv());
      for (float** part : {&length_q, &length_k, &beta, &r}) *part = take(z.H);
      for (float** part : {&softplus_input, &log_decay, &decay}) *part = take(kGated ? z.H : 0);
      g = take(block.output_gate() ? z.vv() : 0);
      block.recurrence(
          z, [&](const auto& state) { states = slice(base, end, state.cache_size(s.T)); });
    }
  };
  struct Scratch {
    float *x = nullptr, *dx = nullptr, *a = nullptr, *dg = nullptr, *dq_live = nullptr,
          *dq = nullptr, *dk = nullptr, *dv = nullptr, *d_in = nullptr, *past = nullptr;
    float *dlog_decay = nullptr, *de_e = nullptr, *output = nullptr, *state = nullptr;
    Index end = 0;
    Scratch(const DeltaNet& block, Shape s, float* base) {
      const MatrixStateSizes z = block.sizes(s.D);
      const Index widest = std::max(z.qk(), z.vv());
      const auto take = [&](Index n) { return slice(base, end, s.T * n); };
      for (float** part : {&x, &dx}) *part = take(s.D);
      for (float** part : {&a, &dg, &dv}) *part = take(z.vv());
      for (float** part : {&dq_live, &dq, &dk}) *part = take(z.qk());
      for (float** part : {&dlog_decay, &de_e}) *part = take(z.H);
      d_in = take(widest);
      past = take(block.format_.is_float32() ? 0 : widest);
      output = slice(base, end, HeadOutput{z.H, z.dv}.scratch_size(s.T));
      block.recurrence(
          z, [&](const auto& recurrent) { state = slice(base, end, recurrent.scratch_size()); });
    }
  };

  MatrixStateSizes sizes(Index D) const {
    MatrixStateSizes z = head_sizes(D, config_);
    z.delta = true;
    return z;
  }
  bool output_gate() const { return config_.output_gate; }
  const float* gate(const Cache& c) const { return output_gate() ? c.g : nullptr; }
  DeltaGates gates(const Params<float>& w) const {
    return {config_.n_heads, float(most_beta()), kGated, w.b, w.a, w.A_log, w.dt_bias};
  }
  static DeltaGates::Values of(const Cache& c) {
    return {c.beta, c.softplus_input, c.log_decay, c.decay};
  }
  double most_beta() const { return config_.negative_eigenvalues ? 2 : 1; }
  HeadOutput output(const MatrixStateSizes& z, const Params<float>& w) const {
    return {z.H, z.dv, float(config_.norm_epsilon), w.norm};
  }
  static RowNorm length(Index rows, const MatrixStateSizes& z, bool of_queries) {
    const float scale = of_queries ? 1 / std::sqrt(float(z.dk)) : 1;
    return {rows * z.H, z.dk, 1, float(kLengthEpsilon), scale};
  }
  /// The rows that the queries of the live ones are made of: from the first tap of the first.
  static LiveSequence queried(const LiveSequence& rows) {
    const Index skipped = std::max<Index>(rows.time(0) - (kTaps - 1), 0);
    return {rows.origin + skipped, rows.steps - skipped, rows.live, rows.n_live};
  }

  template <class F>
  void recurrence(const MatrixStateSizes& z, const F& f) const {
    if (format_.is_float32())
      f(MatrixState(z));
    else
      f(RoundedMatrixState(z, format_));
  }
  static MatrixStateInput input(const LiveSequence& rows, const MatrixStateSizes& z,
                                const Cache& c) {
    return {.rows = rows,
            .q = c.q,
            .k = c.k,
            .v = c.v,
            .log_decay = kGated ? c.log_decay : nullptr,
            .decay_step = kGated ? z.H : 0,
            .decay = kGated ? c.decay : nullptr,
            .beta = c.beta};
  }

  /// silu(conv(x)), x [steps, C]; `past` receives x as it is carried, where that differs.
  CausalConv convolution(Index steps, Index C, const float* w, const float* x, float* past) const {
    CausalConv conv{
        .T = steps, .C = C, .K = kTaps, .w = w, .bias = nullptr, .silu = true, .x = x, .ldx = C};
    if (format_.is_float32()) return conv;
    std::copy_n(x, steps * C, past);
    format_.round(steps * C, past);
    conv.past = past;
    conv.ld_past = C;
    return conv;
  }
  struct Convolved {
    const float *x, *w, *conv, *in;
  };
  struct ConvolvedGradients {
    float *dx, *dw, *dconv;
  };
  /// Of silu(conv(x W)), W [K, N] and x [M, K]; dy is used up.
  void convolved_backward(const Gemm& size, const Convolved& f, const Scratch& tmp, float* dy,
                          const ConvolvedGradients& out) const {
    std::fill_n(tmp.d_in, size.M * size.K, 0.0F);
    causal_conv_backward(convolution(size.M, size.K, f.conv, f.in, tmp.past), dy, size.K,
                         {tmp.d_in, size.K, out.dconv, nullptr});
    project_backward(size.M, size.N, f.x, f.w, size.K, tmp.d_in, out.dw, out.dx);
  }

  /// One position.
  template <class S, class W>
  std::vector<S> advance(const Params<W>& w, S* state, const std::vector<S>& x) const;
  template <class S>
  void run(std::span<const double> weights, View<const S, 2> x, View<S, 2> y, Index first) const {
    const auto [T, D] = x.extent;
    const Params<double> w(weights.data(), *this, D);
    std::vector<S> state = zeros_of<S>(state_size(D));
    for (Index t = 0; t < T; ++t) {
      const std::vector<S> out = advance(w, state.data(), std::vector<S>(&x(t, 0), &x(t, 0) + D));
      if (t >= first) std::copy(out.begin(), out.end(), &y(t, 0));
    }
  }

  Config config_;
  StateFormat format_;
};

template <bool kGated>
std::vector<ParamSpec> DeltaNet<kGated>::params(Index D) const {
  check_heads(D, config_);
  const MatrixStateSizes z = sizes(D);
  const auto normal = [](const char* name, Index in, Index out) {
    return ParamSpec{name, {in, out}, Init::normal, kInitDeviation};
  };
  std::vector<ParamSpec> list = {normal("q", D, z.qk()),
                                 normal("k", D, z.qk()),
                                 normal("v", D, z.vv()),
                                 normal("q_conv", kTaps, z.qk()),
                                 normal("k_conv", kTaps, z.qk()),
                                 normal("v_conv", kTaps, z.vv()),
                                 normal("b", D, z.H)};
  if (kGated) {
    list.push_back(normal("a", D, z.H));
    list.push_back({"A_log", {z.H}, Init::drawn, 0, draw_a_log});
    list.push_back({"dt_bias", {z.H}, Init::drawn, 0, draw_dt_bias});
  }
  if (output_gate()) list.push_back(normal("g", D, z.vv()));
  list.push_back({"norm", {z.dv}, Init::ones});
  list.push_back(normal("o", z.vv(), D));
  return list;
}

template <bool kGated>
template <class S, class W>
std::vector<S> DeltaNet<kGated>::advance(const Params<W>& w, S* state,
                                         const std::vector<S>& x) const {
  const auto D = Index(x.size());
  const MatrixStateSizes z = sizes(D);
  S* tail = state + z.state();
  const auto convolved = [&](const W* matrix, const W* taps, Index width) {
    std::vector<S> out = convolve(format_, kTaps, taps, projected(x, matrix, width), tail);
    tail += (kTaps - 1) * width;
    return out;
  };
  std::vector<S> q = convolved(w.q, w.q_conv, z.qk());
  std::vector<S> k = convolved(w.k, w.k_conv, z.qk());
  const std::vector<S> v = convolved(w.v, w.v_conv, z.vv());
  const std::vector<S> b = projected(x, w.b, z.H);
  std::vector<S> o = zeros_of<S>(z.vv());
  const std::vector<S> a = kGated ? projected(x, w.a, z.H) : std::vector<S>();
  for (Index h = 0; h < z.H; ++h) {
    S *head = state + h * z.dk * z.dv, *out = &o[std::size_t(h * z.dv)];
    S *query = &q[std::size_t(h * z.dk)], *key = &k[std::size_t(h * z.dk)];
    normalize(z.dk, 1, kLengthEpsilon, query);
    normalize(z.dk, 1, kLengthEpsilon, key);
    for (Index i = 0; i < z.dk; ++i) query[i] *= inverse_root<S>(z.dk);
    const S beta = stored(sigmoid(b[std::size_t(h)]) * most_beta());
    HeadStep<S> step{.k = key, .v = &v[std::size_t(h * z.dv)], .beta = &beta};
    S decay(1.0);
    if constexpr (kGated) {
      const S rate = constant<S>([](auto r) { return exp(r); }, double(w.A_log[h]));
      decay = stored(exp(-(rate * softplus(a[std::size_t(h)] + double(w.dt_bias[h])))));
      step.decay = &decay;
    }
    step.advance(z.dk, z.dv, format_, head);
    read_state(z.dk, z.dv, head, query, out);
    normalize(z.dv, double(z.dv), config_.norm_epsilon, out);
    for (Index j = 0; j < z.dv; ++j) out[j] = stored(out[j] * double(w.norm[j]));
  }
  if (output_gate()) {
    const std::vector<S> g = projected(x, w.g, z.vv());
    for (std::size_t j = 0; j < o.size(); ++j) o[j] = stored(o[j] * silu(g[j]));
  }
  return projected(o, w.o, D);
}

}  // namespace

void register_delta_net(Registry<Block>& blocks) {
  blocks.add<DeltaNet<false>>("delta_net", "a matrix state per head, corrected by the delta rule");
  blocks.add<DeltaNet<true>>("gated_delta_net",
                             "the delta rule with a state that decays at a rate of the input");
}

}  // namespace separatrix

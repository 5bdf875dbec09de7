#include <algorithm>
#include <cmath>
#include <numbers>

#include "separatrix/base/rng.h"
#include "separatrix/kernels/conv.h"
#include "separatrix/kernels/scan.h"
#include "separatrix/nn/blocks/conv_parts.h"
#include "separatrix/nn/blocks/mamba_parts.h"
#include "separatrix/nn/blocks/sequences.h"
#include "separatrix/nn/blocks/step_sizes.h"

namespace separatrix {
namespace {

/// Selective state space model, S6. Inner width e = expand d, N states per channel i:
///   (u_t, z_t) = x_t W_in                                              W_in [d, 2e]
///   c_t = silu(b + sum_j w_j * u_{t-K+1+j})                            w [K, e], b [e]: depthwise
///   (r_t, B_t, C_t) = c_t W_x                                          W_x [e, R + 2N]
///   dt_t = softplus(r_t W_dt + b_dt)                                   W_dt [R, e], b_dt [e]
///   A = -exp(A_log)                                                    A_log [e, N]
///   h_t[i, n] = exp(dt_t[i] A[i, n]) h_{t-1}[i, n] + dt_t[i] B_t[n] c_t[i]
///   y_t[i] = sum_n C_t[n] h_t[i, n] + D[i] c_t[i]                      D [e]
///   output = (y_t * silu(z_t)) W_out                                   W_out [e, d]
/// With eigenvalues: signed, 2 exp(dt A) - 1 stands for exp(dt A).
/// Carried, and rounded to the state format: h, and u_{t-K+2} .. u_t.
/// [gu2023, grazzi2024; derivation in docs/derivations/mamba.md]
class Mamba final : public Plain<Mamba, RecurrentBlock> {
 public:
  using Config = MambaConfig;
  explicit Mamba(const Config& config) : config_(config), format_(config) {
    const std::vector<std::string> choices = {"positive", "signed"};
    if (!contains_name(choices, config.eigenvalues))
      throw Error(ErrorKind::spec, "unknown eigenvalues '" + config.eigenvalues + "'",
                  "eigenvalues", did_you_mean(config.eigenvalues, choices));
    for (const auto& [name, value] : {std::pair{"expand", config.expand},
                                      {"d_state", config.d_state},
                                      {"d_conv", config.d_conv}})
      if (value < 1)
        throw Error(ErrorKind::spec, std::string(name) + " must be at least 1", name,
                    "the published sizes are expand 2, d_state 16, d_conv 4");
    if (config.dt_rank < 0)
      throw Error(ErrorKind::spec, "dt_rank must not be negative", "dt_rank",
                  "use 0 for a sixteenth of the model width");
  }

  std::vector<ParamSpec> params(Index d) const override;
  Index state_size(Index d) const override {
    const MambaSizes z = sizes(d);
    return z.e * (z.N + z.K - 1);
  }
  Index state_bits(Index d) const override { return format_.bits() * state_size(d); }
  Index cache_size(Shape s) const override { return s.B * cache(s, nullptr).end; }
  Index scratch_size(Shape s) const override { return scratch(s, nullptr).end; }
  double flops(Shape s, Live outputs) const override;

  void forward(Shape s, Live live, const float* x, float* y, Slots m) const override;
  void backward(Shape s, Live live, const float* x, const float* dy, float* dx,
                Slots m) const override;
  void step(Index d, const float* w, float* state, const float* x, float* y) const override;

 private:
  friend Plain<Mamba, RecurrentBlock>;

  bool signed_decay() const { return config_.eigenvalues == "signed"; }
  /// Steps between the states that are kept: rounded states cannot be computed again.
  Index chunk() const { return format_.is_float32() ? 8 : 1; }
  MambaSizes sizes(Index d) const {
    const Index N = config_.d_state, R = config_.dt_rank == 0 ? (d + 15) / 16 : config_.dt_rank;
    return {d, config_.expand * d, N, config_.d_conv, R, R + 2 * N};
  }
  MambaCache cache(Shape s, float* base) const {
    return {sizes(s.D), s.T, kept_states(s.T, chunk()), !format_.is_float32(), base};
  }
  MambaScratch scratch(Shape s, float* base) const {
    const MambaSizes z = sizes(s.D);
    return {z, s.T, selective_scan_work(z.e, z.N, chunk()), base};
  }
  using Weights = MambaTensors<const float>;

  CausalConv convolution(const MambaSizes& z, Index T, const Weights& w,
                         const MambaCache& c) const {
    CausalConv conv{.T = T, .C = z.e, .K = z.K, .w = w.conv1d, .bias = w.conv1d_bias};
    conv.silu = true;
    conv.x = c.u;
    conv.ldx = z.e;
    conv.past = c.past;
    conv.ld_past = z.e;
    return conv;
  }
  SelectiveScan scan(const MambaSizes& z, const LiveSequence& q, const Weights& w,
                     const MambaCache& c, const float* rate) const {
    SelectiveScan s{.T = q.steps, .E = z.e, .N = z.N, .chunk = chunk()};
    s.signed_decay = signed_decay();
    s.rate = rate;
    s.skip = w.D;
    s.u = c.c;
    s.dt = c.dt;
    s.B = c.projected + z.R;
    s.C = s.B + z.N;
    s.ld = z.P;
    s.outputs = {q.n_live, q.live};
    s.origin = q.live == nullptr ? 0 : q.origin;
    s.h = c.h;
    return s;
  }
  void scan_rounding(const SelectiveScan& s, float* y) const;

  template <class S>
  void run(std::span<const double> w, View<const S, 2> x, View<S, 2> y, Index first) const;

  MambaConfig config_;
  StateFormat format_;
};

/// The published starting values: A_log = log(1 .. N), D = 1; dt_proj_bias so that dt starts
/// log-uniform on [0.001, 0.1]; out_proj smaller the more layers there are.
std::vector<ParamSpec> Mamba::params(Index d) const {
  const MambaSizes z = sizes(d);
  const auto uniform = [](const char* name, std::vector<Index> shape, Index fan_in) {
    return ParamSpec{name, std::move(shape), Init::uniform, 1 / std::sqrt(double(fan_in))};
  };
  ParamSpec dt_bias{"dt_proj_bias", {z.e}, Init::drawn};
  dt_bias.draw = draw_dt_bias;
  ParamSpec A_log{"A_log", {z.e, z.N}, Init::drawn};
  A_log.draw = [N = z.N](LayerPlace, Rng&, std::span<float> values) {
    for (std::size_t i = 0; i < values.size(); ++i)
      values[i] = float(std::log(double(Index(i) % N + 1)));
  };
  ParamSpec out{"out_proj", {z.e, d}, Init::drawn};
  out.draw = [e = z.e](LayerPlace place, Rng& rng, std::span<float> values) {
    const double width = 1 / std::sqrt(double(e) * double(place.count));
    for (float& v : values) v = float(width * (2 * rng.uniform() - 1));
  };
  return {uniform("in_proj", {d, 2 * z.e}, d),
          uniform("conv1d", {z.K, z.e}, z.K),
          uniform("conv1d_bias", {z.e}, z.K),
          uniform("x_proj", {z.e, z.P}, z.e),
          uniform("dt_proj", {z.R, z.e}, z.R),
          dt_bias,
          A_log,
          {"D", {z.e}, Init::ones},
          out};
}

/// Exponentials count nothing; the scan: dt A, dt B c, a h +, and C h + where it is read.
double Mamba::flops(Shape s, Live outputs) const {
  const MambaSizes z = sizes(s.D);
  std::vector<Index> storage;
  storage.reserve(std::size_t(s.rows()));
  const double rows = double(needs(s, outputs, storage).count(s)), read = double(outputs.count(s));
  const double per_row = double(z.e) * double(2 * z.d + 2 * z.K + 2 * z.P + 2 * z.R + 4 * z.N);
  return rows * per_row + read * double(z.e) * double(4 * z.d + 2 * z.N);
}

void Mamba::forward(Shape s, Live live, const float* x, float* y, Slots m) const {
  const MambaSizes z = sizes(s.D);
  const Index d = z.d, e = z.e;
  const Weights w(m.w, z);
  const MambaScratch k = scratch(s, m.scratch);
  scan_rates(e, z.N, w.A_log, k.rate);
  for_each_sequence(s, live, [&](const LiveSequence& q) {
    const Index T = q.steps, n = q.n_live;
    const MambaCache c = cache(s, m.cache + q.origin / s.T * cache(s, nullptr).end);
    const Rows rows{n, q.live};
    const float* xs = x + q.origin * d;
    gemm({.M = T, .N = e, .K = d}, xs, d, w.in_proj, 2 * e, c.u, e);
    if (!format_.is_float32()) {
      std::copy_n(c.u, T * e, c.past);
      format_.round(T * e, c.past);
    }
    causal_conv(convolution(z, T, w, c), c.c, e);
    gemm({.M = T, .N = z.P, .K = e}, c.c, e, w.x_proj, z.P, c.projected, z.P);
    gemm({.M = T, .N = e, .K = z.R}, c.projected, z.P, w.dt_proj, e, c.slope, e);
    bias_softplus(T, e, w.dt_proj_bias, c.slope, c.dt);
    std::fill_n(c.h, z.N * e, 0.0F);
    const SelectiveScan scanned = scan(z, q, w, c, k.rate);
    if (format_.is_float32())
      selective_scan(scanned, c.y);
    else
      scan_rounding(scanned, c.y);

    // From here on live rows only.
    if (q.live != nullptr) gather_rows(rows, d, x, k.x);
    gemm({.M = n, .N = e, .K = d}, q.live == nullptr ? xs : k.x, d, w.in_proj + e, 2 * e, c.z, e);
    swiglu(n * e, c.z, c.y, c.gated);
    float* out = q.live == nullptr ? y + q.origin * d : k.out;
    gemm({.M = n, .N = d, .K = e}, c.gated, e, w.out_proj, d, out, d);
    if (q.live != nullptr) scatter_rows(rows, d, k.out, y);
  });
}

void Mamba::backward(Shape s, Live live, const float* x, const float* dy, float* dx,
                     Slots m) const {
  const MambaSizes z = sizes(s.D);
  const Index d = z.d, e = z.e;
  const Weights w(m.w, z);
  const MambaTensors<float> dw(m.dw, z);
  const MambaScratch k = scratch(s, m.scratch);
  scan_rates(e, z.N, w.A_log, k.rate);
  std::fill_n(k.drate, z.N * e, 0.0F);
  for_each_sequence(s, live, [&](const LiveSequence& q) {
    const Index T = q.steps, n = q.n_live;
    const MambaCache c = cache(s, m.cache + q.origin / s.T * cache(s, nullptr).end);
    const Rows rows{n, q.live};
    const float *xs = x + q.origin * d, *x_live = xs, *dout = dy + q.origin * d;
    float* dxs = dx + q.origin * d;
    if (q.live != nullptr) {
      gather_rows(rows, d, x, k.x);
      gather_rows(rows, d, dy, k.out);
      x_live = k.x;
      dout = k.out;
    }
    const Gemm sum{.a_transposed = true, .accumulate = true};
    const auto weights = [&sum](Index rows_in, Index columns, Index count) {
      Gemm g = sum;
      g.M = rows_in;
      g.N = columns;
      g.K = count;
      return g;
    };
    gemm(weights(e, d, n), c.gated, e, dout, d, dw.out_proj, d);
    gemm({.M = n, .N = e, .K = d, .b_transposed = true}, dout, d, w.out_proj, d, k.dgated, e);
    float *dz = c.gated, *dscan = k.dgated;  // gated has served
    swiglu_backward(n * e, c.z, c.y, k.dgated, dz, dscan);
    gemm(weights(d, e, n), x_live, d, dz, e, dw.in_proj + e, 2 * e);
    float* dx_live = q.live == nullptr ? dxs : k.out;
    gemm({.M = n, .N = d, .K = e, .b_transposed = true, .accumulate = q.live == nullptr}, dz, e,
         w.in_proj + e, 2 * e, dx_live, d);
    if (q.live != nullptr) scatter_add_rows(rows, d, k.out, dx);

    SelectiveScanGradients g{.du = k.dc, .ddt = k.ddt, .ld = z.P, .drate = k.drate};
    g.dB = k.dprojected + z.R;
    g.dC = g.dB + z.N;
    g.dskip = dw.D;
    g.work = k.work;
    selective_scan_backward(scan(z, q, w, c, k.rate), dscan, g);
    multiply(T * e, c.slope, k.ddt);
    column_sums(T, e, k.ddt, dw.dt_proj_bias);
    gemm(weights(z.R, e, T), c.projected, z.P, k.ddt, e, dw.dt_proj, e);
    gemm({.M = T, .N = z.R, .K = e, .b_transposed = true}, k.ddt, e, w.dt_proj, e, k.dprojected,
         z.P);
    gemm(weights(e, z.P, T), c.c, e, k.dprojected, z.P, dw.x_proj, z.P);
    gemm({.M = T, .N = e, .K = z.P, .b_transposed = true, .accumulate = true}, k.dprojected, z.P,
         w.x_proj, z.P, k.dc, e);
    float* du = c.dt;  // has served
    std::fill_n(du, T * e, 0.0F);
    causal_conv_backward(convolution(z, T, w, c), k.dc, e, {du, e, dw.conv1d, dw.conv1d_bias});
    gemm(weights(d, e, T), xs, d, du, e, dw.in_proj, 2 * e);
    gemm({.M = T, .N = d, .K = e, .b_transposed = true, .accumulate = true}, du, e, w.in_proj,
         2 * e, dxs, d);
  });
  for (Index i = 0; i < e; ++i)  // dA_log = dA A
    for (Index j = 0; j < z.N; ++j)
      dw.A_log[i * z.N + j] += k.drate[j * e + i] * k.rate[j * e + i] * std::numbers::ln2_v<float>;
}

/// The scan one step at a time, so that each state is rounded before it is read.
void Mamba::scan_rounding(const SelectiveScan& s, float* y) const {
  const Index size = s.N * s.E;
  Index read = 0;
  for (Index t = 0; t < s.T; ++t) {
    SelectiveScan one = s;
    one.T = 1;
    one.u += t * s.E;
    one.dt += t * s.E;
    one.B += t * s.ld;
    one.C += t * s.ld;
    one.outputs = {};
    one.h += t * size;
    selective_scan(one, y);
    float* h = one.h + size;
    format_.round(size, h);
    if (read == s.outputs.count || s.outputs[read] - s.origin != t) continue;
    float* out = y + read * s.E;
    std::copy_n(s.skip, s.E, out);
    multiply(s.E, one.u, out);
    for (Index n = 0; n < s.N; ++n) axpy(s.E, one.C[n], h + n * s.E, out);
    ++read;
  }
}

void Mamba::step(Index d, const float* w, float* state, const float* x, float* y) const {
  const MambaSizes z = sizes(d);
  const Weights p(w, z);
  float *h = state, *tail = state + z.e * z.N;  // [e, N], [K-1, e]
  const auto times = [](const float* in, Index n, const float* matrix, Index ld, Index columns) {
    std::vector<float> out(std::size_t(columns), 0.0F);
    for (Index i = 0; i < n; ++i)
      for (Index j = 0; j < columns; ++j) out[std::size_t(j)] += in[i] * matrix[i * ld + j];
    return out;
  };
  std::vector<float> uz = times(x, d, p.in_proj, 2 * z.e, 2 * z.e);
  float* c = uz.data();
  conv_step({z.e, z.K, p.conv1d, p.conv1d_bias, true}, format_, tail, c, c);
  const std::vector<float> projected = times(c, z.e, p.x_proj, z.P, z.P);
  const float *B = projected.data() + z.R, *C = B + z.N;
  const std::vector<float> dts = times(projected.data(), z.R, p.dt_proj, z.e, z.e);
  std::vector<float> gated = zeros_of<float>(z.e);
  for (Index i = 0; i < z.e; ++i) {
    const float r = dts[std::size_t(i)] + p.dt_proj_bias[i];
    const float dt = std::max(r, 0.0F) + std::log1p(std::exp(-std::fabs(r)));
    for (Index n = 0; n < z.N; ++n) {
      float a = std::exp(-dt * std::exp(p.A_log[i * z.N + n]));
      if (signed_decay()) a = 2 * a - 1;
      h[i * z.N + n] = a * h[i * z.N + n] + dt * B[n] * c[i];
    }
    format_.round(z.N, h + i * z.N);
    float sum = p.D[i] * c[i];
    for (Index n = 0; n < z.N; ++n) sum += C[n] * h[i * z.N + n];
    const float gate = uz[std::size_t(z.e + i)];
    gated[std::size_t(i)] = sum * gate / (1 + std::exp(-gate));
  }
  std::copy_n(times(gated.data(), z.e, p.out_proj, d, d).data(), d, y);
}

template <class S>
void Mamba::run(std::span<const double> weights, View<const S, 2> x, View<S, 2> y,
                Index /*first*/) const {
  const MambaSizes z = sizes(x.extent[1]);
  const MambaTensors<const double> w(weights.data(), z);
  ConvReference<S> conv({w.conv1d, {z.K, z.e}}, w.conv1d_bias, true);
  std::vector<S> A, h = zeros_of<S>(z.e * z.N), c = zeros_of<S>(z.e), gated = c;
  for (Index i = 0; i < z.e * z.N; ++i)
    A.push_back(constant<S>([](auto v) { return -exp(v); }, w.A_log[i]));
  for (Index t = 0; t < x.extent[0]; ++t) {
    const std::vector<S> uz = product(x.data + t * z.d, z.d, w.in_proj, 2 * z.e);
    conv.step(format_, uz.data(), c.data());
    const std::vector<S> projected = product(c.data(), z.e, w.x_proj, z.P);
    const S *B = projected.data() + z.R, *C = B + z.N;
    const std::vector<S> dts = product(projected.data(), z.R, w.dt_proj, z.e);
    for (Index i = 0; i < z.e; ++i) {
      const S dt = stored(softplus(dts[std::size_t(i)] + w.dt_proj_bias[i]));
      S sum = c[std::size_t(i)] * w.D[i];
      for (Index n = 0; n < z.N; ++n) {
        S& state = h[std::size_t(i * z.N + n)];
        S a = exp(dt * A[std::size_t(i * z.N + n)]);
        if (signed_decay()) a = a * 2.0 - 1.0;
        state = format_.rounded(stored(a * state + dt * B[n] * c[std::size_t(i)]));
        sum += C[n] * state;
      }
      gated[std::size_t(i)] = stored(stored(sum) * silu(uz[std::size_t(z.e + i)]));
    }
    product(gated.data(), z.e, w.out_proj, z.d, z.d, y.data + t * z.d);
  }
}

}  // namespace

void register_mamba(Registry<Block>& blocks) {
  blocks.add<Mamba>("mamba",
                    "selective state space model (S6); state expand d_model (d_state + d_conv - 1)"
                    " numbers");
}

}  // namespace separatrix

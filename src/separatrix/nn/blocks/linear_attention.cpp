#include <algorithm>
#include <cmath>

#include "separatrix/nn/blocks/feature_map.h"
#include "separatrix/nn/blocks/head_output.h"

namespace separatrix {
namespace {

constexpr double kEpsilon = 1e-6;  ///< of the denominator, as published

struct LinearAttentionConfig : HeadsConfig {
  std::string feature_map = "elu+1";
};
template <class V>
void visit(V& v, LinearAttentionConfig& c) {
  v("feature_map", c.feature_map, "elu+1, elementwise_product or taylor");
  visit_heads(v, c);
}

/// For each head, q = x W_q, k = x W_k, v = x W_v and a feature map phi (feature_map.h):
///   S_t = S_(t-1) + phi(k_t) v_t^T,  n_t = n_(t-1) + phi(k_t),  both 0 before the sequence;
///   o_t = S_t^T phi(q_t) / (n_t . phi(q_t) + 1e-6);  y_t = o_t W_o.
/// elementwise_product has no n: o_t = S_t^T phi(q_t) / sqrt(d_head), divided by its root mean
/// square per head and times a gain [dv].
/// n is computed as one more column of S, the one whose value is always 1.
/// [katharopoulos2020, arora2024b; derivation in docs/derivations/linear_attention.md]
class LinearAttention final : public Plain<LinearAttention, RecurrentBlock> {
 public:
  using Config = LinearAttentionConfig;
  explicit LinearAttention(const Config& config) : config_(config), format_(config) {
    if (!contains_name(FeatureMap::names(), config.feature_map))
      throw Error(ErrorKind::spec, "unknown feature map '" + config.feature_map + "'",
                  "feature_map", did_you_mean(config.feature_map, FeatureMap::names()));
  }

  std::vector<ParamSpec> params(Index D) const override {
    check_heads(D, config_);
    const Widths z(*this, D);
    const auto uniform = [](const char* name, Index in, Index out) {
      return ParamSpec{name, {in, out}, Init::uniform, 1 / std::sqrt(double(in))};
    };
    std::vector<ParamSpec> list = {uniform("q", D, z.qk), uniform("k", D, z.qk),
                                   uniform("v", D, z.vv)};
    if (!z.map.is_positive()) {
      for (const char* name : {"q_map_1", "q_map_2", "k_map_1", "k_map_2"})
        list.push_back(uniform(name, z.dk, z.dk));
      list.push_back({"norm", {z.dv}, Init::ones});
    }
    list.push_back(uniform("o", z.vv, D));
    return list;
  }
  Index state_size(Index D) const override { return Widths(*this, D).exact.state(); }
  Index state_bits(Index D) const override { return format_.bits() * state_size(D); }
  Index cache_size(Shape s) const override { return s.B * Cache(*this, s, nullptr).end; }
  Index scratch_size(Shape s) const override { return Scratch(*this, s, nullptr).end; }
  double flops(Shape s, Live live) const override {
    const Widths z(*this, s.D);
    double products = 0;
    for_each_sequence(s, live, [&](const LiveSequence& rows) {
      const Index map = z.map.params() * z.H;
      products += double(rows.steps * (s.D * (z.qk + z.vv) + map + z.exact.state())) +
                  double(rows.n_live * (s.D * (z.qk + z.vv) + map + z.exact.state()));
    });
    return 2 * products;
  }

  void forward(Shape s, Live live, const float* x, float* y, Slots m) const override {
    const Index D = s.D;
    const Widths z(*this, D);
    const Params<float> w(m.w, z);
    const Scratch tmp(*this, s, m.scratch);
    for_each_sequence(s, live, [&](const LiveSequence& rows) {
      const Cache c(*this, s, m.cache + rows.origin / s.T * Cache(*this, s, nullptr).end);
      const Index steps = rows.steps, n = rows.n_live;
      const float* xs = x + rows.origin * D;
      const float* xn = gather_live(rows, D, x, tmp.x);  // at the live rows
      project(n, D, xn, w.q, z.qk, c.q);
      project(steps, D, xs, w.k, z.qk, c.k);
      project(steps, D, xs, w.v, z.vv, tmp.a);
      z.map.forward(n * z.H, c.q, w.q_map, c.phi_q, c.q_maps);
      z.map.forward(steps * z.H, c.k, w.k_map, c.phi_k, c.k_maps);
      if (!z.map.is_positive()) scale(n * z.features(), z.scale(), c.phi_q);
      append_ones(z, steps * z.H, tmp.a, c.v);
      recurrence(
          z, [&](const auto& state) { state.forward(input(rows, c), c.o, c.states, tmp.state); });
      output(z, w, n, c, tmp, tmp.a);
      write_live(rows, D, y, tmp.x, [&](float* yn) { project(n, z.vv, tmp.a, w.o, D, yn); });
    });
  }

  void backward(Shape s, Live live, const float* x, const float* dy, float* dx,
                Slots m) const override {
    const Index D = s.D;
    const Widths z(*this, D);
    const Params<float> w(m.w, z);
    const Params<float, float*> dw(m.dw, z);
    const Scratch tmp(*this, s, m.scratch);
    for_each_sequence(s, live, [&](const LiveSequence& rows) {
      const Cache c(*this, s, m.cache + rows.origin / s.T * Cache(*this, s, nullptr).end);
      const Index steps = rows.steps, n = rows.n_live;
      const float* dyn = gather_live(rows, D, dy, tmp.x);
      output(z, w, n, c, tmp, tmp.a);
      gemm({.M = z.vv, .N = D, .K = n, .a_transposed = true, .accumulate = true}, tmp.a, z.vv, dyn,
           D, dw.o, D);
      gemm({.M = n, .N = z.vv, .K = D, .b_transposed = true}, dyn, D, w.o, D, tmp.a, z.vv);
      output_backward(z, w, n, c, tmp, dw.norm);
      recurrence(z, [&](const auto& state) {
        state.backward(input(rows, c), tmp.d_o, {tmp.dphi_q, tmp.dphi_k, tmp.dv}, c.states,
                       tmp.state);
      });
      drop_ones(z, steps * z.H, tmp.dv, tmp.a);
      if (!z.map.is_positive()) scale(n * z.features(), z.scale(), tmp.dphi_q);
      z.map.backward(steps * z.H, c.k, w.k_map, c.phi_k, tmp.dphi_k, tmp.dk, dw.k_map, c.k_maps,
                     tmp.maps);
      z.map.backward(n * z.H, c.q, w.q_map, c.phi_q, tmp.dphi_q, tmp.dq, dw.q_map, c.q_maps,
                     tmp.maps);

      const float* xs = x + rows.origin * D;
      const float* xn = gather_live(rows, D, x, tmp.x);
      float* dxs = dx + rows.origin * D;
      float* dxn = rows.live == nullptr ? dxs : tmp.dx;
      if (dxn != dxs) std::fill_n(dxn, n * D, 0.0F);
      project_backward(steps, D, xs, w.v, z.vv, tmp.a, dw.v, dxs);
      project_backward(steps, D, xs, w.k, z.qk, tmp.dk, dw.k, dxs);
      project_backward(n, D, xn, w.q, z.qk, tmp.dq, dw.q, dxn);
      if (dxn != dxs) scatter_add_rows({n, rows.live}, D, dxn, dx);
    });
  }

  void step(Index D, const float* w, float* state, const float* x, float* y) const override {
    const Params<float> p(w, Widths(*this, D));
    step_in_double(D, state_size(D), state, x, y,
                   [&](double* s, const std::vector<double>& in) { return advance(p, s, in); });
  }

 private:
  friend Plain<LinearAttention, RecurrentBlock>;
  /// Of all heads qk, vv; `exact` is the state as defined, `z` as computed: its columns padded to
  /// whole vectors where that saves time.
  struct Widths {
    Index D, H, dk, dv, qk, vv;
    FeatureMap map;
    MatrixStateSizes exact, z;
    Widths(const LinearAttention& block, Index d_model) : D(d_model) {
      const MatrixStateSizes heads = head_sizes(D, block.config_);
      H = heads.H, dk = heads.dk, dv = heads.dv, qk = heads.qk(), vv = heads.vv();
      const auto& names = FeatureMap::names();
      const auto at = std::find(names.begin(), names.end(), block.config_.feature_map);
      map = {FeatureMap::Kind(at - names.begin()), dk};
      exact = {H, map.width(), dv + (map.is_positive() ? 1 : 0)};
      z = exact;
      if (block.format_.is_float32() && map.is_positive()) z.dv = padded(z.dv);
    }
    Index features() const { return H * map.width(); }
    float scale() const { return 1 / std::sqrt(float(dk)); }
  };
  template <class W, class Pointer = const W*>
  struct Params {
    Pointer q, k, v, q_map, k_map, norm, o;
    Params(Pointer w, const Widths& z)
        : q(w),
          k(q + z.D * z.qk),
          v(k + z.D * z.qk),
          q_map(v + z.D * z.vv),
          k_map(q_map + z.map.params()),
          norm(k_map + z.map.params()),
          o(norm + (z.map.is_positive() ? 0 : z.dv)) {}
  };
  struct Cache {  // of one sequence; v, o with the column of ones and their sum
    float *q, *k, *q_maps, *k_maps, *phi_q, *phi_k, *v, *o, *r, *states;
    Index end = 0;
    Cache(const LinearAttention& block, Shape s, float* base) {
      const Widths z(block, s.D);
      const auto take = [&](Index n) { return slice(base, end, n); };
      q = take(s.T * z.qk);
      k = take(s.T * z.qk);
      q_maps = take(z.map.cache_size(s.T * z.H));
      k_maps = take(z.map.cache_size(s.T * z.H));
      phi_q = take(s.T * z.features());
      phi_k = take(s.T * z.features());
      v = take(s.T * z.z.vv());
      o = take(s.T * z.z.vv());
      r = take(s.T * z.H);
      block.recurrence(z, [&](const auto& state) { states = take(state.cache_size(s.T)); });
    }
  };
  struct Scratch {
    float *x, *dx, *a, *d_o, *dphi_q, *dphi_k, *dv, *dq, *dk, *maps, *output, *state;
    Index end = 0;
    Scratch(const LinearAttention& block, Shape s, float* base) {
      const Widths z(block, s.D);
      const auto take = [&](Index n) { return slice(base, end, n); };
      x = take(s.T * s.D);
      dx = take(s.T * s.D);
      a = take(s.T * z.vv);
      d_o = take(s.T * z.z.vv());
      dphi_q = take(s.T * z.features());
      dphi_k = take(s.T * z.features());
      dv = take(s.T * z.z.vv());
      dq = take(s.T * z.qk);
      dk = take(s.T * z.qk);
      maps = take(z.map.scratch_size(s.T * z.H));
      output = take(HeadOutput{z.H, z.dv}.scratch_size(s.T));
      block.recurrence(z, [&](const auto& recurrent) { state = take(recurrent.scratch_size()); });
    }
  };

  template <class F>
  void recurrence(const Widths& z, const F& f) const {
    if (format_.is_float32())
      f(MatrixState(z.z));
    else
      f(RoundedMatrixState(z.z, format_));
  }
  static MatrixStateInput input(const LiveSequence& rows, const Cache& c) {
    return {.rows = rows, .q = c.phi_q, .k = c.phi_k, .v = c.v};
  }
  HeadOutput norm_of(const Widths& z, const Params<float>& w) const {
    return {z.H, z.dv, float(config_.norm_epsilon), w.norm};
  }

  /// y [rows, dv + 1 or padded] = (x, 1, 0 ...), where there is a denominator.
  static void append_ones(const Widths& z, Index rows, const float* x, float* y) {
    for (Index i = 0; i < rows; ++i) {
      float* row = y + i * z.z.dv;
      std::copy_n(x + i * z.dv, z.dv, row);
      std::fill(row + z.dv, row + z.z.dv, 0.0F);
      if (z.map.is_positive()) row[z.dv] = 1;
    }
  }
  static void drop_ones(const Widths& z, Index rows, const float* y, float* x) {
    for (Index i = 0; i < rows; ++i) std::copy_n(y + i * z.z.dv, z.dv, x + i * z.dv);
  }

  /// y [n, H dv] = what W_o reads.
  void output(const Widths& z, const Params<float>& w, Index n, const Cache& c, const Scratch& tmp,
              float* y) const {
    if (!z.map.is_positive()) return norm_of(z, w).forward(n, c.o, nullptr, y, c.r, tmp.output);
    for (Index i = 0; i < n * z.H; ++i) {
      const float* o = c.o + i * z.z.dv;
      const float factor = 1 / (o[z.dv] + float(kEpsilon));
      for (Index j = 0; j < z.dv; ++j) y[i * z.dv + j] = factor * o[j];
    }
  }
  /// tmp.a holds the gradient of y; tmp.d_o = that of c.o.
  void output_backward(const Widths& z, const Params<float>& w, Index n, const Cache& c,
                       const Scratch& tmp, float* dnorm) const {
    if (!z.map.is_positive()) {
      std::copy_n(tmp.a, n * z.vv, tmp.d_o);
      return norm_of(z, w).backward(n, c.o, nullptr, c.r, tmp.d_o, nullptr, dnorm, tmp.output);
    }
    for (Index i = 0; i < n * z.H; ++i) {
      const float *o = c.o + i * z.z.dv, *dy = tmp.a + i * z.dv;
      float* d_o = tmp.d_o + i * z.z.dv;
      const float factor = 1 / (o[z.dv] + float(kEpsilon));
      for (Index j = 0; j < z.dv; ++j) d_o[j] = factor * dy[j];
      std::fill(d_o + z.dv, d_o + z.z.dv, 0.0F);
      d_o[z.dv] = -factor * dot(z.dv, d_o, o);
    }
  }

  /// One position.
  template <class S, class W>
  std::vector<S> advance(const Params<W>& w, S* state, const std::vector<S>& x) const {
    const Widths z(*this, Index(x.size()));
    const std::vector<S> q = projected(x, w.q, z.qk), k = projected(x, w.k, z.qk);
    const std::vector<S> v = projected(x, w.v, z.vv);
    std::vector<S> o = zeros_of<S>(z.vv), read = zeros_of<S>(z.exact.dv);
    for (Index h = 0; h < z.H; ++h) {
      const auto part = [&](const std::vector<S>& all, Index width) {
        return std::vector<S>(all.begin() + h * width, all.begin() + (h + 1) * width);
      };
      S *head = state + h * z.exact.dk * z.exact.dv, *out = &o[std::size_t(h * z.dv)];
      const std::vector<S> key = z.map.plain(part(k, z.dk), w.k_map);
      const std::vector<S> query = z.map.plain(part(q, z.dk), w.q_map);
      std::vector<S> value = part(v, z.dv);
      if (z.map.is_positive()) value.emplace_back(1.0);
      HeadStep<S>{.k = key.data(), .v = value.data()}.advance(z.exact.dk, z.exact.dv, format_,
                                                              head);
      read_state(z.exact.dk, z.exact.dv, head, query.data(), read.data());
      for (Index j = 0; j < z.dv; ++j) {
        const S& sum = read[std::size_t(j)];
        if (z.map.is_positive())
          out[j] = stored(sum / (read[std::size_t(z.dv)] + kEpsilon));
        else
          out[j] = sum * inverse_root<S>(z.dk);
      }
      if (z.map.is_positive()) continue;
      normalize(z.dv, double(z.dv), config_.norm_epsilon, out);
      for (Index j = 0; j < z.dv; ++j) out[j] = stored(out[j] * double(w.norm[j]));
    }
    return projected(o, w.o, z.D);
  }
  template <class S>
  void run(std::span<const double> weights, View<const S, 2> x, View<S, 2> y, Index first) const {
    const auto [T, D] = x.extent;
    const Params<double> w(weights.data(), Widths(*this, D));
    std::vector<S> state = zeros_of<S>(state_size(D));
    for (Index t = 0; t < T; ++t) {
      const std::vector<S> out = advance(w, state.data(), std::vector<S>(&x(t, 0), &x(t, 0) + D));
      if (t >= first) std::copy(out.begin(), out.end(), &y(t, 0));
    }
  }

  Config config_;
  StateFormat format_;
};

}  // namespace

void register_linear_attention(Registry<Block>& blocks) {
  blocks.add<LinearAttention>("linear_attention",
                              "attention whose weights are products of features, with their sums "
                              "as the state");
}

}  // namespace separatrix

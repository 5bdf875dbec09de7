#include "separatrix/kernels/aaren.h"

#include <algorithm>
#include <cmath>

#include "separatrix/nn/blocks/plain_math.h"
#include "separatrix/nn/blocks/sequence_runs.h"
#include "separatrix/nn/buffer.h"
#include "separatrix/nn/state_format.h"

namespace separatrix {
namespace {

struct AarenConfig : StateFormatConfig {
  Index n_heads = 1, d_head = 0;
};
template <class V>
void visit(V& v, AarenConfig& c) {
  visit_state_format(v, c);
  v("n_heads", c.n_heads, "heads, each with its own query");
  v("d_head", c.d_head, "width of a head's query, keys and values; 0 = d_model / n_heads");
}

/// Attention whose query does not depend on the input, as a recurrence. Per head, of width d:
///   s_t = <q, x_t W_k> / sqrt(d),  v_t = x_t W_v;
///   m_t = max(m_{t-1}, s_t),  u_t = e^{m_{t-1} - m_t} u_{t-1} + e^{s_t - m_t},
///   w_t = e^{m_{t-1} - m_t} w_{t-1} + e^{s_t - m_t} v_t,
/// so that w_t / u_t = sum_{j <= t} softmax_j(s_j) v_j; y_t = (w_t / u_t of all heads) W_o. W_k and
/// q meet in the scores only, which are computed as s_t = x_t a, a = W_k q / sqrt(d).
/// State: m, u, w of each head, rounded to the state format; u = 0 is the empty prefix, whatever m
/// and w, and its average is 0. [feng2024; derivation in docs/derivations/aaren.md]
class Aaren final : public Plain<Aaren, RecurrentBlock> {
 public:
  using Config = AarenConfig;
  explicit Aaren(const Config& config)
      : H_(config.n_heads), d_head_(config.d_head), format_(config) {}

  std::vector<ParamSpec> params(Index D) const override {
    const auto require = [](bool holds, const char* field, const std::string& what,
                            const char* hint) {
      if (!holds) throw Error(ErrorKind::spec, what, field, hint);
    };
    require(H_ >= 1, "n_heads", "n_heads must be at least 1", "use 1 for a single head");
    require(d_head_ >= 0, "d_head", "d_head must not be negative", "use 0 for d_model / n_heads");
    require(d_head_ > 0 || D % H_ == 0, "n_heads",
            std::to_string(H_) + " heads do not divide the width " + std::to_string(D),
            "change n_heads or give d_head");
    const Index V = width(D);
    const auto uniform = [](const char* name, Index in, Index out) {
      return ParamSpec{name, {in, out}, Init::uniform, 1 / std::sqrt(double(in))};
    };
    return {{"q", {H_, V / H_}, Init::normal, 1},
            uniform("k", D, V),
            uniform("v", D, V),
            uniform("o", V, D)};
  }
  Index state_size(Index D) const override { return width(D) + 2 * H_; }
  Index state_bits(Index D) const override { return format_.bits() * state_size(D); }

  Index cache_size(Shape s) const override {
    return Cache(s, s.rows(), s.rows(), {H_, width(s.D)}, nullptr).end;
  }
  Index scratch_size(Shape s) const override {
    return Scratch(s, s.rows(), s.rows(), {H_, width(s.D)}, nullptr).end;
  }
  /// Values, scores and the recurrence up to the last live row, W_o at the live rows.
  double flops(Shape s, Live outputs) const override {
    const auto rows = double(packed_rows(s, outputs)), n = double(outputs.count(s));
    const auto D = double(s.D), H = double(H_), V = double(width(s.D));
    return rows * (2 * D * (V + H) + 3 * V) + n * 2 * D * V;
  }

  void forward(Shape s, Live live, const float* x, float* y, Slots m) const override {
    const Index D = s.D, H = H_, V = width(D), rows = packed_rows(s, live), n = live.count(s);
    const Params<const float> w(m.w, D, V);
    const Cache c(s, rows, n, {H, V}, m.cache);
    const Scratch k(s, rows, n, {H, V}, m.scratch);
    const float* xs = packed_inputs(s, live, rows, x, c.x);

    score_vectors(D, w, k.a);
    gemm({rows, H, D}, xs, D, k.a, H, k.scores, H);
    gemm({rows, V, D}, xs, D, w.v, V, c.v, V);
    for_prefixes(s, live, [&](const Run& run, Index end) {
      scan(sequence(c, k.scores, live, run, end), k.state, c.weights + 3 * run.packed * H,
           c.mean + run.live * V);
    });
    float* out = live.all() ? y : k.dy;
    gemm({n, D, V}, c.mean, V, w.o, D, out, D);
    if (!live.all()) scatter_rows({n, live.rows.data()}, D, out, y);
  }

  void backward(Shape s, Live live, const float* x, const float* dy, float* dx,
                Slots m) const override {
    const Index D = s.D, H = H_, V = width(D), rows = packed_rows(s, live), n = live.count(s);
    const Params<const float> w(m.w, D, V);
    const Params<float> dw(m.dw, D, V);
    const Cache c(s, rows, n, {H, V}, m.cache);
    const Scratch k(s, rows, n, {H, V}, m.scratch);
    const bool whole = rows == s.rows();
    const float* xs = whole ? x : c.x;

    if (!live.all()) gather_rows({n, live.rows.data()}, D, dy, k.dy);
    const float* dout = live.all() ? dy : k.dy;
    gemm({.M = V, .N = D, .K = n, .a_transposed = true, .accumulate = true}, c.mean, V, dout, D,
         dw.o, D);
    gemm({.M = n, .N = V, .K = D, .b_transposed = true}, dout, D, w.o, D, k.dmean, V);
    float *ds = k.scores, *da = k.da;
    for_prefixes(s, live, [&](const Run& run, Index end) {
      aaren_scan_backward(
          sequence(c, nullptr, live, run, end),
          {c.weights + 3 * run.packed * H, c.mean + run.live * V, k.dmean + run.live * V},
          ds + run.packed * H, k.dv + run.packed * V, k.state);
    });
    gemm({.M = D, .N = V, .K = rows, .a_transposed = true, .accumulate = true}, xs, D, k.dv, V,
         dw.v, V);
    gemm({.M = D, .N = H, .K = rows, .a_transposed = true}, xs, D, ds, H, da, H);
    score_vectors(D, w, k.a);
    score_vectors_backward(D, w, da, dw);
    float* dxs = whole ? dx : k.dx;
    gemm({.M = rows, .N = D, .K = V, .b_transposed = true, .accumulate = whole}, k.dv, V, w.v, V,
         dxs, D);
    gemm({.M = rows, .N = D, .K = H, .b_transposed = true, .accumulate = true}, ds, H, k.a, H, dxs,
         D);
    if (whole) return;
    for_prefixes(s, live, [&](const Run& run, Index) {
      add(run.n * D, dxs + run.packed * D, dx + run.row * D);
    });
  }

  void step(Index D, const float* weights, float* state, const float* x, float* y) const override {
    const Index H = H_, V = width(D);
    const Params<const float> w(weights, D, V);
    std::vector<float> memory(std::size_t(D * H + 4 * H + 2 * V));
    float *a = memory.data(), *s = a + D * H, *shares = s + H, *v = shares + 3 * H, *mean = v + V;
    score_vectors(D, w, a);
    gemm({1, H, D}, x, D, a, H, s, H);
    gemm({1, V, D}, x, D, w.v, V, v, V);
    advance({1, H, V / H, s, v, {1}}, state, shares, mean);
    gemm({1, D, V}, mean, V, w.o, D, y, D);
  }

 private:
  friend Plain<Aaren, RecurrentBlock>;
  template <class T>
  struct Params {
    T *q, *k, *v, *o;
    Params(T* w, Index D, Index V) : q(w), k(w + V), v(k + D * V), o(v + D * V) {}
  };
  struct Sizes {
    Index H, V;
  };
  /// mean at the live rows, the others packed; weights: see aaren_scan.
  struct Cache {
    float *x, *v, *weights, *mean;
    Index V, end = 0;
    Cache(Shape s, Index rows, Index n, Sizes z, float* base) : V(z.V) {
      x = slice(base, end, rows * s.D);
      v = slice(base, end, rows * V);
      weights = slice(base, end, 3 * rows * z.H);
      mean = slice(base, end, n * V);
    }
  };
  struct Scratch {
    float *a, *da, *state, *scores, *dy, *dmean, *dv, *dx;
    Index end = 0;
    Scratch(Shape s, Index rows, Index n, Sizes z, float* base) {
      a = slice(base, end, s.D * z.H);
      da = slice(base, end, s.D * z.H);
      state = slice(base, end, z.V + 2 * z.H);
      scores = slice(base, end, rows * z.H);
      dy = slice(base, end, n * s.D);
      dmean = slice(base, end, n * z.V);
      dv = slice(base, end, rows * z.V);
      dx = slice(base, end, rows * s.D);
    }
  };
  /// Of all heads together.
  Index width(Index D) const { return d_head_ == 0 ? D : H_ * d_head_; }

  /// The needed rows one behind the other: x itself where all are.
  static const float* packed_inputs(Shape s, Live live, Index rows, const float* x, float* xs) {
    if (rows == s.rows()) return x;
    for_prefixes(s, live, [&](const Run& run, Index) {
      std::copy_n(x + run.row * s.D, run.n * s.D, xs + run.packed * s.D);
    });
    return xs;
  }
  AarenSequence sequence(const Cache& c, const float* scores, Live live, const Run& run,
                         Index live_end) const {
    AarenSequence one{run.n, H_, c.V / H_};
    if (scores != nullptr) one.s = scores + run.packed * H_;
    one.v = c.v + run.packed * c.V;
    const LiveRows read = live_rows(live, run, live_end);
    one.read = read.rows;
    one.start = read.start;
    return one;
  }

  /// a [D, H] = W_k q / sqrt(d), a column for each head.
  void score_vectors(Index D, const Params<const float>& w, float* a) const {
    const Index V = width(D), d = V / H_;
    const float scale = 1 / std::sqrt(float(d));
    for (Index i = 0; i < D; ++i)
      for (Index h = 0; h < H_; ++h)
        a[i * H_ + h] = scale * dot(d, w.k + i * V + h * d, w.q + h * d);
  }
  void score_vectors_backward(Index D, const Params<const float>& w, const float* da,
                              const Params<float>& dw) const {
    const Index V = width(D), d = V / H_;
    const float scale = 1 / std::sqrt(float(d));
    for (Index i = 0; i < D; ++i)
      for (Index h = 0; h < H_; ++h) {
        const float g = scale * da[i * H_ + h];
        axpy(d, g, w.q + h * d, dw.k + i * V + h * d);
        axpy(d, g, w.k + i * V + h * d, dw.q + h * d);
      }
  }

  /// From the empty prefix.
  void scan(const AarenSequence& s, float* state, float* weights, float* mean) const {
    const Index V = s.H * s.d;
    std::fill_n(state, V + 2 * s.H, 0.0F);
    if (format_.is_float32()) return aaren_scan(s, state, weights, mean);
    Index next = 0;
    for (Index t = 0; t < s.n; ++t) {
      const bool read = next < s.read.count && s.read[next] == s.start + t;
      const AarenSequence one{1, s.H, s.d, s.s + t * s.H, s.v + t * V, {read ? 1 : 0}};
      advance(one, state, weights + 3 * t * s.H, mean + next * V);
      if (read) ++next;
    }
  }
  /// One position: what is read of the state is rounded.
  void advance(const AarenSequence& one, float* state, float* weights, float* mean) const {
    aaren_scan(one, state, weights, mean);
    if (format_.is_float32()) return;
    const float *u = state + one.H, *w = u + one.H;
    format_.round(one.H * (one.d + 2), state);
    for (Index h = 0; h < one.H; ++h) {
      const float scale = u[h] > 0 ? 1 / u[h] : 0;
      weights[2 * one.H + h] = scale;
      if (one.read.count == 0) continue;
      for (Index i = h * one.d; i < (h + 1) * one.d; ++i) mean[i] = w[i] * scale;
    }
  }

  template <class S>
  void run(std::span<const double> w, View<const S, 2> x, View<S, 2> y, Index first) const;

  Index H_, d_head_;
  StateFormat format_;
};

template <class S>
void Aaren::run(std::span<const double> weights, View<const S, 2> x, View<S, 2> y,
                Index first) const {
  const Index T = x.extent[0], D = x.extent[1], V = width(D), d = V / H_;
  const Params<const double> p(weights.data(), D, V);
  const S root = constant<S>([](auto n) { return sqrt(n); }, double(d)), none(0.0);
  std::vector<S> m = zeros_of<S>(H_), u = m, w = zeros_of<S>(V), mean = w;
  for (Index t = 0; t < T; ++t) {
    const S* in = x.data + t * D;
    const std::vector<S> k = product(in, D, p.k, V), v = product(in, D, p.v, V);
    for (Index h = 0; h < H_; ++h) {
      S score(0.0), &most = m[std::size_t(h)], &sum = u[std::size_t(h)];
      for (Index i = h * d; i < (h + 1) * d; ++i) score += k[std::size_t(i)] * p.q[i];
      score = stored(score / root);
      // e^(a - max(a, b)) is written e^-relu(b - a), which is sharp in intervals.
      const S old = where_positive(sum, exp(-relu(score - most)), none);
      const S own = where_positive(sum, exp(-relu(most - score)), S(1.0));
      most = format_.rounded(stored(where_positive(sum, max(most, score), score)));
      sum = format_.rounded(stored(old * sum + own));
      for (Index i = h * d; i < (h + 1) * d; ++i) {
        S& at = w[std::size_t(i)];
        at = format_.rounded(stored(old * at + own * v[std::size_t(i)]));
        mean[std::size_t(i)] = stored(where_positive(sum, at / sum, none));
      }
    }
    if (t >= first) product(mean.data(), V, p.o, D, D, y.data + t * D);
  }
}

}  // namespace

void register_aaren(Registry<Block>& blocks) {
  blocks.add<Aaren>("aaren", "attention with a constant query; state d_model + 2 n_heads numbers");
}

}  // namespace separatrix

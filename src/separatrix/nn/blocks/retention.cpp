#include <algorithm>
#include <cmath>

#include "separatrix/nn/blocks/head_output.h"
#include "separatrix/nn/blocks/matrix_state_plain.h"

namespace separatrix {
namespace {

struct RetentionConfig : HeadsConfig {
  RetentionConfig() { norm_epsilon = 1e-6; }
};
template <class V>
void visit(V& v, RetentionConfig& c) {
  visit_heads(v, c);
}

/// Multi-scale retention, for heads i = 0 .. H-1 with keys of width dk and values of width dv:
///   q = x W_q,  k = x W_k / sqrt(dk),  v = x W_v,  g = x W_g
///   q_n, k_n <- turned by n theta_j in each pair j of channels, theta_j = 10000^(-j / (dk/2 - 1))
///   S_n = gamma_i S_(n-1) + k_n v_n^T,  S_(-1) = 0,  gamma_i = 1 - 2^(-5 - i)
///   o_n = S_n^T q_n
///   y_n = (silu(g_n) * o_n / rms(o_n)) W_o
/// What is carried (and rounded) is R^-n S_n, R the turn by theta: then no position is needed,
///   S'_n = gamma_i R^-1 S'_(n-1) + k_n v_n^T with k, q before they are turned.
/// [sun2023; derivation in docs/derivations/retention.md]
class Retention final : public Plain<Retention, RecurrentBlock> {
 public:
  using Config = RetentionConfig;
  explicit Retention(const Config& config) : config_(config), format_(config) {}

  std::vector<ParamSpec> params(Index D) const override {
    check_heads(D, config_);
    const MatrixStateSizes z = sizes(D);
    const auto xavier = [](const char* name, Index in, Index out, double gain) {
      const double width = gain * std::sqrt(6 / double(in + out));
      return ParamSpec{name, {in, out}, Init::uniform, width};
    };
    const double gain = std::exp2(-2.5);
    return {xavier("q", D, z.qk(), gain), xavier("k", D, z.qk(), gain),
            xavier("v", D, z.vv(), gain), xavier("g", D, z.vv(), gain),
            xavier("o", z.vv(), D, 0.5)};
  }
  Index state_size(Index D) const override { return sizes(D).state(); }
  Index state_bits(Index D) const override { return format_.bits() * state_size(D); }
  Index cache_size(Shape s) const override { return s.B * Cache(*this, s, nullptr).end; }
  Index scratch_size(Shape s) const override { return Scratch(*this, s, nullptr).end; }
  double flops(Shape s, Live live) const override {
    const MatrixStateSizes z = sizes(s.D);
    double products = 0;
    for_each_sequence(s, live, [&](const LiveSequence& rows) {
      products += double(rows.steps * (s.D * (z.qk() + z.vv()) + z.state())) +
                  double(rows.n_live * (s.D * (z.qk() + 2 * z.vv()) + z.state()));
    });
    return 2 * products;
  }

  void forward(Shape s, Live live, const float* x, float* y, Slots m) const override {
    const Index D = s.D;
    const MatrixStateSizes z = sizes(D);
    const Params<float> w(m.w, D, z);
    const Scratch tmp(*this, s, m.scratch);
    fill_turns(s.T, z, tmp);
    for_each_sequence(s, live, [&](const LiveSequence& rows) {
      const Cache c(*this, s, m.cache + rows.origin / s.T * Cache(*this, s, nullptr).end);
      const Index steps = rows.steps, n = rows.n_live;
      const float* xs = x + rows.origin * D;
      const float* xn = gather_live(rows, D, x, tmp.x);  // at the live rows
      project(n, D, xn, w.q, z.qk(), c.q);
      project(steps, D, xs, w.k, z.qk(), c.k);
      project(steps, D, xs, w.v, z.vv(), c.v);
      project(n, D, xn, w.g, z.vv(), c.g);
      scale(steps * z.qk(), 1 / std::sqrt(float(z.dk)), c.k);
      if (format_.is_float32()) turn(rows, z, tmp, 1, c.q, c.k);
      recurrence(z, tmp, [&](const auto& state) {
        state.forward(input(rows, tmp, c), c.o, c.states, tmp.state);
      });
      output(z).forward(n, c.o, c.g, tmp.a, c.r, tmp.output);
      write_live(rows, D, y, tmp.x, [&](float* yn) { project(n, z.vv(), tmp.a, w.o, D, yn); });
    });
  }

  void backward(Shape s, Live live, const float* x, const float* dy, float* dx,
                Slots m) const override {
    const Index D = s.D;
    const MatrixStateSizes z = sizes(D);
    const Params<float> w(m.w, D, z);
    const Params<float, float*> dw(m.dw, D, z);
    const Scratch tmp(*this, s, m.scratch);
    fill_turns(s.T, z, tmp);
    for_each_sequence(s, live, [&](const LiveSequence& rows) {
      const Cache c(*this, s, m.cache + rows.origin / s.T * Cache(*this, s, nullptr).end);
      const Index steps = rows.steps, n = rows.n_live;
      const float* dyn = gather_live(rows, D, dy, tmp.x);
      output(z).forward(n, c.o, c.g, tmp.a, c.r, tmp.output);
      gemm({.M = z.vv(), .N = D, .K = n, .a_transposed = true, .accumulate = true}, tmp.a, z.vv(),
           dyn, D, dw.o, D);
      float *d_o = tmp.a, *dg = tmp.dg, *dq = tmp.dq, *dk = tmp.dk, *dv = tmp.dv;
      gemm({.M = n, .N = z.vv(), .K = D, .b_transposed = true}, dyn, D, w.o, D, d_o, z.vv());
      output(z).backward(n, c.o, c.g, c.r, d_o, dg, nullptr, tmp.output);
      recurrence(z, tmp, [&](const auto& state) {
        state.backward(input(rows, tmp, c), d_o, {dq, dk, dv}, c.states, tmp.state);
      });
      if (format_.is_float32()) turn(rows, z, tmp, -1, dq, dk);
      scale(steps * z.qk(), 1 / std::sqrt(float(z.dk)), dk);

      const float* xs = x + rows.origin * D;
      const float* xn = gather_live(rows, D, x, tmp.x);
      float* dxs = dx + rows.origin * D;
      float* dxn = rows.live == nullptr ? dxs : tmp.dx;
      if (dxn != dxs) std::fill_n(dxn, n * D, 0.0F);
      project_backward(n, D, xn, w.g, z.vv(), dg, dw.g, dxn);
      project_backward(steps, D, xs, w.v, z.vv(), dv, dw.v, dxs);
      project_backward(steps, D, xs, w.k, z.qk(), dk, dw.k, dxs);
      project_backward(n, D, xn, w.q, z.qk(), dq, dw.q, dxn);
      if (dxn != dxs) scatter_add_rows({n, rows.live}, D, dxn, dx);
    });
  }

  void step(Index D, const float* w, float* state, const float* x, float* y) const override {
    const Params<float> p(w, D, sizes(D));
    step_in_double(D, state_size(D), state, x, y, [&](double* s, const std::vector<double>& in) {
      return advance(p, std::nullopt, s, in);
    });
  }

 private:
  friend Plain<Retention, RecurrentBlock>;
  template <class W, class Pointer = const W*>
  struct Params {
    Pointer q, k, v, g, o;
    Params(Pointer w, Index D, const MatrixStateSizes& z)
        : q(w), k(q + D * z.qk()), v(k + D * z.qk()), g(v + D * z.vv()), o(g + D * z.vv()) {}
  };
  struct Cache {  // of one sequence; q and k turned; r: 1 / rms
    float *q, *k, *v, *g, *o, *r, *states;
    Index end = 0;
    Cache(const Retention& block, Shape s, float* base) {
      const MatrixStateSizes z = block.sizes(s.D);
      const auto take = [&](Index n) { return slice(base, end, n); };
      q = take(s.T * z.qk());
      k = take(s.T * z.qk());
      v = take(s.T * z.vv());
      g = take(s.T * z.vv());
      o = take(s.T * z.vv());
      r = take(s.T * z.H);
      block.recurrence(z, {}, [&](const auto& state) { states = take(state.cache_size(s.T)); });
    }
  };
  struct Scratch {
    float *cos = nullptr, *sin = nullptr, *log_decay = nullptr;  // [T, dk]; [H]
    float *x, *dx, *a, *dg, *dq, *dk, *dv, *output, *state;
    Index end = 0;
    /// Of one step.
    const float* turn_cos(const MatrixStateSizes& z) const { return cos ? cos + z.dk : nullptr; }
    const float* turn_sin(const MatrixStateSizes& z) const { return sin ? sin + z.dk : nullptr; }
    Scratch() = default;
    Scratch(const Retention& block, Shape s, float* base) {
      const MatrixStateSizes z = block.sizes(s.D);
      const auto take = [&](Index n) { return slice(base, end, n); };
      cos = take(std::max<Index>(s.T, 2) * z.dk);
      sin = take(std::max<Index>(s.T, 2) * z.dk);
      log_decay = take(z.H);
      x = take(s.T * s.D);
      dx = take(s.T * s.D);
      a = take(s.T * z.vv());
      dg = take(s.T * z.vv());
      dq = take(s.T * z.qk());
      dk = take(s.T * z.qk());
      dv = take(s.T * z.vv());
      output = take(block.output(z).scratch_size(s.T));
      block.recurrence(z, {},
                       [&](const auto& recurrent) { state = take(recurrent.scratch_size()); });
    }
  };

  MatrixStateSizes sizes(Index D) const { return head_sizes(D, config_); }
  HeadOutput output(const MatrixStateSizes& z) const {
    return {z.H, z.dv, float(config_.norm_epsilon)};
  }
  static double gamma(Index head) { return 1 - std::exp2(-5 - double(head)); }
  /// theta_j of the pair of channels that i is in.
  template <class S>
  static S theta(Index i, Index dk) {
    const Index pairs = dk / 2, pair = i / 2;
    if (pairs < 2) return S(1.0);
    const auto log_base = constant<S>([](auto v) { return log(v); }, 10000);
    return exp(log_base * -double(pair) / double(pairs - 1));
  }
  /// Calls f with what computes the recurrence.
  template <class F>
  void recurrence(const MatrixStateSizes& z, const Scratch& tmp, const F& f) const {
    if (format_.is_float32())
      f(MatrixState(z));
    else
      f(RoundedMatrixState(z, format_, tmp.turn_cos(z), tmp.turn_sin(z)));
  }
  static MatrixStateInput input(const LiveSequence& rows, const Scratch& tmp, const Cache& c) {
    return {.rows = rows, .q = c.q, .k = c.k, .v = c.v, .log_decay = tmp.log_decay};
  }

  /// cos, sin [T, dk] of the angles of all positions, and the logarithms of the decays.
  static void fill_turns(Index T, const MatrixStateSizes& z, const Scratch& tmp);
  /// Turns q of the live rows and k of all steps by their positions, or back.
  static void turn(const LiveSequence& rows, const MatrixStateSizes& z, const Scratch& tmp,
                   float sign, float* q, float* k) {
    for (Index i = 0; i < rows.n_live; ++i) {
      const Index at = rows.time(i) * z.dk;
      rotate_pairs(z.H, z.dk, tmp.cos + at, tmp.sin + at, sign, q + i * z.qk());
    }
    for (Index t = 0; t < rows.steps; ++t)
      rotate_pairs(z.H, z.dk, tmp.cos + t * z.dk, tmp.sin + t * z.dk, sign, k + t * z.qk());
  }

  /// One position. Where it is known q and k are turned, else the state.
  template <class S, class W>
  std::vector<S> advance(const Params<W>& w, std::optional<Index> position, S* state,
                         const std::vector<S>& x) const;
  template <class S>
  void run(std::span<const double> w, View<const S, 2> x, View<S, 2> y, Index first) const;

  Config config_;
  StateFormat format_;
};

void Retention::fill_turns(Index T, const MatrixStateSizes& z, const Scratch& tmp) {
  constexpr Index kTogether = 8;  // pairs, so that their chains of products overlap
  for (Index h = 0; h < z.H; ++h) tmp.log_decay[h] = float(std::log(gamma(h)));
  for (Index begin = 0; begin < z.dk; begin += 2 * kTogether) {
    const Index pairs = std::min(kTogether, (z.dk - begin + 1) / 2);
    double re[kTogether], im[kTogether], cos[kTogether], sin[kTogether];
    for (Index j = 0; j < pairs; ++j) {
      const Index i = begin + 2 * j;
      const double angle = i + 1 < z.dk ? theta<double>(i, z.dk) : 0;
      re[j] = std::cos(angle), im[j] = std::sin(angle);
      cos[j] = 1, sin[j] = 0;
    }
    // The powers of e^(i theta), one after the other: an error of 1e-16 a position.
    for (Index t = 0; t < std::max<Index>(T, 2); ++t)
      for (Index j = 0; j < pairs; ++j) {
        const Index i = begin + 2 * j, at = t * z.dk + i;
        tmp.cos[at] = float(cos[j]);
        tmp.sin[at] = -float(sin[j]);
        if (i + 1 < z.dk) {
          tmp.cos[at + 1] = float(cos[j]);
          tmp.sin[at + 1] = float(sin[j]);
        }
        const double next = cos[j] * re[j] - sin[j] * im[j];
        sin[j] = sin[j] * re[j] + cos[j] * im[j];
        cos[j] = next;
      }
  }
}

template <class S, class W>
std::vector<S> Retention::advance(const Params<W>& w, std::optional<Index> position, S* state,
                                  const std::vector<S>& x) const {
  const auto D = Index(x.size());
  const MatrixStateSizes z = sizes(D);
  std::vector<S> q = projected(x, w.q, z.qk()), k = projected(x, w.k, z.qk());
  const std::vector<S> v = projected(x, w.v, z.vv()), g = projected(x, w.g, z.vv());
  for (S& number : k) number *= inverse_root<S>(z.dk);
  std::vector<S> turn_cos(std::size_t(z.dk), S(1.0)), turn_sin = zeros_of<S>(z.dk);
  for (Index i = 0; i < z.dk; ++i) {
    if ((i ^ 1) >= z.dk) continue;
    const S angle = theta<S>(i, z.dk) * double(position.value_or(1));
    turn_cos[std::size_t(i)] = cos(angle);
    turn_sin[std::size_t(i)] = sin(angle) * (i % 2 == 0 ? -1.0 : 1.0);
  }
  const auto turned = [&](const S* head) {
    std::vector<S> out(head, head + z.dk);
    for (Index i = 0; i < z.dk && position; ++i) {
      const S other = (i ^ 1) < z.dk ? head[i ^ 1] : S(0.0);
      out[std::size_t(i)] =
          stored(turn_cos[std::size_t(i)] * head[i] + turn_sin[std::size_t(i)] * other);
    }
    return out;
  };
  std::vector<S> o = zeros_of<S>(z.vv());
  for (Index h = 0; h < z.H; ++h) {
    S* head = state + h * z.dk * z.dv;
    const S decay(gamma(h));
    const std::vector<S> query = turned(&q[std::size_t(h * z.dk)]);
    const std::vector<S> key = turned(&k[std::size_t(h * z.dk)]);
    S* out = &o[std::size_t(h * z.dv)];
    HeadStep<S> step{.k = key.data(), .v = &v[std::size_t(h * z.dv)], .decay = &decay};
    if (!position) step.cos = turn_cos.data(), step.sin = turn_sin.data();
    step.advance(z.dk, z.dv, format_, head);
    read_state(z.dk, z.dv, head, query.data(), out);
    normalize(z.dv, double(z.dv), config_.norm_epsilon, out);
    for (Index j = 0; j < z.dv; ++j) out[j] = stored(out[j] * silu(g[std::size_t(h * z.dv + j)]));
  }
  return projected(o, w.o, D);
}

template <class S>
void Retention::run(std::span<const double> weights, View<const S, 2> x, View<S, 2> y,
                    Index first) const {
  const auto [T, D] = x.extent;
  const Params<double> w(weights.data(), D, sizes(D));
  std::vector<S> state = zeros_of<S>(state_size(D));
  for (Index t = 0; t < T; ++t) {
    // Turning the state would widen intervals at each step; turning q and k does not.
    const auto position = format_.is_float32() ? std::optional<Index>(t) : std::nullopt;
    const std::vector<S> in(&x(t, 0), &x(t, 0) + D);
    const std::vector<S> out = advance(w, position, state.data(), in);
    if (t >= first) std::copy(out.begin(), out.end(), &y(t, 0));
  }
}

}  // namespace

void register_retention(Registry<Block>& blocks) {
  blocks.add<Retention>("retention", "RetNet: a matrix state per head that decays at a fixed rate");
}

}  // namespace separatrix

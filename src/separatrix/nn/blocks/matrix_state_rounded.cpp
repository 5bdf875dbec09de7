#include <algorithm>
#include <cmath>

#include "separatrix/nn/blocks/matrix_state.h"
#include "separatrix/nn/buffer.h"

namespace separatrix {
namespace {

struct Cache {
  float *states, *e;  ///< after each step: [T, H, dk, dv]; [T, H dv]
  Index end = 0;
  Cache(const MatrixStateSizes& z, Index steps, float* base) {
    states = slice(base, end, steps * z.state());
    e = slice(base, end, steps * z.vv());
  }
};
struct Scratch {
  float *dS, *entered, *de;
  Index end = 0;
  Scratch(const MatrixStateSizes& z, float* base) {
    dS = slice(base, end, z.dk * z.dv);
    entered = slice(base, end, z.dk * z.dv);
    de = slice(base, end, z.dv);
  }
};

/// y = g turn^-1 x, or with sign = -1 its transpose g turn x; matrices [dk, dv], turned by pairs of
/// rows.
struct Carry {
  Index dk, dv;
  const float *turn_cos, *turn_sin;
  float g;
  void operator()(const float* x, float sign, float* y) const {
    for (Index i = 0; i < dk; ++i) {
      const bool turned = turn_cos != nullptr && (i ^ 1) < dk;
      const float cos = turned ? g * turn_cos[i] : g, sin = turned ? -sign * g * turn_sin[i] : 0;
      const float *same = x + i * dv, *other = x + (turned ? i ^ 1 : i) * dv;
      for (Index j = 0; j < dv; ++j) y[i * dv + j] = cos * same[j] + sin * other[j];
    }
  }
};

/// y = M^T x.
void times_transposed(Index dk, Index dv, const float* M, const float* x, float* y) {
  std::fill_n(y, dv, 0.0F);
  for (Index i = 0; i < dk; ++i) axpy(dv, x[i], M + i * dv, y);
}
/// M += a x y^T.
void add_outer(Index dk, Index dv, float a, const float* x, const float* y, float* M) {
  for (Index i = 0; i < dk; ++i) axpy(dv, a * x[i], y, M + i * dv);
}

/// One head at one step.
struct At {
  Index k, v, state, gate;
  At(const MatrixStateSizes& z, Index t, Index h)
      : k(t * z.qk() + h * z.dk),
        v(t * z.vv() + h * z.dv),
        state(t * z.state() + h * z.dk * z.dv),
        gate(t * z.H + h) {}
};

float decay_at(const MatrixStateInput& in, Index t, Index h) {
  return in.log_decay == nullptr ? 1 : std::exp(in.log_decay[t * in.decay_step + h]);
}

}  // namespace

Index RoundedMatrixState::cache_size(Index T) const { return Cache(z_, T, nullptr).end; }
Index RoundedMatrixState::scratch_size() const { return Scratch(z_, nullptr).end; }

void RoundedMatrixState::forward(const MatrixStateInput& in, float* o, float* cache,
                                 float* scratch) const {
  const Cache c(z_, in.rows.steps, cache);
  const Scratch tmp(z_, scratch);
  const Index dk = z_.dk, dv = z_.dv;
  for (Index t = 0, live = 0; t < in.rows.steps; ++t) {
    const bool is_read = in.rows.time(live) == t;
    for (Index h = 0; h < z_.H; ++h) {
      const At at(z_, t, h);
      float *S = c.states + at.state, *e = c.e + at.v;
      if (t > 0)
        Carry{dk, dv, cos_, sin_, decay_at(in, t, h)}(S - z_.state(), 1, S);
      else
        std::fill_n(S, dk * dv, 0.0F);
      std::copy_n(in.v + at.v, dv, e);
      if (z_.delta) {
        times_transposed(dk, dv, S, in.k + at.k, tmp.de);
        for (Index j = 0; j < dv; ++j) e[j] = in.beta[at.gate] * (e[j] - tmp.de[j]);
      }
      add_outer(dk, dv, 1, in.k + at.k, e, S);
      format_->round(dk * dv, S);
      if (is_read)
        times_transposed(dk, dv, S, in.q + live * z_.qk() + h * dk, o + live * z_.vv() + h * dv);
    }
    live += is_read;
  }
}

void RoundedMatrixState::backward(const MatrixStateInput& in, const float* dout,
                                  const MatrixStateGradients& out, float* cache,
                                  float* scratch) const {
  const Cache c(z_, in.rows.steps, cache);
  const Scratch tmp(z_, scratch);
  const Index dk = z_.dk, dv = z_.dv, size = dk * dv;
  for (Index h = 0; h < z_.H; ++h) {
    std::fill_n(tmp.dS, size, 0.0F);
    Index live = in.rows.n_live;
    for (Index t = in.rows.steps - 1; t >= 0; --t) {
      const At at(z_, t, h);
      const float *S = c.states + at.state, *k = in.k + at.k, *e = c.e + at.v;
      if (live > 0 && in.rows.time(live - 1) == t) {
        --live;
        const float* d = dout + live * z_.vv() + h * dv;
        const Index q = live * z_.qk() + h * dk;
        add_outer(dk, dv, 1, in.q + q, d, tmp.dS);
        for (Index i = 0; i < dk; ++i) out.dq[q + i] = dot(dv, S + i * dv, d);
      }
      times_transposed(dk, dv, tmp.dS, k, tmp.de);
      for (Index i = 0; i < dk; ++i) out.dk[at.k + i] = dot(dv, tmp.dS + i * dv, e);
      std::copy_n(tmp.de, dv, out.dv + at.v);
      const Carry carry{dk, dv, cos_, sin_, decay_at(in, t, h)};
      if (t > 0)  // the state that step t found
        carry(S - z_.state(), 1, tmp.entered);
      else
        std::fill_n(tmp.entered, size, 0.0F);
      if (z_.delta) {
        float* dw = out.dv + at.v;
        out.de_e[at.gate] = dot(dv, tmp.de, e);
        scale(dv, in.beta[at.gate], dw);
        for (Index i = 0; i < dk; ++i) out.dk[at.k + i] -= dot(dv, tmp.entered + i * dv, dw);
        add_outer(dk, dv, -1, k, dw, tmp.dS);
      }
      if (out.dlog_decay != nullptr) out.dlog_decay[at.gate] = dot(size, tmp.dS, tmp.entered);
      carry(tmp.dS, -1, tmp.entered);
      std::swap_ranges(tmp.dS, tmp.dS + size, tmp.entered);
    }
  }
}

}  // namespace separatrix

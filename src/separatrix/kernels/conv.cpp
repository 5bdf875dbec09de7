#include "separatrix/kernels/conv.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "separatrix/kernels/conv.cpp"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "separatrix/kernels/simd.inl"

HWY_BEFORE_NAMESPACE();
namespace separatrix::HWY_NAMESPACE {
namespace {

constexpr int kShort = 4;  // taps that are kept in registers

/// What tap j reads at time t, n channels from k; 0 before the sequence.
HWY_INLINE Vec input(const CausalConv& c, Index t, Index j, Index k, Index n) {
  const Index at = t - c.K + 1 + j;
  if (at < 0) return hn::Zero(Floats());
  const bool newest = j + 1 == c.K || c.past == nullptr;
  return load((newest ? c.x + at * c.ldx : c.past + at * c.ld_past) + k, n);
}

HWY_INLINE Vec bias_of(const CausalConv& c, Index k, Index n) {
  return c.bias == nullptr ? hn::Zero(Floats()) : load(c.bias + k, n);
}
/// da = dy silu'(a), silu'(a) = s (1 + a (1 - s)).
HWY_INLINE Vec through_silu(Vec a, Vec dy) {
  const Vec one = hn::Set(Floats(), 1.0F), s = sigmoid_of(a);
  return hn::Mul(dy, hn::Mul(s, hn::MulAdd(a, hn::Sub(one, s), one)));
}

/// Up to kShort taps, counted from the newest: those that are not there weigh nothing.
struct ShortTaps {
  Vec w[kShort], bias;
  HWY_INLINE ShortTaps(const CausalConv& c, Index k, Index n) : bias(bias_of(c, k, n)) {
    for (Index i = 0; i < kShort; ++i)
      w[i] = i < c.K ? load(c.w + (c.K - 1 - i) * c.C + k, n) : hn::Zero(Floats());
  }
  /// x[i] = what tap i reads at time t; -> a_t.
  HWY_INLINE Vec read(const CausalConv& c, Index t, Index k, Index n, Vec* x) const {
    Vec a = bias;
    for (Index i = 0; i < kShort; ++i) {
      x[i] = i < c.K ? input(c, t, c.K - 1 - i, k, n) : hn::Zero(Floats());
      a = hn::MulAdd(w[i], x[i], a);
    }
    return a;
  }
};

HWY_INLINE Vec preactivation(const CausalConv& c, Index t, Index k, Index n) {
  Vec a = bias_of(c, k, n);
  for (Index j = 0; j < c.K; ++j)
    a = hn::MulAdd(load(c.w + j * c.C + k, n), input(c, t, j, k, n), a);
  return a;
}

void causal_conv_target(const CausalConv& c, float* y, Index ldy) {
  for_vectors(c.C, [&](Index k, Index n) HWY_ATTR {
    const ShortTaps taps(c, k, n);
    for (Index t = 0; t < c.T; ++t) {
      Vec x[kShort];
      const Vec a = c.K <= kShort ? taps.read(c, t, k, n, x) : preactivation(c, t, k, n);
      store(c.silu ? hn::Mul(a, sigmoid_of(a)) : a, y + t * ldy + k, n);
    }
  });
}

// From the last step to the first, so that the da of the later steps, which x_t also went into, are
// there when dx_t is made of them.

HWY_INLINE void short_backward(const CausalConv& c, Index k, Index n, float* dy, Index ld_dy,
                               const CausalConvGradients& out) {
  const ShortTaps taps(c, k, n);
  Vec dw[kShort], da[kShort], dbias = hn::Zero(Floats());  // da of t, t + 1, ...
  for (Index i = 0; i < kShort; ++i) dw[i] = da[i] = dbias;
  for (Index t = c.T - 1; t >= 0; --t) {
    Vec x[kShort];
    const Vec a = taps.read(c, t, k, n, x);
    for (Index i = kShort - 1; i > 0; --i) da[i] = da[i - 1];
    float* at = dy + t * ld_dy + k;
    da[0] = load(at, n);
    if (c.silu) {
      da[0] = through_silu(a, da[0]);
      store(da[0], at, n);
    }
    float* dx = out.dx + t * out.ld_dx + k;
    Vec sum = load(dx, n);
    for (Index i = 0; i < kShort; ++i) {
      dw[i] = hn::MulAdd(da[0], x[i], dw[i]);
      sum = hn::MulAdd(taps.w[i], da[i], sum);
    }
    store(sum, dx, n);
    dbias = hn::Add(dbias, da[0]);
  }
  if (out.dbias != nullptr) store(hn::Add(load(out.dbias + k, n), dbias), out.dbias + k, n);
  for (Index i = 0; i < std::min<Index>(c.K, kShort); ++i) {
    float* row = out.dw + (c.K - 1 - i) * c.C + k;
    store(hn::Add(load(row, n), dw[i]), row, n);
  }
}

HWY_INLINE void long_backward(const CausalConv& c, Index k, Index n, float* dy, Index ld_dy,
                              const CausalConvGradients& out) {
  for (Index t = c.T - 1; t >= 0; --t) {
    Vec da = load(dy + t * ld_dy + k, n);
    if (c.silu) {
      da = through_silu(preactivation(c, t, k, n), da);
      store(da, dy + t * ld_dy + k, n);
    }
    if (out.dbias != nullptr) store(hn::Add(load(out.dbias + k, n), da), out.dbias + k, n);
    for (Index j = 0; j < c.K; ++j) {
      float* dw = out.dw + j * c.C + k;
      store(hn::MulAdd(da, input(c, t, j, k, n), load(dw, n)), dw, n);
    }
    float* dx = out.dx + t * out.ld_dx + k;
    Vec sum = load(dx, n);
    for (Index i = 0; i < std::min(c.K, c.T - t); ++i)
      sum = hn::MulAdd(load(c.w + (c.K - 1 - i) * c.C + k, n), load(dy + (t + i) * ld_dy + k, n),
                       sum);
    store(sum, dx, n);
  }
}

void causal_conv_backward_target(const CausalConv& c, float* dy, Index ld_dy,
                                 const CausalConvGradients& out) {
  for_vectors(c.C, [&](Index k, Index n) HWY_ATTR {
    if (c.K <= kShort)
      short_backward(c, k, n, dy, ld_dy, out);
    else
      long_backward(c, k, n, dy, ld_dy, out);
  });
}

}  // namespace
}  // namespace separatrix::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace separatrix {

HWY_EXPORT(causal_conv_target);
HWY_EXPORT(causal_conv_backward_target);

void causal_conv(const CausalConv& c, float* y, Index ldy) {
  HWY_DYNAMIC_DISPATCH(causal_conv_target)(c, y, ldy);
}
void causal_conv_backward(const CausalConv& c, float* dy, Index ld_dy,
                          const CausalConvGradients& out) {
  HWY_DYNAMIC_DISPATCH(causal_conv_backward_target)(c, dy, ld_dy, out);
}

}  // namespace separatrix
#endif

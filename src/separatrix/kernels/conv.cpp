#include "separatrix/kernels/conv.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "separatrix/kernels/conv.cpp"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "separatrix/kernels/simd.inl"

HWY_BEFORE_NAMESPACE();
namespace separatrix::HWY_NAMESPACE {
namespace {

/// Row of the inputs that tap j reads at time t; null before the sequence.
HWY_INLINE const float* input(const CausalConv& c, Index t, Index j) {
  const Index at = t - c.K + 1 + j;
  if (at < 0) return nullptr;
  return j + 1 < c.K && c.past != nullptr ? c.past + at * c.ld_past : c.x + at * c.ldx;
}

/// a_t of n channels from k.
HWY_INLINE Vec preactivation(const CausalConv& c, Index t, Index k, Index n) {
  Vec a = c.bias == nullptr ? hn::Zero(Floats()) : load(c.bias + k, n);
  for (Index j = std::max<Index>(0, c.K - 1 - t); j < c.K; ++j)
    a = hn::MulAdd(load(c.w + j * c.C + k, n), load(input(c, t, j) + k, n), a);
  return a;
}

void causal_conv_target(const CausalConv& c, float* y, Index ldy) {
  for (Index t = 0; t < c.T; ++t)
    for_vectors(c.C, [&](Index k, Index n) HWY_ATTR {
      const Vec a = preactivation(c, t, k, n);
      store(c.silu ? hn::Mul(a, sigmoid_of(a)) : a, y + t * ldy + k, n);
    });
}

/// From the last step to the first, so that the da of the later steps, which x_t also went into,
/// are there when dx_t is made of them.
void causal_conv_backward_target(const CausalConv& c, float* dy, Index ld_dy,
                                 const CausalConvGradients& out) {
  const Vec one = hn::Set(Floats(), 1.0F);
  for (Index t = c.T - 1; t >= 0; --t)
    for_vectors(c.C, [&](Index k, Index n) HWY_ATTR {
      Vec da = load(dy + t * ld_dy + k, n);
      if (c.silu) {  // silu'(a) = s (1 + a (1 - s))
        const Vec a = preactivation(c, t, k, n), s = sigmoid_of(a);
        da = hn::Mul(da, hn::Mul(s, hn::MulAdd(a, hn::Sub(one, s), one)));
        store(da, dy + t * ld_dy + k, n);
      }
      if (out.dbias != nullptr) store(hn::Add(load(out.dbias + k, n), da), out.dbias + k, n);
      for (Index j = std::max<Index>(0, c.K - 1 - t); j < c.K; ++j) {
        float* dw = out.dw + j * c.C + k;
        store(hn::MulAdd(da, load(input(c, t, j) + k, n), load(dw, n)), dw, n);
      }
      float* dx = out.dx + t * out.ld_dx + k;
      Vec sum = load(dx, n);
      for (Index i = 0; i < std::min(c.K, c.T - t); ++i)
        sum = hn::MulAdd(load(c.w + (c.K - 1 - i) * c.C + k, n), load(dy + (t + i) * ld_dy + k, n),
                         sum);
      store(sum, dx, n);
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

#include <cassert>

#include "separatrix/kernels/kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "separatrix/kernels/activation.cpp"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "separatrix/kernels/simd.inl"

HWY_BEFORE_NAMESPACE();
namespace separatrix::HWY_NAMESPACE {
namespace {

struct ValueSlope {
  Vec value, slope;
};

/// x Phi(x) and its derivative Phi(x) + x phi(x). With a = |x|: Phi(-a) = e^(-a^2/2) t P(t), t = 1
/// / (1 + 0.35 a), where P is the minimax polynomial (relative) for a <= 14, that is, down to the
/// smallest float: 3e-8, plus rounding.
HWY_INLINE ValueSlope gelu_of(Vec x) {
  const Floats d;
  const Vec a = hn::Abs(x);
  const Vec e = exp_of(hn::Mul(hn::Mul(a, a), hn::Set(d, -0.5F)));
  const Vec t = hn::Div(hn::Set(d, 1.0F), hn::MulAdd(a, hn::Set(d, 0.35F), hn::Set(d, 1.0F)));
  Vec p = hn::Set(d, -0.029146134853363037F);
  p = hn::MulAdd(p, t, hn::Set(d, 0.14397267997264862F));
  p = hn::MulAdd(p, t, hn::Set(d, -0.2557162642478943F));
  p = hn::MulAdd(p, t, hn::Set(d, 0.15917643904685974F));
  p = hn::MulAdd(p, t, hn::Set(d, -0.02311137691140175F));
  p = hn::MulAdd(p, t, hn::Set(d, 0.10550864785909653F));
  p = hn::MulAdd(p, t, hn::Set(d, 0.11983270943164825F));
  p = hn::MulAdd(p, t, hn::Set(d, 0.13986189663410187F));
  p = hn::MulAdd(p, t, hn::Set(d, 0.13962140679359436F));
  const Vec below = hn::Mul(hn::Mul(e, t), p);
  const Vec phi = hn::IfThenElse(hn::Lt(x, hn::Zero(d)), below, hn::Sub(hn::Set(d, 1.0F), below));
  const Vec density = hn::Mul(e, hn::Set(d, 0.3989422804014327F));
  return {hn::Mul(x, phi), hn::MulAdd(x, density, phi)};
}

HWY_INLINE ValueSlope relu_of(Vec x) {
  const Floats d;
  const auto positive = hn::Gt(x, hn::Zero(d));
  // A NaN is not positive, but must not be swallowed.
  const Vec value = hn::IfThenElse(hn::Or(positive, hn::IsNaN(x)), x, hn::Zero(d));
  return {value, hn::IfThenElseZero(positive, hn::Set(d, 1.0F))};
}

HWY_INLINE ValueSlope tanh_slope_of(Vec x) {
  const Vec y = tanh_of(x);
  return {y, hn::NegMulAdd(y, y, hn::Set(Floats(), 1.0F))};
}

/// Calls body with the function that `f` names, so that each loop is compiled for one function.
template <class Body>
HWY_INLINE void with(Activation f, Body body) {
  switch (f) {
    case Activation::relu:
      return body([](Vec x) HWY_ATTR { return relu_of(x); });
    case Activation::gelu:
      return body([](Vec x) HWY_ATTR { return gelu_of(x); });
    case Activation::tanh:
      return body([](Vec x) HWY_ATTR { return tanh_slope_of(x); });
  }
}

void activation_target(Activation f, Index n, const float* x, float* y) {
  with(f, [=](auto function) HWY_ATTR {
    for_vectors(
        n, [=](Index i, Index c) HWY_ATTR { store(function(load(x + i, c)).value, y + i, c); });
  });
}

void activation_backward_target(Activation f, Index n, const float* x, const float* dy, float* dx) {
  with(f, [=](auto function) HWY_ATTR {
    for_vectors(n, [=](Index i, Index c) HWY_ATTR {
      store(hn::Mul(load(dy + i, c), function(load(x + i, c)).slope), dx + i, c);
    });
  });
}

void bias_activation_target(Activation f, Index M, Index N, const float* bias, float* x, float* y) {
  with(f, [=](auto function) HWY_ATTR {
    for (Index row = 0; row < M; ++row) {
      float* in = x + row * N;
      float* out = y + row * N;
      for_vectors(N, [=](Index i, Index c) HWY_ATTR {
        const Vec b = bias == nullptr ? hn::Zero(Floats()) : load(bias + i, c);
        const ValueSlope result = function(hn::Add(load(in + i, c), b));
        store(result.slope, in + i, c);
        store(result.value, out + i, c);
      });
    }
  });
}

void swiglu_target(Index n, const float* g, const float* u, float* y) {
  for_vectors(n, [=](Index i, Index c) HWY_ATTR {
    const Vec gi = load(g + i, c);
    store(hn::Mul(hn::Mul(gi, sigmoid_of(gi)), load(u + i, c)), y + i, c);
  });
}

void swiglu_backward_target(Index n, const float* g, const float* u, const float* dy, float* dg,
                            float* du) {
  const Vec one = hn::Set(Floats(), 1.0F);
  for_vectors(n, [=](Index i, Index c) HWY_ATTR {
    const Vec gi = load(g + i, c), dyi = load(dy + i, c);
    const Vec s = sigmoid_of(gi);
    // silu'(g) = s (1 + g (1 - s))
    const Vec slope = hn::Mul(s, hn::MulAdd(gi, hn::Sub(one, s), one));
    const Vec dgi = hn::Mul(hn::Mul(dyi, load(u + i, c)), slope);
    store(hn::Mul(dyi, hn::Mul(gi, s)), du + i, c);
    store(dgi, dg + i, c);
  });
}

}  // namespace
}  // namespace separatrix::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace separatrix {

HWY_EXPORT(activation_target);
HWY_EXPORT(activation_backward_target);
HWY_EXPORT(bias_activation_target);
HWY_EXPORT(swiglu_target);
HWY_EXPORT(swiglu_backward_target);

void activation(Activation f, Index n, const float* x, float* y) {
  HWY_DYNAMIC_DISPATCH(activation_target)(f, n, x, y);
}
void activation_backward(Activation f, Index n, const float* x, const float* dy, float* dx) {
  HWY_DYNAMIC_DISPATCH(activation_backward_target)(f, n, x, dy, dx);
}
void bias_activation(Activation f, Index M, Index N, const float* bias, float* x, float* y) {
  HWY_DYNAMIC_DISPATCH(bias_activation_target)(f, M, N, bias, x, y);
}
void swiglu(Index n, const float* g, const float* u, float* y) {
  HWY_DYNAMIC_DISPATCH(swiglu_target)(n, g, u, y);
}
void swiglu_backward(Index n, const float* g, const float* u, const float* dy, float* dg,
                     float* du) {
  HWY_DYNAMIC_DISPATCH(swiglu_backward_target)(n, g, u, dy, dg, du);
}

}  // namespace separatrix
#endif

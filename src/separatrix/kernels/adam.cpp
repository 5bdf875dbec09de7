
#include "separatrix/kernels/kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "separatrix/kernels/adam.cpp"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "separatrix/kernels/simd.inl"

HWY_BEFORE_NAMESPACE();
namespace separatrix::HWY_NAMESPACE {
namespace {

void adamw_target(const AdamW& a, Index n, const float* g, float* w, float* m, float* v) {
  const Floats d;
  const Vec beta1 = hn::Set(d, a.beta1), beta2 = hn::Set(d, a.beta2);
  const Vec rest1 = hn::Set(d, 1 - a.beta1), rest2 = hn::Set(d, 1 - a.beta2);
  const Vec factor = hn::Set(d, a.gradient_scale), epsilon = hn::Set(d, a.epsilon);
  const Vec correct1 = hn::Set(d, 1 / a.correction1), correct2 = hn::Set(d, 1 / a.correction2);
  const Vec lr = hn::Set(d, a.lr), decay = hn::Set(d, a.weight_decay);
  for_vectors(n, [&](Index i, Index c) HWY_ATTR {
    const Vec gi = hn::Mul(load(g + i, c), factor), wi = load(w + i, c);
    const Vec mi = hn::MulAdd(beta1, load(m + i, c), hn::Mul(rest1, gi));
    const Vec vi = hn::MulAdd(beta2, load(v + i, c), hn::Mul(rest2, hn::Mul(gi, gi)));
    const Vec size = hn::Add(hn::Sqrt(hn::Mul(vi, correct2)), epsilon);
    const Vec step = hn::MulAdd(decay, wi, hn::Div(hn::Mul(mi, correct1), size));
    store(mi, m + i, c);
    store(vi, v + i, c);
    store(hn::NegMulAdd(lr, step, wi), w + i, c);
  });
}

}  // namespace
}  // namespace separatrix::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace separatrix {

HWY_EXPORT(adamw_target);

void adamw(const AdamW& a, Index n, const float* g, float* w, float* m, float* v) {
  HWY_DYNAMIC_DISPATCH(adamw_target)(a, n, g, w, m, v);
}

}  // namespace separatrix
#endif

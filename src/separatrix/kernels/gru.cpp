#include "separatrix/kernels/gru.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "separatrix/kernels/gru.cpp"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "separatrix/kernels/simd.inl"

HWY_BEFORE_NAMESPACE();
namespace separatrix::HWY_NAMESPACE {
namespace {

void gru_gates_target(Index B, Index H, const float* bias, float* gates, const float* h_prev,
                      float* h) {
  for (Index b = 0; b < B; ++b) {
    float* g = gates + b * 4 * H;
    for_vectors(H, [=](Index k, Index n) HWY_ATTR {
      const auto preactivation = [&](Index gate) HWY_ATTR {
        return hn::Add(load(g + gate * H + k, n), load(bias + gate * H + k, n));
      };
      const Vec reset = sigmoid_of(preactivation(1)), keep = sigmoid_of(preactivation(2));
      const Vec hidden = preactivation(3);
      const Vec next = tanh_of(hn::MulAdd(reset, hidden, preactivation(0)));
      const Vec old = load(h_prev + b * H + k, n);
      store(next, g + k, n);
      store(reset, g + H + k, n);
      store(keep, g + 2 * H + k, n);
      store(hidden, g + 3 * H + k, n);
      store(hn::MulAdd(keep, hn::Sub(old, next), next), h + b * H + k, n);
    });
  }
}

void gru_gates_backward_target(const GruStep& s, float* dh, float* dgates) {
  const Index H = s.H;
  const Vec one = hn::Set(Floats(), 1.0F);
  for (Index b = 0; b < s.B; ++b) {
    const float* g = s.gates + b * 4 * H;
    float* dg = dgates + b * 4 * H;
    for_vectors(H, [&](Index k, Index n) HWY_ATTR {
      const Index at = b * H + k;
      const Vec next = load(g + k, n), reset = load(g + H + k, n), keep = load(g + 2 * H + k, n);
      const Vec hidden = load(g + 3 * H + k, n), old = load(s.h_prev + at, n);
      const Vec d = load(dh + at, n);
      const auto sigmoid_slope = [&](Vec v) HWY_ATTR { return hn::Mul(v, hn::Sub(one, v)); };
      const Vec dnext = hn::Mul(hn::Mul(d, hn::Sub(one, keep)), hn::NegMulAdd(next, next, one));
      store(hn::Mul(d, keep), dh + at, n);
      store(dnext, dg + k, n);
      store(hn::Mul(hn::Mul(dnext, hidden), sigmoid_slope(reset)), dg + H + k, n);
      store(hn::Mul(hn::Mul(d, hn::Sub(old, next)), sigmoid_slope(keep)), dg + 2 * H + k, n);
      store(hn::Mul(dnext, reset), dg + 3 * H + k, n);
    });
  }
}

}  // namespace
}  // namespace separatrix::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace separatrix {

HWY_EXPORT(gru_gates_target);
HWY_EXPORT(gru_gates_backward_target);

void gru_gates(Index B, Index H, const float* bias, float* gates, const float* h_prev, float* h) {
  HWY_DYNAMIC_DISPATCH(gru_gates_target)(B, H, bias, gates, h_prev, h);
}
void gru_gates_backward(const GruStep& step, float* dh, float* dgates) {
  HWY_DYNAMIC_DISPATCH(gru_gates_backward_target)(step, dh, dgates);
}

}  // namespace separatrix
#endif

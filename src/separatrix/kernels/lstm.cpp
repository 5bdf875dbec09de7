
#include "separatrix/kernels/kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "separatrix/kernels/lstm.cpp"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "separatrix/kernels/simd.inl"

HWY_BEFORE_NAMESPACE();
namespace separatrix::HWY_NAMESPACE {
namespace {

void lstm_gates_target(Index B, Index H, const float* bias, float* gates, const float* c_prev,
                       float* c, float* h) {
  for (Index b = 0; b < B; ++b) {
    float* g = gates + b * 4 * H;
    for_vectors(H, [=](Index k, Index n) HWY_ATTR {
      const auto preactivation = [&](Index gate) HWY_ATTR {
        const Vec v = load(g + gate * H + k, n);
        return bias == nullptr ? v : hn::Add(v, load(bias + gate * H + k, n));
      };
      const Vec in = sigmoid_of(preactivation(0)), forget = sigmoid_of(preactivation(1));
      const Vec cell = tanh_of(preactivation(2)), out = sigmoid_of(preactivation(3));
      const Vec next = hn::MulAdd(forget, load(c_prev + b * H + k, n), hn::Mul(in, cell));
      store(in, g + k, n);
      store(forget, g + H + k, n);
      store(cell, g + 2 * H + k, n);
      store(out, g + 3 * H + k, n);
      store(next, c + b * H + k, n);
      store(hn::Mul(out, tanh_of(next)), h + b * H + k, n);
    });
  }
}

void lstm_gates_backward_target(const LstmStep& s, float* dc, float* dgates) {
  const Index H = s.H;
  const Vec one = hn::Set(Floats(), 1.0F);
  for (Index b = 0; b < s.B; ++b) {
    const float* g = s.gates + b * 4 * H;
    float* dg = dgates + b * 4 * H;
    for_vectors(H, [&](Index k, Index n) HWY_ATTR {
      const Index at = b * H + k;
      const Vec in = load(g + k, n), forget = load(g + H + k, n);
      const Vec cell = load(g + 2 * H + k, n), out = load(g + 3 * H + k, n);
      const Vec dh = load(s.dh + at, n), bent = tanh_of(load(s.c + at, n));
      const Vec dcell =
          hn::MulAdd(hn::Mul(dh, out), hn::NegMulAdd(bent, bent, one), load(dc + at, n));
      const auto sigmoid_slope = [&](Vec v) HWY_ATTR { return hn::Mul(v, hn::Sub(one, v)); };
      store(hn::Mul(dcell, forget), dc + at, n);
      store(hn::Mul(hn::Mul(dcell, cell), sigmoid_slope(in)), dg + k, n);
      store(hn::Mul(hn::Mul(dcell, load(s.c_prev + at, n)), sigmoid_slope(forget)), dg + H + k, n);
      store(hn::Mul(hn::Mul(dcell, in), hn::NegMulAdd(cell, cell, one)), dg + 2 * H + k, n);
      store(hn::Mul(hn::Mul(dh, bent), sigmoid_slope(out)), dg + 3 * H + k, n);
    });
  }
}

}  // namespace
}  // namespace separatrix::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace separatrix {

HWY_EXPORT(lstm_gates_target);
HWY_EXPORT(lstm_gates_backward_target);

void lstm_gates(Index B, Index H, const float* bias, float* gates, const float* c_prev, float* c,
                float* h) {
  HWY_DYNAMIC_DISPATCH(lstm_gates_target)(B, H, bias, gates, c_prev, c, h);
}
void lstm_gates_backward(const LstmStep& step, float* dc, float* dgates) {
  HWY_DYNAMIC_DISPATCH(lstm_gates_backward_target)(step, dc, dgates);
}

}  // namespace separatrix
#endif

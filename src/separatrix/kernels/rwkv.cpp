#include "separatrix/kernels/rwkv.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "separatrix/kernels/rwkv.cpp"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "separatrix/kernels/simd.inl"

HWY_BEFORE_NAMESPACE();
namespace separatrix::HWY_NAMESPACE {
namespace {

void token_shift_target(Index n, Index D, const float* mu, const float* x, const float* before,
                        float* y) {
  for_vectors(D, [=](Index d, Index count) HWY_ATTR {
    const Vec share = load(mu + d, count);
    for (Index at = d; at < n * D; at += D) {
      const Vec old = load(before + at, count);
      store(hn::MulAdd(share, hn::Sub(load(x + at, count), old), old), y + at, count);
    }
  });
}

/// Row after row, so that dbefore may be the rows of dx one earlier.
void token_shift_backward_target(const TokenShift& s, const TokenShiftGradients& out) {
  const Vec one = hn::Set(Floats(), 1.0F);
  for_vectors(s.D, [&](Index d, Index count) HWY_ATTR {
    const Vec share = load(s.mu + d, count), rest = hn::Sub(one, share);
    Vec dmu = load(out.dmu + d, count);
    for (Index at = d; at < s.n * s.D; at += s.D) {
      const Vec dy = load(s.dy + at, count);
      dmu = hn::MulAdd(hn::Sub(load(s.x + at, count), load(s.before + at, count)), dy, dmu);
      store(hn::MulAdd(rest, dy, load(out.dbefore + at, count)), out.dbefore + at, count);
      store(hn::MulAdd(share, dy, load(out.dx + at, count)), out.dx + at, count);
    }
    store(dmu, out.dmu + d, count);
  });
}

HWY_INLINE Vec positive_part(Vec x) {
  const Floats d;
  // A NaN is not positive, but must not be swallowed.
  return hn::IfThenElse(hn::Le(x, hn::Zero(d)), hn::Zero(d), x);
}

void squared_relu_target(Index n, const float* x, float* y) {
  for_vectors(n, [=](Index i, Index count) HWY_ATTR {
    const Vec a = positive_part(load(x + i, count));
    store(hn::Mul(a, a), y + i, count);
  });
}

void squared_relu_backward_target(Index n, const float* x, float* dy) {
  for_vectors(n, [=](Index i, Index count) HWY_ATTR {
    const Vec a = positive_part(load(x + i, count));
    store(hn::Mul(hn::Add(a, a), load(dy + i, count)), dy + i, count);
  });
}

void sigmoid_gate_target(Index n, const float* r, const float* x, float* y) {
  for_vectors(n, [=](Index i, Index count) HWY_ATTR {
    store(hn::Mul(sigmoid_of(load(r + i, count)), load(x + i, count)), y + i, count);
  });
}

void sigmoid_gate_backward_target(Index n, const float* r, const float* x, const float* dy,
                                  float* dr, float* dx) {
  const Vec one = hn::Set(Floats(), 1.0F);
  for_vectors(n, [=](Index i, Index count) HWY_ATTR {
    const Vec gate = sigmoid_of(load(r + i, count));
    const Vec dvalue = hn::Mul(gate, load(dy + i, count));
    const Vec dgate = hn::Mul(hn::Mul(dvalue, load(x + i, count)), hn::Sub(one, gate));
    store(dgate, dr + i, count);
    store(dvalue, dx + i, count);
  });
}

}  // namespace
}  // namespace separatrix::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace separatrix {

HWY_EXPORT(token_shift_target);
HWY_EXPORT(token_shift_backward_target);
HWY_EXPORT(squared_relu_target);
HWY_EXPORT(squared_relu_backward_target);
HWY_EXPORT(sigmoid_gate_target);
HWY_EXPORT(sigmoid_gate_backward_target);

void token_shift(Index n, Index D, const float* mu, const float* x, const float* before, float* y) {
  HWY_DYNAMIC_DISPATCH(token_shift_target)(n, D, mu, x, before, y);
}
void token_shift_backward(const TokenShift& s, const TokenShiftGradients& out) {
  HWY_DYNAMIC_DISPATCH(token_shift_backward_target)(s, out);
}
void squared_relu(Index n, const float* x, float* y) {
  HWY_DYNAMIC_DISPATCH(squared_relu_target)(n, x, y);
}
void squared_relu_backward(Index n, const float* x, float* dy) {
  HWY_DYNAMIC_DISPATCH(squared_relu_backward_target)(n, x, dy);
}
void sigmoid_gate(Index n, const float* r, const float* x, float* y) {
  HWY_DYNAMIC_DISPATCH(sigmoid_gate_target)(n, r, x, y);
}
void sigmoid_gate_backward(Index n, const float* r, const float* x, const float* dy, float* dr,
                           float* dx) {
  HWY_DYNAMIC_DISPATCH(sigmoid_gate_backward_target)(n, r, x, dy, dr, dx);
}

}  // namespace separatrix
#endif

#include "separatrix/kernels/heads.h"

#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "separatrix/kernels/heads.cpp"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "separatrix/kernels/simd.inl"

HWY_BEFORE_NAMESPACE();
namespace separatrix::HWY_NAMESPACE {
namespace {

HWY_INLINE float dot_row(Index D, const float* x, const float* y) {
  Vec sum = hn::Zero(Floats());
  for_vectors(
      D, [&](Index i, Index c) HWY_ATTR { sum = hn::MulAdd(load(x + i, c), load(y + i, c), sum); });
  return sum_of(sum);
}

void normalize_rows_target(const RowNorm& n, const float* x, float* y, float* r) {
  for (Index k = 0; k < n.rows; ++k) {
    const float* in = x + k * n.D;
    float* out = y + k * n.D;
    r[k] = 1 / std::sqrt(n.weight * dot_row(n.D, in, in) + n.epsilon);
    const Vec factor = hn::Set(Floats(), n.scale * r[k]);
    for_vectors(n.D, [&](Index i, Index c)
                         HWY_ATTR { store(hn::Mul(factor, load(in + i, c)), out + i, c); });
  }
}

// dx = scale r (dy - weight r^2 (x . dy) x).
void normalize_rows_backward_target(const RowNorm& n, const float* x, const float* r,
                                    const float* dy, float* dx) {
  for (Index k = 0; k < n.rows; ++k) {
    const float *in = x + k * n.D, *dout = dy + k * n.D;
    float* out = dx + k * n.D;
    const Vec factor = hn::Set(Floats(), n.scale * r[k]);
    const Vec along = hn::Set(Floats(), n.weight * r[k] * r[k] * dot_row(n.D, in, dout));
    for_vectors(n.D, [&](Index i, Index c) HWY_ATTR {
      const Vec across = hn::NegMulAdd(along, load(in + i, c), load(dout + i, c));
      store(hn::Mul(factor, across), out + i, c);
    });
  }
}

void elu_plus_one_target(Index n, const float* x, float* y) {
  const Floats d;
  const Vec zero = hn::Zero(d), one = hn::Set(d, 1.0F);
  for_vectors(n, [&](Index i, Index c) HWY_ATTR {
    const Vec v = load(x + i, c);
    const auto above = hn::Gt(v, zero);  // false for NaN, which exp_of passes on
    const Vec below = exp_of(hn::IfThenZeroElse(above, v));
    store(hn::IfThenElse(above, hn::Add(v, one), below), y + i, c);
  });
}

void elu_plus_one_backward_target(Index n, const float* y, const float* dy, float* dx) {
  const Vec one = hn::Set(Floats(), 1.0F);
  for_vectors(n, [&](Index i, Index c) HWY_ATTR {
    store(hn::Mul(hn::Min(load(y + i, c), one), load(dy + i, c)), dx + i, c);
  });
}

void rotate_pairs_target(Index H, Index d, const float* cos, const float* sin, float sign,
                         float* x) {
  const Floats f;
  const Vec direction = hn::Set(f, sign);
  for (Index h = 0; h < H; ++h) {
    float* head = x + h * d;
    for_vectors(d, [&](Index i, Index c) HWY_ATTR {
      const Vec v = load(head + i, c);
      const Vec turned = hn::Mul(hn::Mul(direction, load(sin + i, c)), hn::Reverse2(f, v));
      store(hn::MulAdd(load(cos + i, c), v, turned), head + i, c);
    });
  }
}

void exponentials_target(Index n, float* x) {
  for_vectors(n, [&](Index i, Index c) HWY_ATTR { store(exp_of(load(x + i, c)), x + i, c); });
}

}  // namespace
}  // namespace separatrix::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace separatrix {

HWY_EXPORT(normalize_rows_target);
HWY_EXPORT(normalize_rows_backward_target);
HWY_EXPORT(elu_plus_one_target);
HWY_EXPORT(elu_plus_one_backward_target);
HWY_EXPORT(rotate_pairs_target);
HWY_EXPORT(exponentials_target);

void normalize_rows(const RowNorm& n, const float* x, float* y, float* r) {
  HWY_DYNAMIC_DISPATCH(normalize_rows_target)(n, x, y, r);
}
void normalize_rows_backward(const RowNorm& n, const float* x, const float* r, const float* dy,
                             float* dx) {
  HWY_DYNAMIC_DISPATCH(normalize_rows_backward_target)(n, x, r, dy, dx);
}
void elu_plus_one(Index n, const float* x, float* y) {
  HWY_DYNAMIC_DISPATCH(elu_plus_one_target)(n, x, y);
}
void elu_plus_one_backward(Index n, const float* y, const float* dy, float* dx) {
  HWY_DYNAMIC_DISPATCH(elu_plus_one_backward_target)(n, y, dy, dx);
}
void rotate_pairs(Index H, Index d, const float* cos, const float* sin, float sign, float* x) {
  HWY_DYNAMIC_DISPATCH(rotate_pairs_target)(H, d, cos, sin, sign, x);
}
void exponentials(Index n, float* x) { HWY_DYNAMIC_DISPATCH(exponentials_target)(n, x); }

}  // namespace separatrix
#endif

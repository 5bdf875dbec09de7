#include <cassert>

#include "separatrix/kernels/kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "separatrix/kernels/vector.cpp"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "separatrix/kernels/simd.inl"

HWY_BEFORE_NAMESPACE();
namespace separatrix::HWY_NAMESPACE {
namespace {

void add_target(Index n, const float* x, float* y) {
  for_vectors(n, [=](Index i, Index c)
                     HWY_ATTR { store(hn::Add(load(y + i, c), load(x + i, c)), y + i, c); });
}

void multiply_target(Index n, const float* x, float* y) {
  for_vectors(n, [=](Index i, Index c)
                     HWY_ATTR { store(hn::Mul(load(y + i, c), load(x + i, c)), y + i, c); });
}

void axpy_target(Index n, float a, const float* x, float* y) {
  const Vec av = hn::Set(Floats(), a);
  for_vectors(n, [=](Index i, Index c)
                     HWY_ATTR { store(hn::MulAdd(av, load(x + i, c), load(y + i, c)), y + i, c); });
}

void scale_target(Index n, float a, float* x) {
  const Vec av = hn::Set(Floats(), a);
  for_vectors(n, [=](Index i, Index c) HWY_ATTR { store(hn::Mul(av, load(x + i, c)), x + i, c); });
}

float dot_target(Index n, const float* x, const float* y) {
  Vec sum = hn::Zero(Floats());
  for_vectors(
      n, [&](Index i, Index c) HWY_ATTR { sum = hn::MulAdd(load(x + i, c), load(y + i, c), sum); });
  return sum_of(sum);
}

double squared_norm_target(Index n, const float* x) {
  const Doubles dd;
  hn::Vec<Doubles> low = hn::Zero(dd), high = hn::Zero(dd);
  const hn::Half<Floats> half;
  for_vectors(n, [&](Index i, Index c) HWY_ATTR {
    const Vec v = load(x + i, c);
    const auto a = hn::PromoteTo(dd, hn::LowerHalf(half, v));
    const auto b = hn::PromoteTo(dd, hn::UpperHalf(half, v));
    low = hn::MulAdd(a, a, low);
    high = hn::MulAdd(b, b, high);
  });
  return hn::GetLane(hn::SumOfLanes(dd, hn::Add(low, high)));
}

void add_bias_target(Index M, Index N, const float* bias, float* x) {
  for (Index i = 0; i < M; ++i) add_target(N, bias, x + i * N);
}

void column_sums_target(Index M, Index N, const float* x, float* sums) {
  for_vectors(N, [=](Index j, Index c) HWY_ATTR {
    Vec sum = load(sums + j, c);
    for (Index i = 0; i < M; ++i) sum = hn::Add(sum, load(x + i * N + j, c));
    store(sum, sums + j, c);
  });
}

}  // namespace
}  // namespace separatrix::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace separatrix {

HWY_EXPORT(add_target);
HWY_EXPORT(multiply_target);
HWY_EXPORT(axpy_target);
HWY_EXPORT(scale_target);
HWY_EXPORT(dot_target);
HWY_EXPORT(squared_norm_target);
HWY_EXPORT(add_bias_target);
HWY_EXPORT(column_sums_target);

void add(Index n, const float* x, float* y) { HWY_DYNAMIC_DISPATCH(add_target)(n, x, y); }
void multiply(Index n, const float* x, float* y) { HWY_DYNAMIC_DISPATCH(multiply_target)(n, x, y); }
void axpy(Index n, float a, const float* x, float* y) {
  HWY_DYNAMIC_DISPATCH(axpy_target)(n, a, x, y);
}
void scale(Index n, float a, float* x) { HWY_DYNAMIC_DISPATCH(scale_target)(n, a, x); }
float dot(Index n, const float* x, const float* y) {
  return HWY_DYNAMIC_DISPATCH(dot_target)(n, x, y);
}
double squared_norm(Index n, const float* x) {
  return HWY_DYNAMIC_DISPATCH(squared_norm_target)(n, x);
}
void add_bias(Index M, Index N, const float* bias, float* x) {
  HWY_DYNAMIC_DISPATCH(add_bias_target)(M, N, bias, x);
}
void column_sums(Index M, Index N, const float* x, float* sums) {
  HWY_DYNAMIC_DISPATCH(column_sums_target)(M, N, x, sums);
}

}  // namespace separatrix
#endif

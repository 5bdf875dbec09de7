#include <algorithm>
#include <limits>
#include <utility>

#include "separatrix/kernels/kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "separatrix/kernels/softmax.cpp"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "separatrix/kernels/simd.inl"

HWY_BEFORE_NAMESPACE();
namespace separatrix::HWY_NAMESPACE {
namespace {

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

/// What becomes of the scaled scores from column i on: nothing, or slope |at - j| is subtracted.
struct Unbiased {
  HWY_INLINE Vec operator()(Vec v, Index /*i*/) const { return v; }
};
struct Distance {
  float slope = 0, at = 0;
  HWY_INLINE Vec operator()(Vec v, Index i) const {
    const Floats d;
    const Vec far = hn::Abs(hn::Sub(hn::Iota(d, float(i)), hn::Set(d, at)));
    return hn::NegMulAdd(hn::Set(d, slope), far, v);
  }
};

/// p = softmax of biased(scale s) over the first n columns, 0 in the `rest` columns after them.
template <class Biased>
HWY_INLINE void softmax_row(Index n, Index rest, float scale, const float* s, float* p,
                            Biased biased) {
  const Floats d;
  const Vec factor = hn::Set(d, scale);
  Vec top = hn::Set(d, kMinusInfinity);
  for_vectors(n, [&](Index i, Index c) HWY_ATTR {
    Vec v = biased(hn::Mul(load(s + i, c), factor), i);
    if (c < lanes())
      v = hn::IfThenElse(hn::FirstN(d, std::size_t(c)), v, hn::Set(d, kMinusInfinity));
    top = hn::Max(v, top);
  });
  const float maximum = max_of(top);
  std::fill_n(p + n, rest, 0.0F);
  if (maximum == kMinusInfinity) return std::fill_n(p, n, 0.0F), void();
  const Vec shift = hn::Set(d, maximum);
  Vec sum = hn::Zero(d);
  for_vectors(n, [&](Index i, Index c) HWY_ATTR {
    Vec e = exp_of(hn::Sub(biased(hn::Mul(load(s + i, c), factor), i), shift));
    if (c < lanes()) e = hn::IfThenElseZero(hn::FirstN(d, std::size_t(c)), e);
    sum = hn::Add(sum, e);
    store(e, p + i, c);
  });
  const Vec inverse = hn::Set(d, 1 / sum_of(sum));
  for_vectors(
      n, [=](Index i, Index c) HWY_ATTR { store(hn::Mul(load(p + i, c), inverse), p + i, c); });
}

void softmax_rows_target(Index M, Index N, const float* s, float* p, Index ld) {
  for (Index i = 0; i < M; ++i) softmax_row(N, 0, 1, s + i * ld, p + i * ld, Unbiased());
}

Index padded(const Scores& shape) { return std::min(shape.ld, (shape.N + 15) / 16 * 16); }
std::pair<Index, Index> seen(const Scores& shape, Index i) {
  return {shape.from == nullptr ? 0 : shape.from[i],
          shape.visible == nullptr ? shape.N : shape.visible[i]};
}

void masked_softmax_target(const Scores& shape, float* s) {
  const Index width = padded(shape);
  for (Index i = 0; i < shape.M; ++i) {
    const auto [from, end] = seen(shape, i);
    float* row = s + i * shape.ld;
    std::fill_n(row, from, 0.0F);
    row += from;
    if (shape.slope == 0)
      softmax_row(end - from, width - end, shape.scale, row, row, Unbiased());
    else
      softmax_row(end - from, width - end, shape.scale, row, row,
                  Distance{shape.slope, float(shape.at[i] - from)});
  }
}

void masked_softmax_backward_target(const Scores& shape, const float* p, float* dp) {
  const Floats d;
  const Index width = padded(shape);
  for (Index i = 0; i < shape.M; ++i) {
    const auto [from, end] = seen(shape, i);
    const Index n = end - from;
    const float* pi = p + i * shape.ld + from;
    float* di = dp + i * shape.ld + from;
    Vec sum = hn::Zero(d);
    for_vectors(n, [&](Index j, Index c)
                       HWY_ATTR { sum = hn::MulAdd(load(pi + j, c), load(di + j, c), sum); });
    const Vec mean = hn::Set(d, sum_of(sum)), factor = hn::Set(d, shape.scale);
    for_vectors(n, [=](Index j, Index c) HWY_ATTR {
      const Vec inner = hn::Sub(load(di + j, c), mean);
      store(hn::Mul(hn::Mul(load(pi + j, c), factor), inner), di + j, c);
    });
    std::fill_n(di - from, from, 0.0F);
    std::fill_n(di + n, width - end, 0.0F);
  }
}

}  // namespace
}  // namespace separatrix::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace separatrix {

HWY_EXPORT(softmax_rows_target);
HWY_EXPORT(masked_softmax_target);
HWY_EXPORT(masked_softmax_backward_target);

void softmax_rows(Index M, Index N, const float* s, float* p, Index ld) {
  HWY_DYNAMIC_DISPATCH(softmax_rows_target)(M, N, s, p, ld);
}
void masked_softmax(const Scores& shape, float* s) {
  HWY_DYNAMIC_DISPATCH(masked_softmax_target)(shape, s);
}
void masked_softmax_backward(const Scores& shape, const float* p, float* dp) {
  HWY_DYNAMIC_DISPATCH(masked_softmax_backward_target)(shape, p, dp);
}

}  // namespace separatrix
#endif

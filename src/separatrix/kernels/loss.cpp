#include <cassert>
#include <cmath>
#include <limits>

#include "separatrix/kernels/kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "separatrix/kernels/loss.cpp"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "separatrix/kernels/simd.inl"

HWY_BEFORE_NAMESPACE();
namespace separatrix::HWY_NAMESPACE {
namespace {

/// The largest logit of a row, exp(target - top), and the sum of exp(x - top) over all but the
/// target: apart, because the others are what is left of the loss when the model is sure.
struct RowSums {
  float top, target, others;
};

HWY_INLINE RowSums row_sums(Index C, const float* x, Index target) {
  const Floats d;
  const hn::RebindToSigned<Floats> di;
  const Vec low = hn::Set(d, -std::numeric_limits<float>::infinity());
  Vec top = low;
  for_vectors(C, [&](Index i, Index c) HWY_ATTR {
    Vec v = load(x + i, c);
    if (c < lanes()) v = hn::IfThenElse(hn::FirstN(d, std::size_t(c)), v, low);
    top = hn::Max(v, top);
  });
  const Vec shift = hn::Set(d, max_of(top));
  const auto skip = hn::Set(di, std::int32_t(target));
  Vec sum = hn::Zero(d);
  for_vectors(C, [&](Index i, Index c) HWY_ATTR {
    Vec e = exp_of(hn::Sub(load(x + i, c), shift));
    if (c < lanes()) e = hn::IfThenElseZero(hn::FirstN(d, std::size_t(c)), e);
    const auto is_target = hn::RebindMask(d, hn::Eq(hn::Iota(di, std::int32_t(i)), skip));
    sum = hn::Add(sum, hn::IfThenZeroElse(is_target, e));
  });
  const float maximum = max_of(top);
  return {maximum, std::exp(x[target] - maximum), sum_of(sum)};
}

double cross_entropy_target(Index M, Index C, const float* logits, const std::int32_t* targets,
                            float gradient_scale, float* dlogits) {
  const Floats d;
  double total = 0;
  for (Index r = 0; r < M; ++r) {
    const Index target = targets[r];
    const float* x = logits + r * C;
    float* dx = dlogits == nullptr ? nullptr : dlogits + r * C;
    if (target < 0) {
      if (dx != nullptr) std::fill_n(dx, C, 0.0F);
      continue;
    }
    assert(target < C);
    const RowSums row = row_sums(C, x, target);
    const float sum = row.target + row.others;
    total += row.target == 1 ? std::log1p(double(row.others))
                             : std::log(double(sum)) + (double(row.top) - double(x[target]));
    if (dx == nullptr) continue;
    const Vec shift = hn::Set(d, row.top), factor = hn::Set(d, gradient_scale / sum);
    for_vectors(C, [=](Index i, Index c) HWY_ATTR {
      store(hn::Mul(exp_of(hn::Sub(load(x + i, c), shift)), factor), dx + i, c);
    });
    dx[target] = -gradient_scale * (row.others / sum);
  }
  return total;
}

}  // namespace
}  // namespace separatrix::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace separatrix {

HWY_EXPORT(cross_entropy_target);

double cross_entropy(Index M, Index C, const float* logits, const std::int32_t* targets,
                     float gradient_scale, float* dlogits) {
  return HWY_DYNAMIC_DISPATCH(cross_entropy_target)(M, C, logits, targets, gradient_scale, dlogits);
}

}  // namespace separatrix
#endif

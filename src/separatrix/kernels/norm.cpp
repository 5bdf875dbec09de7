#include <cmath>

#include "separatrix/kernels/kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "separatrix/kernels/norm.cpp"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "separatrix/kernels/simd.inl"

HWY_BEFORE_NAMESPACE();
namespace separatrix::HWY_NAMESPACE {
namespace {

/// sum over the row of f(x_i - shift).
HWY_INLINE float sum_row(Index D, const float* x) {
  Vec sum = hn::Zero(Floats());
  for_vectors(D, [&](Index i, Index c) HWY_ATTR { sum = hn::Add(sum, load(x + i, c)); });
  return sum_of(sum);
}

/// sum_i (x_i - mean)^2; lanes past the end count nothing.
HWY_INLINE float sum_squares(Index D, const float* x, float mean) {
  const Floats d;
  const Vec m = hn::Set(d, mean);
  Vec sum = hn::Zero(d);
  for_vectors(D, [&](Index i, Index c) HWY_ATTR {
    Vec v = hn::Sub(load(x + i, c), m);
    if (c < lanes()) v = hn::IfThenElseZero(hn::FirstN(d, std::size_t(c)), v);
    sum = hn::MulAdd(v, v, sum);
  });
  return sum_of(sum);
}

void norm_target(const Norm& n, Rows rows, const float* x, float* y, float* stats) {
  const Floats d;
  const float size = float(n.D);
  for (Index k = 0; k < rows.count; ++k) {
    const Index r = rows[k];
    const float* in = x + r * n.D;
    float* out = y + r * n.D;
    const float mean = n.kind == NormKind::layer ? sum_row(n.D, in) / size : 0.0F;
    const float rstd = 1 / std::sqrt(sum_squares(n.D, in, mean) / size + n.epsilon);
    stats[2 * r] = mean;
    stats[2 * r + 1] = rstd;
    const Vec m = hn::Set(d, mean), s = hn::Set(d, rstd);
    for_vectors(n.D, [&](Index i, Index c) HWY_ATTR {
      const Vec hat = hn::Mul(hn::Sub(load(in + i, c), m), s);
      const Vec gain = load(n.gain + i, c);
      const Vec bias = n.bias == nullptr ? hn::Zero(d) : load(n.bias + i, c);
      store(hn::MulAdd(hat, gain, bias), out + i, c);
    });
  }
}

// With hat = (x - mean) rstd and g = dy gain: dx = rstd (g - [mean(g)] - hat mean(g hat)), the
// bracket for layer only.
void norm_backward_target(const Norm& n, Rows rows, const float* x, const float* stats,
                          const float* dy, const NormGradients& out) {
  const Floats d;
  for (Index k = 0; k < rows.count; ++k) {
    const Index r = rows[k];
    const float* in = x + r * n.D;
    const float* dout = dy + r * n.D;
    float* dx = out.dx + r * n.D;
    const Vec m = hn::Set(d, stats[2 * r]), s = hn::Set(d, stats[2 * r + 1]);
    Vec sum_g = hn::Zero(d), sum_gh = hn::Zero(d);
    for_vectors(n.D, [&](Index i, Index c) HWY_ATTR {
      const Vec hat = hn::Mul(hn::Sub(load(in + i, c), m), s);
      const Vec dyi = load(dout + i, c);
      const Vec g = hn::Mul(dyi, load(n.gain + i, c));
      sum_g = hn::Add(sum_g, g);
      sum_gh = hn::MulAdd(g, hat, sum_gh);
      store(hn::MulAdd(dyi, hat, load(out.dgain + i, c)), out.dgain + i, c);
      if (out.dbias != nullptr) store(hn::Add(load(out.dbias + i, c), dyi), out.dbias + i, c);
    });
    const float size = float(n.D);
    const Vec mean_g = hn::Set(d, n.kind == NormKind::layer ? sum_of(sum_g) / size : 0.0F);
    const Vec mean_gh = hn::Set(d, sum_of(sum_gh) / size);
    for_vectors(n.D, [&](Index i, Index c) HWY_ATTR {
      const Vec hat = hn::Mul(hn::Sub(load(in + i, c), m), s);
      const Vec g = hn::Mul(load(dout + i, c), load(n.gain + i, c));
      const Vec inner = hn::NegMulAdd(hat, mean_gh, hn::Sub(g, mean_g));
      store(hn::MulAdd(s, inner, load(dx + i, c)), dx + i, c);
    });
  }
}

}  // namespace
}  // namespace separatrix::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace separatrix {

HWY_EXPORT(norm_target);
HWY_EXPORT(norm_backward_target);

void norm(const Norm& n, Rows rows, const float* x, float* y, float* stats) {
  HWY_DYNAMIC_DISPATCH(norm_target)(n, rows, x, y, stats);
}
void norm_backward(const Norm& n, Rows rows, const float* x, const float* stats, const float* dy,
                   const NormGradients& out) {
  HWY_DYNAMIC_DISPATCH(norm_backward_target)(n, rows, x, stats, dy, out);
}

}  // namespace separatrix
#endif

// Per-target building blocks of the kernels. Included once per instruction set, after
// hwy/foreach_target.h, hence the toggling guard in place of #pragma once.
#if defined(SEPARATRIX_KERNELS_SIMD_INL_) == defined(HWY_TARGET_TOGGLE)
#ifdef SEPARATRIX_KERNELS_SIMD_INL_
#undef SEPARATRIX_KERNELS_SIMD_INL_
#else
#define SEPARATRIX_KERNELS_SIMD_INL_
#endif

#include <algorithm>
#include <limits>

#include "hwy/contrib/math/math-inl.h"
#include "hwy/highway.h"
#include "separatrix/base/index.h"

HWY_BEFORE_NAMESPACE();
namespace separatrix::HWY_NAMESPACE {
namespace {  // NOLINT(google-build-namespaces): one copy per kernel file, no clash between them
namespace hn = hwy::HWY_NAMESPACE;

using Floats = hn::CappedTag<float, 16>;  // 16 floats: the widest vector the kernels assume
using Vec = hn::Vec<Floats>;
using Doubles = hn::RepartitionToWide<Floats>;

// Registers wide and many enough (32 of 512 bits) for the larger tiles.
constexpr bool kManyRegisters = HWY_TARGET <= HWY_AVX3 || HWY_ARCH_ARM_A64;
// Masked loads touch selected lanes only; elsewhere a tail goes through the stack.
constexpr bool kMaskedTails = HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3;

HWY_INLINE Index lanes() { return Index(hn::Lanes(Floats())); }

/// The first n < lanes numbers of p; the other lanes are 0.
HWY_INLINE Vec load_tail(const float* p, Index n) {
  const Floats d;
  if constexpr (kMaskedTails) return hn::MaskedLoad(hn::FirstN(d, std::size_t(n)), d, p);
  HWY_ALIGN float whole[16] = {};
  std::copy_n(p, n, whole);
  return hn::Load(d, whole);
}
HWY_INLINE void store_tail(Vec v, float* p, Index n) {
  const Floats d;
  if constexpr (kMaskedTails) {
    hn::BlendedStore(v, hn::FirstN(d, std::size_t(n)), d, p);
  } else {
    HWY_ALIGN float whole[16];
    hn::Store(v, d, whole);
    std::copy_n(whole, n, p);
  }
}
/// n >= lanes means a whole vector.
HWY_INLINE Vec load(const float* p, Index n) {
  return n >= lanes() ? hn::LoadU(Floats(), p) : load_tail(p, n);
}
HWY_INLINE void store(Vec v, float* p, Index n) {
  if (n >= lanes())
    hn::StoreU(v, Floats(), p);
  else
    store_tail(v, p, n);
}
/// Calls f(offset, count) for each vector of n numbers; count < lanes in the last one only. The
/// loop over whole vectors sees count as a constant, so load and store become plain moves.
template <class F>
HWY_INLINE void for_vectors(Index n, F f) {
  const Index L = lanes();
  Index i = 0;
  for (; i + L <= n; i += L) f(i, L);
  if (i < n) f(i, n - i);
}

/// Adds the lanes in an order fixed by the instruction set.
HWY_INLINE float sum_of(Vec v) { return hn::GetLane(hn::SumOfLanes(Floats(), v)); }
HWY_INLINE float max_of(Vec v) { return hn::GetLane(hn::MaxOfLanes(Floats(), v)); }

/// e^x for x <= 104; 1 ulp. Highway's own turns NaN into 0, which would hide a divergence.
HWY_INLINE Vec exp_of(Vec x) {
  const Floats d;
  return hn::IfThenElse(hn::IsNaN(x), x, hn::Exp(d, x));
}
/// e^(a - max(a, b)) and e^(b - max(a, b)): one of them is 1.
struct Shares {
  Vec a, b;
};
HWY_INLINE Shares shares_of(Vec a, Vec b) {
  const Vec one = hn::Set(Floats(), 1.0F);
  const Vec less = exp_of(hn::Neg(hn::Abs(hn::Sub(a, b))));
  const auto first = hn::Ge(a, b);
  return {hn::IfThenElse(first, one, less), hn::IfThenElse(first, less, one)};
}
/// 1 / (1 + e^-x) for any x, without overflow.
HWY_INLINE Vec sigmoid_of(Vec x) {
  const Floats d;
  const Vec e = exp_of(hn::Neg(hn::Abs(x)));
  const Vec s = hn::Div(hn::Set(d, 1.0F), hn::Add(hn::Set(d, 1.0F), e));
  return hn::IfThenElse(hn::Lt(x, hn::Zero(d)), hn::Mul(e, s), s);
}
/// tanh for any x: through 2 sigmoid(2x) - 1 where that does not cancel, else an odd polynomial.
HWY_INLINE Vec tanh_of(Vec x) {
  const Floats d;
  const Vec a = hn::Abs(x);
  const Vec e = exp_of(hn::Mul(hn::Set(d, -2.0F), a));
  const Vec far = hn::Div(hn::Sub(hn::Set(d, 1.0F), e), hn::Add(hn::Set(d, 1.0F), e));
  // Taylor coefficients; |x| <= 0.3 leaves less than 1e-8 relative.
  const Vec z = hn::Mul(x, x);
  Vec p = hn::Set(d, 62.0F / 2835);
  p = hn::MulAdd(p, z, hn::Set(d, -17.0F / 315));
  p = hn::MulAdd(p, z, hn::Set(d, 2.0F / 15));
  p = hn::MulAdd(p, z, hn::Set(d, -1.0F / 3));
  const Vec near = hn::MulAdd(hn::Mul(p, z), a, a);
  const Vec y = hn::IfThenElse(hn::Lt(a, hn::Set(d, 0.3F)), near, far);
  return hn::IfThenElse(hn::IsNaN(x), x, hn::CopySign(y, x));
}

}  // namespace
}  // namespace separatrix::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // SEPARATRIX_KERNELS_SIMD_INL_

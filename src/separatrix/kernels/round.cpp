#include "separatrix/kernels/round.h"

#include <cstdint>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "separatrix/kernels/round.cpp"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "separatrix/kernels/simd.inl"

HWY_BEFORE_NAMESPACE();
namespace separatrix::HWY_NAMESPACE {
namespace {

using Words = hn::RebindToUnsigned<Floats>;

/// x = f(x) for each vector; NaN stays.
template <class F>
HWY_INLINE void for_numbers(Index n, float* x, const F& f) {
  for_vectors(n, [&](Index i, Index c) HWY_ATTR {
    const Vec v = load(x + i, c);
    store(hn::IfThenElse(hn::IsNaN(v), v, f(v)), x + i, c);
  });
}

HWY_INLINE Vec clamped(Vec v, float largest) {
  const Floats d;
  return hn::Min(hn::Max(v, hn::Set(d, -largest)), hn::Set(d, largest));
}

/// Without the last `Bits` bits of the significand, to the nearest, ties to even; a carry moves on
/// into the exponent, as it should.
template <int Bits>
HWY_INLINE Vec shortened(Vec v) {
  const Words w;
  const auto word = hn::BitCast(w, v);
  const auto odd = hn::And(hn::ShiftRight<Bits>(word), hn::Set(w, 1U));
  const auto half = hn::Add(hn::Set(w, (1U << (Bits - 1)) - 1), odd);
  return hn::BitCast(Floats(), hn::And(hn::Add(word, half), hn::Set(w, ~((1U << Bits) - 1))));
}

void bfloat16_target(Index n, float* x) {
  for_numbers(n, x, [](Vec v) HWY_ATTR { return shortened<16>(clamped(v, 0x1.FEp127F)); });
}

void float16_target(Index n, float* x) {
  const Floats d;
  for_numbers(n, x, [&](Vec given) HWY_ATTR {
    const Vec v = clamped(given, 65504.0F), size = hn::Abs(v);
    // Below 2^-14 the numbers are multiples of 2^-24, the spacing of floats from 1/2 on.
    const Vec half = hn::Set(d, 0.5F);
    const Vec small = hn::CopySign(hn::Sub(hn::Add(size, half), half), v);
    return hn::IfThenElse(hn::Lt(size, hn::Set(d, 0x1p-14F)), small, shortened<13>(v));
  });
}

void bit_target(Index n, float* x) {
  const Floats d;
  for_vectors(n, [&](Index i, Index c) HWY_ATTR {
    const auto one = hn::Ge(load(x + i, c), hn::Set(d, 0.5F));
    store(hn::IfThenElseZero(one, hn::Set(d, 1.0F)), x + i, c);
  });
}

/// In double, operation by operation as StateFormat::rounded.
void grid_target(Index n, double range, double most, float* x) {
  const hn::CappedTag<double, 8> d;
  const hn::Rebind<float, decltype(d)> f;
  const auto r = hn::Set(d, range), k = hn::Set(d, most), one = hn::Set(d, 1.0);
  const auto rounded = [&](auto v) HWY_ATTR {
    const auto wide = hn::PromoteTo(d, v);
    const auto part = hn::Min(hn::Max(hn::Div(wide, r), hn::Neg(one)), one);
    const auto held = hn::Div(hn::Mul(hn::Round(hn::Mul(part, k)), r), k);
    // The sign, too, of what became 0: not every instruction set's Round keeps it.
    return hn::IfThenElse(hn::IsNaN(v), v, hn::CopySign(hn::DemoteTo(f, held), v));
  };
  const auto lanes = Index(hn::Lanes(d));
  Index i = 0;
  for (; i + lanes <= n; i += lanes) hn::StoreU(rounded(hn::LoadU(f, x + i)), f, x + i);
  if (i == n) return;
  HWY_ALIGN float rest[8] = {};
  std::copy_n(x + i, n - i, rest);
  hn::Store(rounded(hn::Load(f, rest)), f, rest);
  std::copy_n(rest, n - i, x + i);
}

}  // namespace
}  // namespace separatrix::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace separatrix {

HWY_EXPORT(grid_target);
HWY_EXPORT(bfloat16_target);
HWY_EXPORT(float16_target);
HWY_EXPORT(bit_target);

void round_to_grid(Index n, double range, double most, float* x) {
  HWY_DYNAMIC_DISPATCH(grid_target)(n, range, most, x);
}
void round_to_bfloat16(Index n, float* x) { HWY_DYNAMIC_DISPATCH(bfloat16_target)(n, x); }
void round_to_float16(Index n, float* x) { HWY_DYNAMIC_DISPATCH(float16_target)(n, x); }
void round_to_bit(Index n, float* x) { HWY_DYNAMIC_DISPATCH(bit_target)(n, x); }

}  // namespace separatrix
#endif

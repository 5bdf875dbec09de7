#include "separatrix/kernels/aaren.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "separatrix/kernels/aaren.cpp"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "separatrix/kernels/simd.inl"

HWY_BEFORE_NAMESPACE();
namespace separatrix::HWY_NAMESPACE {
namespace {

HWY_INLINE Vec all(float x) { return hn::Set(Floats(), x); }

/// Heads are the lanes; m and u stay in registers.
void scan_scores(const AarenSequence& s, float* m, float* u, float* weights) {
  const Index H = s.H;
  for_vectors(H, [&](Index h, Index count) HWY_ATTR {
    Vec total = load(u + h, count);
    Vec most = hn::IfThenElse(hn::Gt(total, all(0)), load(m + h, count), all(-1e38F));
    for (Index t = 0; t < s.n; ++t) {
      const Vec score = load(s.s + t * H + h, count);
      const Shares shares = shares_of(most, score);
      total = hn::MulAdd(shares.a, total, shares.b);
      most = hn::Max(most, score);
      float* row = weights + t * 3 * H + h;
      store(shares.a, row, count);
      store(shares.b, row + H, count);
      store(hn::Div(all(1), total), row + 2 * H, count);
    }
    store(most, m + h, count);
    store(total, u + h, count);
  });
}

/// A head's channels are the lanes.
void aaren_scan_target(const AarenSequence& s, float* state, float* weights, float* mean) {
  const Index H = s.H, width = H * s.d;
  float *m = state, *u = m + H, *w = u + H;
  scan_scores(s, m, u, weights);
  for (Index h = 0; h < H; ++h)
    for_vectors(s.d, [&](Index j, Index count) HWY_ATTR {
      const Index column = h * s.d + j;
      Vec sum = load(w + column, count);
      Index next = 0;
      for (Index t = 0; t < s.n; ++t) {
        const float* weight = weights + t * 3 * H + h;
        const Vec own = hn::Mul(all(weight[H]), load(s.v + t * width + column, count));
        sum = hn::MulAdd(all(weight[0]), sum, own);
        if (next < s.read.count && s.read[next] == s.start + t)
          store(hn::Mul(sum, all(weight[2 * H])), mean + next++ * width + column, count);
      }
      store(sum, w + column, count);
    });
}

void aaren_scan_backward_target(const AarenSequence& s, const AarenScanned& left, float* ds,
                                float* dv, float* work) {
  const Index H = s.H, width = H * s.d;
  for (Index h = 0; h < H; ++h) {
    float du = 0, *dw = work;
    std::fill_n(dw, s.d, 0.0F);
    Index next = s.read.count;
    for (Index t = s.n - 1; t >= 0; --t) {
      const float* weight = left.weights + t * 3 * H + h;
      const float old = weight[0], own = weight[H], scale = weight[2 * H];
      if (next > 0 && s.read[next - 1] == s.start + t) {
        const Index row = --next * width + h * s.d;
        Vec products = all(0);
        for_vectors(s.d, [&](Index j, Index count) HWY_ATTR {
          const Vec dmean = load(left.dmean + row + j, count);
          products = hn::MulAdd(load(left.mean + row + j, count), dmean, products);
          store(hn::MulAdd(all(scale), dmean, load(dw + j, count)), dw + j, count);
        });
        du -= scale * sum_of(products);
      }
      const Index row = t * width + h * s.d;
      Vec products = all(0);
      for_vectors(s.d, [&](Index j, Index count) HWY_ATTR {
        const Vec g = load(dw + j, count);
        products = hn::MulAdd(load(s.v + row + j, count), g, products);
        store(hn::Mul(all(own), g), dv + row + j, count);
        store(hn::Mul(all(old), g), dw + j, count);
      });
      ds[t * H + h] = own * (sum_of(products) + du);
      du *= old;
    }
  }
}

}  // namespace
}  // namespace separatrix::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace separatrix {

HWY_EXPORT(aaren_scan_target);
HWY_EXPORT(aaren_scan_backward_target);

void aaren_scan(const AarenSequence& s, float* state, float* weights, float* mean) {
  HWY_DYNAMIC_DISPATCH(aaren_scan_target)(s, state, weights, mean);
}
void aaren_scan_backward(const AarenSequence& s, const AarenScanned& left, float* ds, float* dv,
                         float* work) {
  HWY_DYNAMIC_DISPATCH(aaren_scan_backward_target)(s, left, ds, dv, work);
}

}  // namespace separatrix
#endif

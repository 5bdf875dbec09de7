#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>

#include "separatrix/kernels/kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "separatrix/kernels/attention.cpp"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "separatrix/kernels/simd.inl"

HWY_BEFORE_NAMESPACE();
namespace separatrix::HWY_NAMESPACE {
namespace {

// The rows x_j are read in pairs of passes: first the scores of all, four rows at a time so that
// the sums overlap, then the weighted sum, one strip of columns at a time so that it stays in
// registers.

constexpr Index kStrip = 4;  ///< vectors of a strip

/// s[j] = factor <u, x_j> for all n rows.
HWY_INLINE void scores(const Attend& shape, float factor, const float* u, const float* x,
                       float* s) {
  const Floats d;
  constexpr Index kRows = 4;
  Index j = 0;
  for (; j + kRows <= shape.n; j += kRows) {
    Vec sum[kRows] = {hn::Zero(d), hn::Zero(d), hn::Zero(d), hn::Zero(d)};
    const float* xj = x + j * shape.ld;
    for_vectors(shape.D, [&](Index i, Index c) HWY_ATTR {
      const Vec ui = load(u + i, c);
      for (Index r = 0; r < kRows; ++r)
        sum[r] = hn::MulAdd(ui, load(xj + r * shape.ld + i, c), sum[r]);
    });
    for (Index r = 0; r < kRows; ++r) s[j + r] = factor * sum_of(sum[r]);
  }
  for (; j < shape.n; ++j) {
    Vec sum = hn::Zero(d);
    for_vectors(shape.D, [&](Index i, Index c) HWY_ATTR {
      sum = hn::MulAdd(load(u + i, c), load(x + j * shape.ld + i, c), sum);
    });
    s[j] = factor * sum_of(sum);
  }
}

/// c[i] = sum_j a_j x_j[i], j in order.
HWY_INLINE void weighted_sum(const Attend& shape, const float* a, const float* x, float* c) {
  const Floats d;
  const Index width = kStrip * lanes();
  Index i = 0;
  for (; i + width <= shape.D; i += width) {
    Vec sum[kStrip] = {hn::Zero(d), hn::Zero(d), hn::Zero(d), hn::Zero(d)};
    for (Index j = 0; j < shape.n; ++j) {
      const Vec aj = hn::Set(d, a[j]);
      for (Index v = 0; v < kStrip; ++v)
        sum[v] = hn::MulAdd(aj, hn::LoadU(d, x + j * shape.ld + i + v * lanes()), sum[v]);
    }
    for (Index v = 0; v < kStrip; ++v) hn::StoreU(sum[v], d, c + i + v * lanes());
  }
  for_vectors(shape.D - i, [&](Index k, Index count) HWY_ATTR {
    Vec sum = hn::Zero(d);
    for (Index j = 0; j < shape.n; ++j)
      sum = hn::MulAdd(hn::Set(d, a[j]), load(x + j * shape.ld + i + k, count), sum);
    store(sum, c + i + k, count);
  });
}

void attend_scores_target(const Attend& shape, const float* u, const float* x, float* s) {
  scores(shape, shape.scale, u, x, s);
}
void attend_sum_target(const Attend& shape, const float* a, const float* x, float* c) {
  weighted_sum(shape, a, x, c);
}

// With da_j = <dc, x_j>: ds_j = scale a_j (da_j - sum_k a_k da_k), du = sum_j ds_j x_j, dx_j = a_j
// dc
// + ds_j u.
void attend_backward_target(const Attend& shape, const Attended& in, float* du, float* dx,
                            float* work) {
  const Floats d;
  scores(shape, 1, in.dc, in.x, work);
  Vec total = hn::Zero(d);
  for_vectors(shape.n, [&](Index j, Index c) HWY_ATTR {
    total = hn::MulAdd(load(in.a + j, c), load(work + j, c), total);
  });
  const Vec mean = hn::Set(d, sum_of(total)), factor = hn::Set(d, shape.scale);
  for_vectors(shape.n, [&](Index j, Index c) HWY_ATTR {
    const Vec inner = hn::Sub(load(work + j, c), mean);
    store(hn::Mul(hn::Mul(load(in.a + j, c), factor), inner), work + j, c);
  });
  weighted_sum(shape, work, in.x, du);
  for (Index j = 0; j < shape.n; ++j) {
    const Vec aj = hn::Set(d, in.a[j]), sj = hn::Set(d, work[j]);
    float* dxj = dx + j * shape.ld;
    for_vectors(shape.D, [&](Index i, Index c) HWY_ATTR {
      const Vec sum = hn::MulAdd(aj, load(in.dc + i, c), load(dxj + i, c));
      store(hn::MulAdd(sj, load(in.u + i, c), sum), dxj + i, c);
    });
  }
}

// (x_2j, x_2j+1) -> (x_2j cos - x_2j+1 sin, x_2j+1 cos + x_2j sin); a table row is cos, cos, .. and
// -sin, sin, ..
void rotate_target(const Rotate& r, float* x) {
  const Floats d;
  const Vec sign = hn::Set(d, r.back ? -1.0F : 1.0F);
  for (Index i = 0; i < r.n; ++i) {
    const float *cosines = r.table + i * 2 * r.width, *sines = cosines + r.width;
    for (Index h = 0; h < r.heads; ++h, x += r.width)
      for_vectors(r.width, [&](Index k, Index c) HWY_ATTR {
        const Vec v = load(x + k, c);
        const Vec turned = hn::Mul(hn::Mul(load(sines + k, c), sign), hn::Reverse2(d, v));
        store(hn::MulAdd(load(cosines + k, c), v, turned), x + k, c);
      });
  }
}

}  // namespace
}  // namespace separatrix::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace separatrix {

HWY_EXPORT(attend_scores_target);
HWY_EXPORT(attend_sum_target);
HWY_EXPORT(attend_backward_target);
HWY_EXPORT(rotate_target);

void attend(const Attend& s, const float* u, const float* x, float* a, float* c) {
  HWY_DYNAMIC_DISPATCH(attend_scores_target)(s, u, x, a);
  if (s.slope == 0)
    softmax_rows(1, s.n, a, a, s.n);
  else
    masked_softmax({.M = 1, .N = s.n, .ld = s.n, .slope = s.slope, .at = &s.at}, a);
  HWY_DYNAMIC_DISPATCH(attend_sum_target)(s, a, x, c);
}
void attend_backward(const Attend& s, const Attended& in, float* du, float* dx, float* work) {
  HWY_DYNAMIC_DISPATCH(attend_backward_target)(s, in, du, dx, work);
}
void rotate(const Rotate& r, float* x) {
  assert(r.width % 2 == 0);
  HWY_DYNAMIC_DISPATCH(rotate_target)(r, x);
}

void rotary_table(Index T, Index width, double base, float* table) {
  constexpr Index kPairs = 8;  // that advance together, so that the products overlap
  for (Index first = 0; first < width / 2; first += kPairs) {
    const Index n = std::min(kPairs, width / 2 - first);
    std::array<double, kPairs> cos1{}, sin1{}, c{}, s{};
    for (Index j = 0; j < n; ++j) {
      const double angle = std::pow(base, -2 * double(first + j) / double(width));
      cos1[std::size_t(j)] = std::cos(angle);
      sin1[std::size_t(j)] = std::sin(angle);
      c[std::size_t(j)] = 1;
    }
    for (Index t = 0; t < T; ++t) {
      float* row = table + t * 2 * width + 2 * first;
      for (Index j = 0; j < n; ++j) {
        row[2 * j] = row[2 * j + 1] = float(c[std::size_t(j)]);
        row[width + 2 * j] = -float(s[std::size_t(j)]);
        row[width + 2 * j + 1] = float(s[std::size_t(j)]);
      }
      for (std::size_t j = 0; j < std::size_t(kPairs); ++j) {
        const double cosine = c[j] * cos1[j] - s[j] * sin1[j];
        s[j] = s[j] * cos1[j] + c[j] * sin1[j];
        c[j] = cosine;
      }
    }
  }
}

}  // namespace separatrix
#endif

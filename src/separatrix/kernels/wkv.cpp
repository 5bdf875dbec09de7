#include "separatrix/kernels/wkv.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "separatrix/kernels/wkv.cpp"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "separatrix/kernels/simd.inl"

// Channels are the lanes, time is the inner loop. The chain from position to position is one sum
// and one maximum for o, one multiply-add for p and q: the exponentials wait for o only, so those
// of several positions are under way together.

HWY_BEFORE_NAMESPACE();
namespace separatrix::HWY_NAMESPACE {
namespace {

/// n channels of one row of `past`.
struct Past {
  Vec p, q, o;
};
HWY_INLINE Past load_past(const float* row, Index D, Index n) {
  const Floats d;
  const Vec q = load(row + D, n), o = load(row + 2 * D, n);
  // Where there is no past its exponent is the start of the published kernel.
  const Vec exponent = hn::IfThenElse(hn::Gt(q, hn::Zero(d)), o, hn::Set(d, -1e38F));
  return {load(row, n), q, exponent};
}

void wkv_scan_target(Index n, Index D, const float* decay, const float* k, const float* v,
                     float* past) {
  for_vectors(D, [=](Index d, Index count) HWY_ATTR {
    const Vec rate = load(decay + d, count);
    Past now = load_past(past + d, D, count);
    for (Index t = 0; t + 1 < n; ++t) {
      const Vec faded = hn::Add(rate, now.o), key = load(k + t * D + d, count);
      const Shares w = shares_of(faded, key);
      now.p = hn::MulAdd(w.a, now.p, hn::Mul(w.b, load(v + t * D + d, count)));
      now.q = hn::MulAdd(w.a, now.q, w.b);
      now.o = hn::Max(faded, key);
      float* row = past + (t + 1) * 3 * D + d;
      store(now.p, row, count);
      store(now.q, row + D, count);
      store(now.o, row + 2 * D, count);
    }
  });
}

/// The average at one position and what its gradients need.
struct Average {
  Past past;
  Shares w;   ///< of the past and of the position itself
  Vec scale;  ///< 1 / (w.a q + w.b)
  Vec value;
};
HWY_INLINE Average average_of(const Past& past, Vec bonus, Vec key, Vec value) {
  const Shares w = shares_of(past.o, hn::Add(bonus, key));
  const Vec scale = hn::Div(hn::Set(Floats(), 1.0F), hn::MulAdd(w.a, past.q, w.b));
  const Vec sum = hn::MulAdd(w.a, past.p, hn::Mul(w.b, value));
  return {past, w, scale, hn::Mul(sum, scale)};
}

void wkv_read_target(const Wkv& s, const float* bonus, const float* r, float* y) {
  for (Index t = 0; t < s.n; ++t)
    for_vectors(s.D, [&](Index d, Index count) HWY_ATTR {
      const Index at = t * s.D + d;
      const Average average =
          average_of(load_past(s.past + t * 3 * s.D + d, s.D, count), load(bonus + d, count),
                     load(s.k + at, count), load(s.v + at, count));
      store(hn::Mul(sigmoid_of(load(r + at, count)), average.value), y + at, count);
    });
}

void wkv_read_backward_target(const Wkv& s, const float* bonus, const float* r, const float* dy,
                              const WkvReadGradients& out) {
  const Vec one = hn::Set(Floats(), 1.0F);
  for (Index t = 0; t < s.n; ++t)
    for_vectors(s.D, [&](Index d, Index count) HWY_ATTR {
      const Index at = t * s.D + d;
      const Vec value = load(s.v + at, count);
      const Average average = average_of(load_past(s.past + t * 3 * s.D + d, s.D, count),
                                         load(bonus + d, count), load(s.k + at, count), value);
      const Vec gate = sigmoid_of(load(r + at, count)), g = load(dy + at, count);
      store(hn::Mul(hn::Mul(g, average.value), hn::Mul(gate, hn::Sub(one, gate))), out.dr + at,
            count);
      // Of the sum of weighted values; that of the sum of weights is -average times this.
      const Vec dsum = hn::Mul(hn::Mul(g, gate), average.scale);
      const Vec dvalue = hn::Mul(average.w.b, dsum), dpast = hn::Mul(average.w.a, dsum);
      const Vec dkey = hn::Mul(dvalue, hn::Sub(value, average.value));
      store(dvalue, out.dv + at, count);
      store(dkey, out.dk + at, count);
      store(hn::Add(load(out.dbonus + d, count), dkey), out.dbonus + d, count);
      store(dpast, out.dpast + t * 2 * s.D + d, count);
      store(hn::Neg(hn::Mul(dpast, average.value)), out.dpast + (2 * t + 1) * s.D + d, count);
    });
}

void wkv_scan_backward_target(const Wkv& s, const float* decay, const WkvScanGradients& out) {
  const Index D = s.D, last = s.n - 1;
  for_vectors(D, [&](Index d, Index count) HWY_ATTR {
    const Vec rate = load(decay + d, count);
    const auto of_reading = [&](Index t, Index part) HWY_ATTR {
      return load(out.dpast + (2 * t + part) * D + d, count);
    };
    Vec dp = of_reading(last, 0), dq = of_reading(last, 1), drate = load(out.ddecay + d, count);
    Index reads = out.read.count - 1;  // those before position t + 1
    for (Index t = last - 1; t >= 0; --t) {
      const Index at = t * D + d;
      const Past past = load_past(s.past + t * 3 * D + d, D, count);
      const Vec value = load(s.v + at, count);
      const Shares w = shares_of(hn::Add(rate, past.o), load(s.k + at, count));
      Vec dvalue = hn::Mul(w.b, dp), dkey = hn::Mul(w.b, hn::MulAdd(value, dp, dq));
      drate = hn::MulAdd(w.a, hn::MulAdd(past.p, dp, hn::Mul(past.q, dq)), drate);
      dp = hn::Mul(w.a, dp);
      dq = hn::Mul(w.a, dq);
      if (reads > 0 && out.read[reads - 1] == out.start + t) {
        --reads;
        dvalue = hn::Add(dvalue, load(out.dv + at, count));
        dkey = hn::Add(dkey, load(out.dk + at, count));
        dp = hn::Add(dp, of_reading(t, 0));
        dq = hn::Add(dq, of_reading(t, 1));
      }
      store(dvalue, out.dv + at, count);
      store(dkey, out.dk + at, count);
    }
    store(drate, out.ddecay + d, count);
  });
}

}  // namespace
}  // namespace separatrix::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace separatrix {

HWY_EXPORT(wkv_scan_target);
HWY_EXPORT(wkv_read_target);
HWY_EXPORT(wkv_read_backward_target);
HWY_EXPORT(wkv_scan_backward_target);

void wkv_scan(Index n, Index D, const float* decay, const float* k, const float* v, float* past) {
  HWY_DYNAMIC_DISPATCH(wkv_scan_target)(n, D, decay, k, v, past);
}
void wkv_read(const Wkv& s, const float* bonus, const float* r, float* y) {
  HWY_DYNAMIC_DISPATCH(wkv_read_target)(s, bonus, r, y);
}
void wkv_read_backward(const Wkv& s, const float* bonus, const float* r, const float* dy,
                       const WkvReadGradients& out) {
  HWY_DYNAMIC_DISPATCH(wkv_read_backward_target)(s, bonus, r, dy, out);
}
void wkv_scan_backward(const Wkv& s, const float* decay, const WkvScanGradients& out) {
  HWY_DYNAMIC_DISPATCH(wkv_scan_backward_target)(s, decay, out);
}

}  // namespace separatrix
#endif

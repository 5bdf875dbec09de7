#include "separatrix/kernels/scan.h"

#include <numbers>

#include "hwy/cache_control.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "separatrix/kernels/scan.cpp"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "separatrix/kernels/simd.inl"

// Lanes are channels, so that nothing but the gradients of B and C is summed across lanes, and any
// number of states will do. The loop over the states of one step is innermost: its iterations are
// independent, which hides the latency of the exponential.

HWY_BEFORE_NAMESPACE();
namespace separatrix::HWY_NAMESPACE {
namespace {

/// 2^x for x <= 0, as 2^k 2^r with |r| <= 1/2: 1 + r q(r) with q minimax (relative, 9e-8), then k
/// goes straight into the exponent. NaN stays NaN.
HWY_INLINE Vec power_of_two(Vec x) {
  const Floats d;
  const hn::RebindToSigned<Floats> di;
  x = hn::Max(hn::Set(d, -125.0F), x);
  const Vec shift = hn::Set(d, 12582912.0F);  // 1.5 2^23: the sum's last bits are round(x)
  const Vec shifted = hn::Add(x, shift);
  const Vec r = hn::Sub(x, hn::Sub(shifted, shift));
  Vec p = hn::Set(d, 0.00132647273F);
  p = hn::MulAdd(p, r, hn::Set(d, 0.00967151299F));
  p = hn::MulAdd(p, r, hn::Set(d, 0.0555073358F));
  p = hn::MulAdd(p, r, hn::Set(d, 0.240222424F));
  p = hn::MulAdd(p, r, hn::Set(d, 0.693147004F));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0F));
  const auto exponent = hn::ShiftLeft<23>(hn::BitCast(di, shifted));
  return hn::BitCast(d, hn::Add(hn::BitCast(di, p), exponent));
}

template <bool kSigned>
HWY_INLINE Vec decay(Vec x) {
  const Vec a = power_of_two(x);
  if constexpr (!kSigned) return a;
  return hn::MulAdd(hn::Set(Floats(), 2.0F), a, hn::Set(Floats(), -1.0F));
}

/// Walks through the outputs of a sequence, in either direction.
struct Outputs {
  const SelectiveScan& s;
  Index i;
  bool at(Index t) const { return 0 <= i && i < s.outputs.count && s.outputs[i] - s.origin == t; }
};
/// Number of outputs before time t.
HWY_INLINE Index outputs_before(const SelectiveScan& s, Index t) {
  Index low = 0, high = s.outputs.count;
  while (low < high) {
    const Index middle = (low + high) / 2;
    if (s.outputs[middle] - s.origin < t)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

/// One vector of channels: count of them from k.
struct Channels {
  Index k, count;
};

/// Steps [begin, end) of some channels; `h` [N, E] moves on.
template <bool kSigned>
HWY_INLINE void advance(const SelectiveScan& s, Index begin, Index end, Channels v, float* h,
                        float* y) {
  const Index E = s.E, k = v.k, count = v.count;
  Outputs out{s, outputs_before(s, begin)};
  for (Index t = begin; t < end; ++t) {
    const Vec dt = load(s.dt + t * E + k, count), u = load(s.u + t * E + k, count);
    const Vec dtu = hn::Mul(dt, u);
    const float *B = s.B + t * s.ld, *C = s.C + t * s.ld;
    const auto next = [&](Index n) HWY_ATTR {
      const Vec a = decay<kSigned>(hn::Mul(dt, load(s.rate + n * E + k, count)));
      float* at = h + n * E + k;
      const Vec moved = hn::MulAdd(a, load(at, count), hn::Mul(dtu, hn::Set(Floats(), B[n])));
      store(moved, at, count);
      return moved;
    };
    if (out.at(t)) {
      Vec sum = hn::Mul(load(s.skip + k, count), u);
      for (Index n = 0; n < s.N; ++n) sum = hn::MulAdd(hn::Set(Floats(), C[n]), next(n), sum);
      store(sum, y + out.i * E + k, count);
      ++out.i;
    } else {
      for (Index n = 0; n < s.N; ++n) next(n);
    }
  }
}

template <bool kSigned>
void scan_forward(const SelectiveScan& s, float* y) {
  const Index size = s.N * s.E;
  float* h = s.h;
  for (Index begin = 0; begin < s.T; begin += s.chunk, h += size) {
    std::copy_n(h, size, h + size);
    for_vectors(s.E, [&](Index k, Index count) HWY_ATTR {
      advance<kSigned>(s, begin, std::min(s.T, begin + s.chunk), {k, count}, h + size, y);
    });
  }
}

/// One chunk of one vector of channels on the way back. What belongs to one state at one step
/// stands together, [steps + 1, N, 4, lanes], so that one pointer leads to all of it: a_t; h_{t-1};
/// dB_t and dC_t, not yet summed over the lanes.
struct Chunk {
  Index begin = 0, end = 0;
  float* cells = nullptr;
  float* g = nullptr;  ///< [N, lanes]: a_t dh_t of the step after
};
enum Part { kDecay, kState, kDB, kDC, kParts };

/// a_t and h_t of the steps of the chunk once more.
template <bool kSigned>
HWY_INLINE void recompute(const SelectiveScan& s, const Chunk& c, Channels v, const float* first,
                          const float* last) {
  const Floats d;
  const Index E = s.E, N = s.N, L = lanes(), k = v.k, count = v.count, step = N * kParts * L;
  float* cell = c.cells;
  for (Index n = 0; n < N; ++n)
    hn::StoreU(load(first + n * E + k, count), d, cell + (n * kParts + kState) * L);
  for (Index t = c.begin; t < c.end; ++t) {
    const Vec dt = load(s.dt + t * E + k, count);
    const Vec dtu = hn::Mul(dt, load(s.u + t * E + k, count));
    const float *B = s.B + t * s.ld, *rate = s.rate + k;
    for (Index n = 0; n < N; ++n, rate += E, cell += kParts * L) {
      const Vec a = decay<kSigned>(hn::Mul(dt, load(rate, count)));
      hn::StoreU(a, d, cell + kDecay * L);
      const Vec h = hn::LoadU(d, cell + kState * L);
      hn::StoreU(hn::MulAdd(a, h, hn::Mul(dtu, hn::Set(d, B[n]))), d, cell + step + kState * L);
    }
  }
  for (Index n = 0; n < N; ++n)
    hn::StoreU(load(last + n * E + k, count), d, cell + (n * kParts + kState) * L);
}

/// What one step adds up over its states.
struct StepSums {
  Vec drate, dinput;  ///< sum_n rate q and sum_n g B, with q = g da/d(dt rate) h_{t-1}
};

/// g_t = C_t dy_t + a_{t+1} g_{t+1} and what it leaves behind in step t.
template <bool kSigned, bool kOutput>
HWY_INLINE StepSums retreat(const SelectiveScan& s, const Chunk& c, Index t, Channels v, Vec dy,
                            float* drate) {
  const Floats d;
  const Index E = s.E, N = s.N, L = lanes(), k = v.k, count = v.count, step = N * kParts * L;
  const Vec dt = load(s.dt + t * E + k, count);
  const Vec dtu = hn::Mul(dt, load(s.u + t * E + k, count));
  // Copies, because the stores below might, for all the compiler knows, change the originals.
  const float *B = s.B + t * s.ld, *C = s.C + t * s.ld, *rate = s.rate + k;
  float *cell = c.cells + (t - c.begin) * step, *carried = c.g;
  drate += k;
  StepSums sums{hn::Zero(d), hn::Zero(d)};
  for (Index n = 0; n < N; ++n, rate += E, drate += E, cell += kParts * L, carried += L) {
    Vec g = hn::LoadU(d, carried);
    if constexpr (kOutput) {
      g = hn::MulAdd(hn::Set(d, C[n]), dy, g);
      const Vec after = hn::LoadU(d, cell + step + kState * L);
      hn::StoreU(hn::MulAdd(dy, after, hn::LoadU(d, cell + kDC * L)), d, cell + kDC * L);
    }
    hn::StoreU(hn::MulAdd(g, dtu, hn::LoadU(d, cell + kDB * L)), d, cell + kDB * L);
    // Far from what is read g fades; denormal numbers would take several times as long.
    const Vec product = hn::Mul(hn::LoadU(d, cell + kDecay * L), g);
    const Vec moved = hn::IfThenZeroElse(hn::Lt(hn::Abs(product), hn::Set(d, 1e-30F)), product);
    hn::StoreU(moved, d, carried);
    const Vec slope_g = kSigned ? hn::Add(moved, g) : moved;
    const Vec q = hn::Mul(slope_g, hn::LoadU(d, cell + kState * L));
    sums.drate = hn::MulAdd(load(rate, count), q, sums.drate);
    sums.dinput = hn::MulAdd(hn::Set(d, B[n]), g, sums.dinput);
    store(hn::MulAdd(dt, q, load(drate, count)), drate, count);
  }
  return sums;
}

/// The steps of a chunk from the last to the first, for one vector of channels.
template <bool kSigned>
HWY_INLINE void retreat_chunk(const SelectiveScan& s, const Chunk& c, Channels v, const float* dy,
                              const SelectiveScanGradients& out) {
  const Floats d;
  const Index E = s.E, k = v.k, count = v.count;
  Outputs output{s, outputs_before(s, c.end) - 1};
  Vec dskip = hn::Zero(d);
  for (Index t = c.end - 1; t >= c.begin; --t) {
    const Vec dt = load(s.dt + t * E + k, count), u = load(s.u + t * E + k, count);
    Vec du = hn::Zero(d);
    StepSums sums;
    if (output.at(t)) {
      const Vec in = load(dy + output.i * E + k, count);
      --output.i;
      du = hn::Mul(in, load(s.skip + k, count));
      dskip = hn::MulAdd(in, u, dskip);
      sums = retreat<kSigned, true>(s, c, t, v, in, out.drate);
    } else {
      sums = retreat<kSigned, false>(s, c, t, v, du, out.drate);
    }
    store(hn::MulAdd(dt, sums.dinput, du), out.du + t * E + k, count);
    const Vec ln2 = hn::Set(d, std::numbers::ln2_v<float>);
    store(hn::MulAdd(u, sums.dinput, hn::Mul(ln2, sums.drate)), out.ddt + t * E + k, count);
  }
  store(hn::Add(load(out.dskip + k, count), dskip), out.dskip + k, count);
}

template <bool kSigned>
void scan_backward(const SelectiveScan& s, const float* dy, const SelectiveScanGradients& out) {
  const Floats d;
  const Index N = s.N, L = lanes(), block = N * L, size = N * s.E;
  Chunk c;
  c.cells = out.work;
  float* g = out.work + (s.chunk + 1) * kParts * block;
  std::fill_n(g, (s.E + L - 1) / L * block, 0.0F);
  for (Index i = kept_states(s.T, s.chunk) - 2; i >= 0; --i) {
    c.begin = i * s.chunk;
    c.end = std::min(s.T, c.begin + s.chunk);
    const Index cells = (c.end - c.begin) * N;
    for (Index cell = 0; cell < cells; ++cell)
      for (const Part part : {kDB, kDC})
        hn::StoreU(hn::Zero(d), d, c.cells + (cell * kParts + part) * L);
    for_vectors(s.E, [&](Index k, Index count) HWY_ATTR {
      const float* first = s.h + i * size;
      if (i > 0)  // the next chunk's: strided lines that no hardware prefetches
        for (Index n = 0; n < N; ++n) hwy::Prefetch(first - size + n * s.E + k);
      c.g = g + k * N;
      recompute<kSigned>(s, c, {k, count}, first, first + size);
      retreat_chunk<kSigned>(s, c, {k, count}, dy, out);
    });
    for (Index cell = 0; cell < cells; ++cell) {
      const Index at = (c.begin + cell / N) * out.ld + cell % N;
      const float* sums = c.cells + cell * kParts * L;
      out.dB[at] = sum_of(hn::LoadU(d, sums + kDB * L));
      out.dC[at] = sum_of(hn::LoadU(d, sums + kDC * L));
    }
  }
}

void selective_scan_target(const SelectiveScan& s, float* y) {
  s.signed_decay ? scan_forward<true>(s, y) : scan_forward<false>(s, y);
}
void selective_scan_backward_target(const SelectiveScan& s, const float* dy,
                                    const SelectiveScanGradients& out) {
  s.signed_decay ? scan_backward<true>(s, dy, out) : scan_backward<false>(s, dy, out);
}

/// log(1 + e) = 2 atanh(e / (2 + e)) for 0 <= e <= 1: the series, whose argument is at most 1/3,
/// leaves 2e-8.
HWY_INLINE Vec log_one_plus(Vec e) {
  const Floats d;
  const Vec s = hn::Div(e, hn::Add(e, hn::Set(d, 2.0F))), z = hn::Mul(s, s);
  Vec p = hn::Set(d, 2.0F / 13);
  p = hn::MulAdd(p, z, hn::Set(d, 2.0F / 11));
  p = hn::MulAdd(p, z, hn::Set(d, 2.0F / 9));
  p = hn::MulAdd(p, z, hn::Set(d, 2.0F / 7));
  p = hn::MulAdd(p, z, hn::Set(d, 2.0F / 5));
  p = hn::MulAdd(p, z, hn::Set(d, 2.0F / 3));
  p = hn::MulAdd(p, z, hn::Set(d, 2.0F));
  return hn::Mul(p, s);
}

void scan_rates_target(Index n, float* x) {
  for_vectors(n, [=](Index i, Index count) HWY_ATTR {
    const Vec log2_e = hn::Set(Floats(), -std::numbers::log2e_v<float>);
    store(hn::Mul(log2_e, exp_of(load(x + i, count))), x + i, count);
  });
}

void bias_softplus_target(Index M, Index N, const float* bias, float* x, float* y) {
  const Floats d;
  const Vec one = hn::Set(d, 1.0F);
  for (Index row = 0; row < M; ++row) {
    float *in = x + row * N, *out = y + row * N;
    for_vectors(N, [&](Index k, Index n) HWY_ATTR {
      const Vec a = hn::Add(load(in + k, n), load(bias + k, n));
      const Vec e = exp_of(hn::Neg(hn::Abs(a)));
      const Vec s = hn::Div(one, hn::Add(one, e));
      store(hn::IfThenElse(hn::Lt(a, hn::Zero(d)), hn::Mul(e, s), s), in + k, n);
      store(hn::Add(hn::Max(hn::Zero(d), a), log_one_plus(e)), out + k, n);
    });
  }
}

}  // namespace
}  // namespace separatrix::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace separatrix {

HWY_EXPORT(selective_scan_target);
HWY_EXPORT(selective_scan_backward_target);
HWY_EXPORT(bias_softplus_target);
HWY_EXPORT(scan_rates_target);

Index kept_states(Index T, Index chunk) { return (T + chunk - 1) / chunk + 1; }

Index selective_scan_work(Index E, Index N, Index chunk) {
  constexpr Index kLanes = 16;  // at most
  return 4 * N * kLanes * (chunk + 1) + N * (E + kLanes);
}

void selective_scan(const SelectiveScan& s, float* y) {
  HWY_DYNAMIC_DISPATCH(selective_scan_target)(s, y);
}
void selective_scan_backward(const SelectiveScan& s, const float* dy,
                             const SelectiveScanGradients& out) {
  HWY_DYNAMIC_DISPATCH(selective_scan_backward_target)(s, dy, out);
}
void scan_rates(Index E, Index N, const float* A_log, float* rate) {
  transpose(E, N, A_log, N, rate, E);
  HWY_DYNAMIC_DISPATCH(scan_rates_target)(E * N, rate);
}
void bias_softplus(Index M, Index N, const float* bias, float* x, float* y) {
  HWY_DYNAMIC_DISPATCH(bias_softplus_target)(M, N, bias, x, y);
}

}  // namespace separatrix
#endif

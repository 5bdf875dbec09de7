#include "separatrix/kernels/diagonal.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "separatrix/kernels/diagonal.cpp"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "separatrix/kernels/simd.inl"

// Lanes are channels. Powers and polynomials of several modes go side by side, because a complex
// multiplication has to wait for the one before.

HWY_BEFORE_NAMESPACE();
namespace separatrix::HWY_NAMESPACE {
namespace {

struct ComplexVec {
  Vec re, im;
};

HWY_INLINE ComplexVec load(Planes<const float> p, Index at, Index n) {
  return {load(p.re + at, n), load(p.im + at, n)};
}
HWY_INLINE void add_to(Planes<float> p, Index at, Index n, ComplexVec z) {
  store(hn::Add(load(p.re + at, n), z.re), p.re + at, n);
  store(hn::Add(load(p.im + at, n), z.im), p.im + at, n);
}
HWY_INLINE ComplexVec conjugate(ComplexVec x) { return {x.re, hn::Neg(x.im)}; }
HWY_INLINE ComplexVec zero() { return {hn::Zero(Floats()), hn::Zero(Floats())}; }
/// x y + z.
HWY_INLINE ComplexVec multiply_add(ComplexVec x, ComplexVec y, ComplexVec z) {
  return {hn::NegMulAdd(x.im, y.im, hn::MulAdd(x.re, y.re, z.re)),
          hn::MulAdd(x.im, y.re, hn::MulAdd(x.re, y.im, z.im))};
}
HWY_INLINE ComplexVec times(ComplexVec x, ComplexVec y) {
  return {hn::NegMulAdd(x.im, y.im, hn::Mul(x.re, y.re)),
          hn::MulAdd(x.im, y.re, hn::Mul(x.re, y.im))};
}

/// Calls f(m, std::integral_constant<int, R>) for groups of R = 4 modes, then for single ones.
template <class F>
HWY_INLINE void for_modes(Index M, F f) {
  Index m = 0;
  for (; m + 4 <= M; m += 4) f(m, std::integral_constant<int, 4>());
  for (; m < M; ++m) f(m, std::integral_constant<int, 1>());
}

void diagonal_kernel_target(const DiagonalModes& s, Index T, float* K) {
  std::fill_n(K, T * s.C, 0.0F);
  for_vectors(s.C, [&](Index k, Index count) HWY_ATTR {
    for_modes(s.M, [&](Index m, auto group) HWY_ATTR {
      constexpr int kGroup = decltype(group)::value;
      ComplexVec a[kGroup], power[kGroup];
      for (int r = 0; r < kGroup; ++r) {
        const Index at = (m + r) * s.C + k;
        a[r] = load(s.a, at, count);
        power[r] = times(load(s.c, at, count), load(s.b, at, count));
      }
      for (Index l = 0; l < T; ++l) {
        Vec sum = load(K + l * s.C + k, count);
        for (int r = 0; r < kGroup; ++r) {
          sum = hn::Add(sum, power[r].re);
          power[r] = times(power[r], a[r]);
        }
        store(sum, K + l * s.C + k, count);
      }
    });
  });
}

/// With P(a) = sum_l dK_l a^l the objective is Re(c b P(a)).
void diagonal_kernel_backward_target(const DiagonalModes& s, Index T, const float* dK,
                                     const DiagonalGradients& out) {
  for_vectors(s.C, [&](Index k, Index count) HWY_ATTR {
    for_modes(s.M, [&](Index m, auto group) HWY_ATTR {
      constexpr int kGroup = decltype(group)::value;
      ComplexVec a[kGroup], value[kGroup], slope[kGroup];
      for (int r = 0; r < kGroup; ++r) {
        a[r] = load(s.a, (m + r) * s.C + k, count);
        value[r] = slope[r] = zero();
      }
      for (Index l = T - 1; l >= 0; --l) {
        const ComplexVec coefficient{load(dK + l * s.C + k, count), hn::Zero(Floats())};
        for (int r = 0; r < kGroup; ++r) {
          slope[r] = multiply_add(slope[r], a[r], value[r]);
          value[r] = multiply_add(value[r], a[r], coefficient);
        }
      }
      for (int r = 0; r < kGroup; ++r) {
        const Index at = (m + r) * s.C + k;
        const ComplexVec b = load(s.b, at, count), c = load(s.c, at, count);
        add_to(out.a, at, count, conjugate(times(times(c, b), slope[r])));
        add_to(out.b, at, count, conjugate(times(c, value[r])));
        add_to(out.c, at, count, conjugate(times(b, value[r])));
      }
    });
  });
}

constexpr int kRows = 8;  // outputs side by side: each p is loaded once for all of them

/// out[i] (=|+=) sum over k of p[k] q[i - k] (kBack) or q[i + k], 0 <= the index of q < T; p, q,
/// out [T, C].
struct Convolution {
  Index T, C;
  const float *p, *q;
  bool accumulate;
  float* out;
};

/// out[i] .. out[i + R - 1] of n channels from `first`: first the k that all R have, then the
/// triangle.
template <bool kBack, int R>
HWY_INLINE void convolve_rows(const Convolution& c, Index i, Index first, Index n) {
  const Index C = c.C;
  const float *p = c.p + first, *q = c.q + first;
  float* out = c.out + first;
  Vec sum[R];
  for (int r = 0; r < R; ++r)
    sum[r] = c.accumulate ? load(out + (i + r) * C, n) : hn::Zero(Floats());
  const Index common = kBack ? i + 1 : c.T - i - (R - 1);
  for (Index k = 0; k < common; ++k) {
    const Vec pk = load(p + k * C, n);
    const float* at = q + (kBack ? i - k : i + k) * C;
    for (int r = 0; r < R; ++r) sum[r] = hn::MulAdd(pk, load(at + r * C, n), sum[r]);
  }
  for (int r = 0; r < R; ++r) {
    const Index more = kBack ? r : R - 1 - r;
    for (Index k = common; k < common + more; ++k)
      sum[r] =
          hn::MulAdd(load(p + k * C, n), load(q + (kBack ? i + r - k : i + r + k) * C, n), sum[r]);
    store(sum[r], out + (i + r) * C, n);
  }
}

template <bool kBack>
HWY_INLINE void convolve(const Convolution& c) {
  for_vectors(c.C, [&](Index first, Index n) HWY_ATTR {
    Index i = 0;
    for (; i + kRows <= c.T; i += kRows) convolve_rows<kBack, kRows>(c, i, first, n);
    for (; i < c.T; ++i) convolve_rows<kBack, 1>(c, i, first, n);
  });
}

void long_conv_target(const LongConv& s, float* y) {
  if (s.outputs.index == nullptr && s.outputs.count == s.T)
    return convolve<true>({s.T, s.C, s.K, s.u, false, y});
  for (Index i = 0; i < s.outputs.count; ++i)
    for_vectors(s.C, [&](Index k, Index n) HWY_ATTR {
      const Index t = s.outputs[i] - s.origin;
      Vec sum = hn::Zero(Floats());
      for (Index l = 0; l <= t; ++l)
        sum = hn::MulAdd(load(s.K + l * s.C + k, n), load(s.u + (t - l) * s.C + k, n), sum);
      store(sum, y + i * s.C + k, n);
    });
}

void long_conv_backward_target(const LongConv& s, const float* dy, float* du, float* dK) {
  if (s.outputs.index == nullptr && s.outputs.count == s.T) {
    convolve<false>({s.T, s.C, s.K, dy, true, du});  // du_t = sum_l K_l dy_{t+l}
    convolve<false>({s.T, s.C, s.u, dy, true, dK});  // dK_l = sum_t u_t dy_{t+l}
    return;
  }
  for (Index i = 0; i < s.outputs.count; ++i)
    for_vectors(s.C, [&](Index k, Index n) HWY_ATTR {
      const Index t = s.outputs[i] - s.origin;
      const Vec d = load(dy + i * s.C + k, n);
      for (Index l = 0; l <= t; ++l) {
        const Index late = l * s.C + k, early = (t - l) * s.C + k;
        store(hn::MulAdd(d, load(s.u + early, n), load(dK + late, n)), dK + late, n);
        store(hn::MulAdd(d, load(s.K + late, n), load(du + early, n)), du + early, n);
      }
    });
}

/// Times of the outputs from `begin` on, one after the other.
struct NextOutput {
  const DiagonalScan& s;
  Index i;
  NextOutput(const DiagonalScan& scan, Index begin) : s(scan), i(0) {
    while (i < s.outputs.count && s.outputs[i] - s.origin < begin) ++i;
  }
  bool at(Index t) const { return i < s.outputs.count && s.outputs[i] - s.origin == t; }
};

/// Steps [begin, end) of mode m of n channels from k.
struct Walk {
  Index begin, end, m, k, n;
};
/// f(t, s_t) for each step; -> the last state.
template <class F>
HWY_INLINE ComplexVec walk(const DiagonalScan& s, Walk w, ComplexVec state, F f) {
  const Index at = w.m * s.modes.C + w.k;
  const ComplexVec a = load(s.modes.a, at, w.n), b = load(s.modes.b, at, w.n);
  for (Index t = w.begin; t < w.end; ++t) {
    const Vec u = load(s.u + t * s.modes.C + w.k, w.n);
    state = multiply_add(a, state, {hn::Mul(b.re, u), hn::Mul(b.im, u)});
    f(t, state);
  }
  return state;
}

void diagonal_scan_target(const DiagonalScan& s, float* y) {
  const Index C = s.modes.C, M = s.modes.M, size = 2 * M * C;
  std::fill_n(y, s.outputs.count * C, 0.0F);
  float* kept = s.s;
  for (Index begin = 0; begin < s.T; begin += s.chunk, kept += size) {
    const Index end = std::min(s.T, begin + s.chunk);
    const Planes<const float> before{kept, kept + M * C};
    float* after = kept + size;
    const NextOutput first(s, begin);
    for_vectors(C, [&](Index k, Index count) HWY_ATTR {
      for (Index m = 0; m < M; ++m) {
        const Index at = m * C + k;
        const ComplexVec c = load(s.modes.c, at, count);
        NextOutput out = first;
        const ComplexVec last = walk(
            s, {begin, end, m, k, count}, load(before, at, count),
            [&](Index t, ComplexVec state) HWY_ATTR {
              if (!out.at(t)) return;
              float* row = y + out.i * C + k;
              ++out.i;
              store(hn::NegMulAdd(c.im, state.im, hn::MulAdd(c.re, state.re, load(row, count))),
                    row, count);
            });
        store(last.re, after + at, count);
        store(last.im, after + M * C + at, count);
      }
    });
  }
}

void diagonal_scan_backward_target(const DiagonalScan& s, const float* dy, float* du,
                                   const DiagonalGradients& out, float* work) {
  const Floats d;
  const Index C = s.modes.C, M = s.modes.M, L = lanes(), size = 2 * M * C;
  float *states = work, *carried = work + 2 * L * (s.chunk + 1);  // one mode's; a* g of all
  std::fill_n(carried, size, 0.0F);
  const Planes<float> g_planes{carried, carried + M * C};
  for (Index i = (s.T + s.chunk - 1) / s.chunk - 1; i >= 0; --i) {
    const Index begin = i * s.chunk, end = std::min(s.T, begin + s.chunk);
    const Planes<const float> before{s.s + i * size, s.s + i * size + M * C};
    const Planes<const float> after{before.re + size, before.im + size};
    const NextOutput behind(s, end);
    for_vectors(C, [&](Index k, Index count) HWY_ATTR {
      for (Index m = 0; m < M; ++m) {
        const Index at = m * C + k;
        const auto keep = [&](Index step, ComplexVec z) HWY_ATTR {
          hn::StoreU(z.re, d, states + 2 * L * step);
          hn::StoreU(z.im, d, states + 2 * L * step + L);
        };
        const auto kept = [&](Index step) HWY_ATTR {
          return ComplexVec{hn::LoadU(d, states + 2 * L * step),
                            hn::LoadU(d, states + 2 * L * step + L)};
        };
        keep(0, load(before, at, count));
        walk(s, {begin, end - 1, m, k, count}, kept(0),
             [&](Index t, ComplexVec state) HWY_ATTR { keep(t - begin + 1, state); });
        keep(end - begin, load(after, at, count));

        const ComplexVec a = load(s.modes.a, at, count), b = load(s.modes.b, at, count),
                         c = load(s.modes.c, at, count);
        ComplexVec g{load(g_planes.re + at, count), load(g_planes.im + at, count)};
        ComplexVec da = zero(), db = zero(), dc = zero();
        Index output = behind.i - 1;
        for (Index t = end - 1; t >= begin; --t) {
          if (output >= 0 && s.outputs[output] - s.origin == t) {  // y_t = Re(c s_t)
            const Vec in = load(dy + output * C + k, count);
            --output;
            const ComplexVec state = kept(t - begin + 1);
            g = {hn::MulAdd(in, c.re, g.re), hn::NegMulAdd(in, c.im, g.im)};
            dc = {hn::MulAdd(in, state.re, dc.re), hn::NegMulAdd(in, state.im, dc.im)};
          }
          const Index row = t * C + k;
          const Vec u = load(s.u + row, count);
          db = {hn::MulAdd(g.re, u, db.re), hn::MulAdd(g.im, u, db.im)};
          store(hn::MulAdd(b.re, g.re, hn::MulAdd(b.im, g.im, load(du + row, count))), du + row,
                count);
          da = multiply_add(g, conjugate(kept(t - begin)), da);
          g = times(conjugate(a), g);
        }
        store(g.re, g_planes.re + at, count);
        store(g.im, g_planes.im + at, count);
        add_to(out.a, at, count, da);
        add_to(out.b, at, count, db);
        add_to(out.c, at, count, dc);
      }
    });
  }
}

void bias_glu_target(Index M, Index N, const float* bias, float* x, float* y) {
  for (Index row = 0; row < M; ++row)
    for_vectors(N, [&](Index k, Index n) HWY_ATTR {
      float *v = x + 2 * row * N + k, *g = v + N;
      const Vec value = hn::Add(load(v, n), load(bias + k, n));
      const Vec gate = sigmoid_of(hn::Add(load(g, n), load(bias + N + k, n)));
      store(value, v, n);
      store(gate, g, n);
      store(hn::Mul(value, gate), y + row * N + k, n);
    });
}

void bias_glu_backward_target(Index M, Index N, const float* dy, float* x) {
  const Vec one = hn::Set(Floats(), 1.0F);
  for (Index row = 0; row < M; ++row)
    for_vectors(N, [&](Index k, Index n) HWY_ATTR {
      float *v = x + 2 * row * N + k, *g = v + N;
      const Vec gate = load(g, n), dv = hn::Mul(load(dy + row * N + k, n), gate);
      store(hn::Mul(hn::Mul(dv, load(v, n)), hn::Sub(one, gate)), g, n);
      store(dv, v, n);
    });
}

}  // namespace
}  // namespace separatrix::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace separatrix {

HWY_EXPORT(diagonal_kernel_target);
HWY_EXPORT(diagonal_kernel_backward_target);
HWY_EXPORT(long_conv_target);
HWY_EXPORT(long_conv_backward_target);
HWY_EXPORT(diagonal_scan_target);
HWY_EXPORT(diagonal_scan_backward_target);
HWY_EXPORT(bias_glu_target);
HWY_EXPORT(bias_glu_backward_target);

void diagonal_kernel(const DiagonalModes& modes, Index T, float* K) {
  HWY_DYNAMIC_DISPATCH(diagonal_kernel_target)(modes, T, K);
}
void diagonal_kernel_backward(const DiagonalModes& modes, Index T, const float* dK,
                              const DiagonalGradients& out) {
  HWY_DYNAMIC_DISPATCH(diagonal_kernel_backward_target)(modes, T, dK, out);
}
void long_conv(const LongConv& s, float* y) { HWY_DYNAMIC_DISPATCH(long_conv_target)(s, y); }
void long_conv_backward(const LongConv& s, const float* dy, float* du, float* dK) {
  HWY_DYNAMIC_DISPATCH(long_conv_backward_target)(s, dy, du, dK);
}
void diagonal_scan(const DiagonalScan& s, float* y) {
  HWY_DYNAMIC_DISPATCH(diagonal_scan_target)(s, y);
}
void diagonal_scan_backward(const DiagonalScan& s, const float* dy, float* du,
                            const DiagonalGradients& out, float* work) {
  HWY_DYNAMIC_DISPATCH(diagonal_scan_backward_target)(s, dy, du, out, work);
}
Index diagonal_scan_work(Index C, Index M, Index chunk) {
  constexpr Index kLanes = 16;  // at most
  return 2 * kLanes * (chunk + 1) + 2 * M * C;
}
void bias_glu(Index M, Index N, const float* bias, float* x, float* y) {
  HWY_DYNAMIC_DISPATCH(bias_glu_target)(M, N, bias, x, y);
}
void bias_glu_backward(Index M, Index N, const float* dy, float* x) {
  HWY_DYNAMIC_DISPATCH(bias_glu_backward_target)(M, N, dy, x);
}

}  // namespace separatrix
#endif

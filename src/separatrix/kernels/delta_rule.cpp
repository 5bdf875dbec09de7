#include "separatrix/kernels/delta_rule.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "separatrix/kernels/delta_rule.cpp"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "separatrix/kernels/simd.inl"

// Columns of S do not see each other, so a few vectors of columns go through all steps at a time,
// and their part of S stays in the first cache. Each step is one pass over the rows of S: the
// update of the step before is finished where the next one reads.

HWY_BEFORE_NAMESPACE();
namespace separatrix::HWY_NAMESPACE {
namespace {

/// V vectors of columns, the last of them `count` wide (below lanes: V = 1).
template <int V>
HWY_INLINE void columns(const DeltaRule& r, Index count, const float* v, float* S, float* e) {
  const Floats d;
  const Index L = lanes();
  Vec last[V];
  for (int x = 0; x < V; ++x) last[x] = hn::Zero(d);
  const float* k_last = r.k;
  for (Index t = 0; t < r.steps; ++t) {
    const float* k = r.k + t * r.ldk;
    const Vec g = hn::Set(d, r.decay == nullptr ? 1.0F : r.decay[t * r.gate_step]);
    Vec u[V];
    for (int x = 0; x < V; ++x) u[x] = hn::Zero(d);
    for (Index i = 0; i < r.dk; ++i) {
      const Vec ki = hn::Set(d, k[i]), ki_last = hn::Set(d, k_last[i]);
      for (int x = 0; x < V; ++x) {
        float* p = S + i * r.dv + x * L;
        const Vec s = hn::Mul(g, hn::MulAdd(ki_last, last[x], load(p, count)));
        store(s, p, count);
        u[x] = hn::MulAdd(ki, s, u[x]);
      }
    }
    const Vec beta = hn::Set(d, r.beta[t * r.gate_step]);
    for (int x = 0; x < V; ++x) {
      last[x] = hn::Mul(beta, hn::Sub(load(v + t * r.ldv + x * L, count), u[x]));
      store(last[x], e + t * r.ldv + x * L, count);
    }
    k_last = k;
  }
  for (Index i = 0; i < r.dk && r.steps > 0; ++i)
    for (int x = 0; x < V; ++x) {
      float* p = S + i * r.dv + x * L;
      store(hn::MulAdd(hn::Set(d, k_last[i]), last[x], load(p, count)), p, count);
    }
}

template <int V>
HWY_INLINE void columns_backward(const DeltaRule& r, const StateReads& reads, Index count,
                                 const float* e, const DeltaRuleGradients& out) {
  const Floats d;
  const Index L = lanes();
  Vec dw[V];
  for (int x = 0; x < V; ++x) dw[x] = hn::Zero(d);
  Vec g = hn::Set(d, 1.0F);
  const float* k_next = r.k;
  Index live = reads.n;
  for (Index t = r.steps - 1; t >= 0; --t) {
    const float* k = r.k + t * r.ldk;
    const bool is_read =
        live > 0 && (reads.step == nullptr ? live - 1 : reads.step[live - 1] - reads.offset) == t;
    if (is_read) --live;
    const float* q = is_read ? reads.q + live * r.ldk : k;
    Vec dout[V], de[V];
    for (int x = 0; x < V; ++x) {
      dout[x] = is_read ? load(reads.dout + live * r.ldv + x * L, count) : hn::Zero(d);
      de[x] = hn::Zero(d);
    }
    for (Index i = 0; i < r.dk; ++i) {
      const Vec ki = hn::Set(d, k[i]), ki_next = hn::Set(d, k_next[i]), qi = hn::Set(d, q[i]);
      for (int x = 0; x < V; ++x) {
        float* p = out.dS + i * r.dv + x * L;
        const Vec left = hn::Mul(g, hn::NegMulAdd(ki_next, dw[x], load(p, count)));
        const Vec ds = hn::MulAdd(qi, dout[x], left);
        store(ds, p, count);
        de[x] = hn::MulAdd(ki, ds, de[x]);
      }
    }
    const Vec beta = hn::Set(d, r.beta[t * r.gate_step]);
    Vec sum = hn::Zero(d);
    for (int x = 0; x < V; ++x) {
      const Index at = t * r.ldv + x * L;
      sum = hn::MulAdd(de[x], load(e + at, count), sum);  // lanes past the end are 0 in e
      dw[x] = hn::Mul(beta, de[x]);
      store(dw[x], out.dv + at, count);
    }
    out.de_e[t * r.gate_step] += sum_of(sum);
    g = hn::Set(d, r.decay == nullptr ? 1.0F : r.decay[t * r.gate_step]);
    k_next = k;
  }
  for (Index i = 0; i < r.dk && r.steps > 0; ++i)
    for (int x = 0; x < V; ++x) {
      float* p = out.dS + i * r.dv + x * L;
      const Vec ds = hn::NegMulAdd(hn::Set(d, k_next[i]), dw[x], load(p, count));
      store(hn::Mul(g, ds), p, count);
    }
}

void delta_rule_target(const DeltaRule& r, const float* v, float* S, float* e) {
  const Index L = lanes();
  Index j = 0;
  for (; j + 4 * L <= r.dv; j += 4 * L) columns<4>(r, L, v + j, S + j, e + j);
  for (; j + 2 * L <= r.dv; j += 2 * L) columns<2>(r, L, v + j, S + j, e + j);
  for (; j + L <= r.dv; j += L) columns<1>(r, L, v + j, S + j, e + j);
  if (j < r.dv) columns<1>(r, r.dv - j, v + j, S + j, e + j);
}

void delta_rule_backward_target(const DeltaRule& r, const StateReads& reads, const float* e,
                                const DeltaRuleGradients& out) {
  const Index L = lanes();
  Index j = 0;
  const auto part = [&](auto vectors, Index count) HWY_ATTR {
    StateReads moved = reads;
    moved.dout += reads.n > 0 ? j : 0;
    columns_backward<vectors()>(r, moved, count, e + j, {out.dS + j, out.dv + j, out.de_e});
    j += vectors() * count;
  };
  while (j + 4 * L <= r.dv) part(std::integral_constant<int, 4>(), L);
  while (j + 2 * L <= r.dv) part(std::integral_constant<int, 2>(), L);
  while (j + L <= r.dv) part(std::integral_constant<int, 1>(), L);
  if (j < r.dv) part(std::integral_constant<int, 1>(), r.dv - j);
}

}  // namespace
}  // namespace separatrix::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace separatrix {

HWY_EXPORT(delta_rule_target);
HWY_EXPORT(delta_rule_backward_target);

void delta_rule(const DeltaRule& r, const float* v, float* S, float* e) {
  HWY_DYNAMIC_DISPATCH(delta_rule_target)(r, v, S, e);
}
void delta_rule_backward(const DeltaRule& r, const StateReads& reads, const float* e,
                         const DeltaRuleGradients& out) {
  HWY_DYNAMIC_DISPATCH(delta_rule_backward_target)(r, reads, e, out);
}

}  // namespace separatrix
#endif

#pragma once

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "separatrix/nn/blocks/matrix_state.h"
#include "separatrix/nn/blocks/plain_math.h"

// One position of the blocks of matrix_state.h, plainly: of their references, in every scalar S
// with weights in double, and of step, in double with weights in float.

namespace separatrix {

/// in [n] w [n, m].
template <class S, class W>
std::vector<S> projected(const std::vector<S>& in, const W* w, Index m) {
  std::vector<S> out = zeros_of<S>(m);
  for (Index j = 0; j < m; ++j) {
    S sum(0.0);
    for (std::size_t i = 0; i < in.size(); ++i) {
      const auto weight = double(w[Index(i) * m + j]);
      if (weight != 0) sum += in[i] * weight;
    }
    out[std::size_t(j)] = stored(sum);
  }
  return out;
}

/// 1 / sqrt(n): no double in general, so intervals contain the real number.
template <class S>
S inverse_root(Index n) {
  return constant<S>([](auto x) { return 1.0 / sqrt(x); }, double(n));
}

/// One step of one head's state S [dk, dv].
template <class S>
struct HeadStep {
  const S* k = nullptr;
  const S* v = nullptr;
  const S* decay = nullptr;                ///< null = 1
  const S* beta = nullptr;                 ///< null: not the delta rule
  const S *cos = nullptr, *sin = nullptr;  ///< as RoundedMatrixState's turn; null: none

  void advance(Index dk, Index dv, const StateFormat& format, S* state) const {
    std::vector<S> found(state, state + dk * dv);
    if (cos != nullptr)
      for (Index i = 0; i < dk; ++i)
        for (Index j = 0; j < dv && (i ^ 1) < dk; ++j)
          found[std::size_t(i * dv + j)] =
              cos[i] * state[i * dv + j] - sin[i] * state[(i ^ 1) * dv + j];
    if (decay != nullptr)
      for (S& s : found) s *= *decay;
    for (Index j = 0; j < dv; ++j) {
      S e = v[j];
      if (beta != nullptr) {
        for (Index i = 0; i < dk; ++i) e -= found[std::size_t(i * dv + j)] * k[i];
        e = stored(*beta * e);
      }
      for (Index i = 0; i < dk; ++i)
        state[i * dv + j] = format.rounded(stored(found[std::size_t(i * dv + j)] + k[i] * e));
    }
  }
};

/// S^T q.
template <class S>
void read_state(Index dk, Index dv, const S* state, const S* q, S* o) {
  for (Index j = 0; j < dv; ++j) {
    S sum(0.0);
    for (Index i = 0; i < dk; ++i) sum += state[i * dv + j] * q[i];
    o[j] = stored(sum);
  }
}

/// x / sqrt(weight |x|^2 + epsilon), in place.
template <class S>
void normalize(Index n, double divisor, double epsilon, S* x) {
  S sum(0.0);
  for (Index i = 0; i < n; ++i) sum += square(x[i]);
  const S length = sqrt(sum / divisor + epsilon);
  for (Index i = 0; i < n; ++i) x[i] = stored(x[i] / length);
}

/// silu of a causal convolution at one position: w [K, C]; tail [K-1, C], the inputs before, oldest
/// first, moves on by one and takes x as the format holds it.
template <class S, class W>
std::vector<S> convolve(const StateFormat& format, Index K, const W* w, const std::vector<S>& x,
                        S* tail) {
  const auto C = Index(x.size());
  std::vector<S> y = zeros_of<S>(C);
  for (Index i = 0; i < C; ++i) {
    S& sum = y[std::size_t(i)];
    for (Index j = 0; j < K; ++j) {
      const S& in = j + 1 < K ? tail[j * C + i] : x[std::size_t(i)];
      if (w[j * C + i] != 0) sum += in * double(w[j * C + i]);
    }
    sum = stored(silu(sum));
  }
  std::copy(tail + C, tail + (K - 1) * C, tail);
  for (Index i = 0; i < C; ++i) tail[(K - 2) * C + i] = format.rounded(x[std::size_t(i)]);
  return y;
}

/// step() by a function f(state, x) -> y in double of the same position.
template <class F>
void step_in_double(Index D, Index state_size, float* state, const float* x, float* y, const F& f) {
  std::vector<double> s(state, state + state_size);
  const std::vector<double> out = f(s.data(), std::vector<double>(x, x + D));
  std::transform(s.begin(), s.end(), state, [](double v) { return float(v); });
  std::transform(out.begin(), out.end(), y, [](double v) { return float(v); });
}

}  // namespace separatrix

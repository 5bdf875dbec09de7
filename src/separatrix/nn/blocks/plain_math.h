#pragma once

#include <cmath>
#include <type_traits>
#include <vector>

#include "separatrix/base/view.h"
#include "separatrix/nn/plain.h"

// What the references of the blocks share. Every product leaves out zero weights, because 0 times
// an unbounded interval is still 0.

namespace separatrix {

/// [n], all zero.
template <class S>
std::vector<S> zeros_of(Index n) {
  return std::vector<S>(std::size_t(n), S(0.0));
}

/// sum += x[row, :] w[:, column].
template <class S>
void add_products(View<const S, 2> x, Index row, View<const double, 2> w, Index column, S& sum) {
  for (Index i = 0; i < x.extent[1]; ++i)
    if (w(i, column) != 0) sum += x(row, i) * w(i, column);
}

/// out[j] = stored(sum_i in_i w[i, j]), i.e. in [n] times w [n, m] ld.
template <class S>
void product(const S* in, Index n, const double* w, Index m, Index ld, S* out) {
  for (Index j = 0; j < m; ++j) {
    S sum(0.0);
    for (Index i = 0; i < n; ++i)
      if (w[i * ld + j] != 0) sum += in[i] * w[i * ld + j];
    out[j] = stored(sum);
  }
}

/// in [n] w [n, m].
template <class S>
std::vector<S> product(const S* in, Index n, const double* w, Index m) {
  std::vector<S> out = zeros_of<S>(m);
  product(in, n, w, m, m, out.data());
  return out;
}

template <class S>
S silu(S x) {
  return x * sigmoid(x);
}

/// `some` where x > 0, else `none`; both where the interval x leaves it open.
template <class S>
S where_positive(S x, S some, S none) {
  if constexpr (std::is_same_v<S, Interval>) {
    if (x.upper() <= 0) return none;
    return x.lower() > 0 ? some : hull(some, none);
  } else {
    return double(x) > 0 ? some : none;
  }
}

/// x Phi(x), exact.
template <class S>
S gelu(const S& x) {
  if constexpr (std::is_same_v<S, Interval>)  // contains the real number, which is no double
    return x * (0.5 * (1.0 + erf(x * sqrt(Interval(0.5)))));
  else
    return x * (0.5 * (1.0 + erf(x * std::sqrt(0.5))));
}

/// A number that is no double, as the constant of a formula: f(Interval(x)) contains the real one.
template <class S, class F>
S constant(const F& f, double x) {
  if constexpr (std::is_same_v<S, Interval>)
    return f(Interval(x));
  else
    return S(f(x));
}

}  // namespace separatrix

#pragma once

#include <algorithm>
#include <string>

#include "separatrix/kernels/heads.h"
#include "separatrix/nn/blocks/matrix_state_plain.h"
#include "separatrix/nn/buffer.h"

namespace separatrix {

/// phi of linear attention, R^d -> R^width for each head, the same for all heads:
/// elu+1:                elu(x) + 1
/// elementwise_product:  (x W_1) * (x W_2), W_1, W_2 in R^{d x d}
/// taylor:               (1, x / d^(1/4), x x^T / sqrt(2 d)), so that phi(q) . phi(k) = 1 + s + s^2
/// /
///                       2 with s = q . k / sqrt(d)
struct FeatureMap {
  enum class Kind { elu, product, taylor };
  Kind kind = Kind::elu;
  Index d = 0;

  static const std::vector<std::string>& names() {
    static const std::vector<std::string> all = {"elu+1", "elementwise_product", "taylor"};
    return all;
  }

  Index width() const { return kind == Kind::taylor ? 1 + d + d * d : d; }
  Index params() const { return kind == Kind::product ? 2 * d * d : 0; }
  /// Positive features make weights of an average: the output is divided by their sum.
  bool is_positive() const { return kind != Kind::product; }
  double linear() const { return std::pow(double(d), -0.25); }
  double quadratic() const { return 1 / std::sqrt(2 * double(d)); }

  Index cache_size(Index rows) const { return kind == Kind::product ? 2 * padded(rows * d) : 0; }
  Index scratch_size(Index rows) const { return cache_size(rows); }

  /// y [rows, width] = phi(x), x [rows, d].
  void forward(Index rows, const float* x, const float* w, float* y, float* cache) const;
  /// dx = gradient; dw +=; y, cache as forward left them. dx may be dy where width = d.
  void backward(Index rows, const float* x, const float* w, const float* y, const float* dy,
                float* dx, float* dw, float* cache, float* scratch) const;

  template <class S, class W>
  std::vector<S> plain(const std::vector<S>& x, const W* w) const {
    if (kind == Kind::elu) {
      std::vector<S> y = x;
      // max(x, 0) + e^min(x, 0): both are monotone, so intervals stay sharp.
      for (S& v : y) v = stored(max(v, S(0.0)) + exp(min(v, S(0.0))));
      return y;
    }
    if (kind == Kind::product) {
      std::vector<S> y = projected(x, w, d);
      const std::vector<S> other = projected(x, w + d * d, d);
      for (std::size_t i = 0; i < y.size(); ++i) y[i] = stored(y[i] * other[i]);
      return y;
    }
    const auto size = double(d);
    const S first = constant<S>([](auto v) { return 1.0 / sqrt(sqrt(v)); }, size);
    const S second = constant<S>([](auto v) { return 1.0 / sqrt(v); }, 2 * size);
    std::vector<S> y = {S(1.0)};
    for (const S& v : x) y.push_back(stored(v * first));
    for (Index i = 0; i < d; ++i)
      for (Index j = 0; j < d; ++j) {
        const S v = i == j ? square(x[std::size_t(i)]) : x[std::size_t(i)] * x[std::size_t(j)];
        y.push_back(stored(v * second));
      }
    return y;
  }
};

}  // namespace separatrix

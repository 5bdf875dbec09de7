#include "separatrix/nn/blocks/feature_map.h"

namespace separatrix {

void FeatureMap::forward(Index rows, const float* x, const float* w, float* y, float* cache) const {
  if (kind == Kind::elu) return elu_plus_one(rows * d, x, y);
  if (kind == Kind::product) {
    float *a = cache, *b = cache + padded(rows * d);
    project(rows, d, x, w, d, a);
    project(rows, d, x, w + d * d, d, b);
    std::copy_n(a, rows * d, y);
    return multiply(rows * d, b, y);
  }
  const auto first = float(linear()), second = float(quadratic());
  for (Index r = 0; r < rows; ++r, x += d, y += width()) {
    y[0] = 1;
    for (Index i = 0; i < d; ++i) y[1 + i] = first * x[i];
    for (Index i = 0; i < d; ++i) {
      const float xi = second * x[i];
      for (Index j = 0; j < d; ++j) y[1 + d + i * d + j] = xi * x[j];
    }
  }
}

void FeatureMap::backward(Index rows, const float* x, const float* w, const float* y,
                          const float* dy, float* dx, float* dw, float* cache,
                          float* scratch) const {
  if (kind == Kind::elu) return elu_plus_one_backward(rows * d, y, dy, dx);
  if (kind == Kind::product) {
    const float *a = cache, *b = cache + padded(rows * d);
    float *da = scratch, *db = scratch + padded(rows * d);
    std::copy_n(dy, rows * d, da);
    multiply(rows * d, b, da);
    std::copy_n(dy, rows * d, db);
    multiply(rows * d, a, db);
    std::fill_n(dx, rows * d, 0.0F);
    project_backward(rows, d, x, w, d, da, dw, dx);
    return project_backward(rows, d, x, w + d * d, d, db, dw + d * d, dx);
  }
  const auto first = float(linear()), second = float(quadratic());
  for (Index r = 0; r < rows; ++r, x += d, dx += d, dy += width()) {
    for (Index i = 0; i < d; ++i) dx[i] = first * dy[1 + i];
    for (Index i = 0; i < d; ++i) {
      const float* square = dy + 1 + d + i * d;
      dx[i] += second * dot(d, square, x);
      axpy(d, second * x[i], square, dx);
    }
  }
}

}  // namespace separatrix

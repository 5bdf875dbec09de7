#pragma once

#include <algorithm>
#include <vector>

#include "separatrix/base/rng.h"
#include "separatrix/model/weights.h"

namespace separatrix::test {

inline std::vector<float> normals(Rng& rng, Index n, double deviation = 1) {
  std::vector<float> values;
  for (Index i = 0; i < n; ++i) values.push_back(float(deviation * rng.normal()));
  return values;
}

inline std::vector<double> to_double(const std::vector<float>& values) {
  return {values.begin(), values.end()};
}

/// All parameters of a block at random, including those that start at zero: matrices scaled to keep
/// the size of what they multiply, vectors of half that size around their start.
inline std::vector<float> random_parameters(const std::vector<ParamSpec>& params, Rng& rng) {
  std::vector<float> values;
  for (const ParamSpec& param : params) {
    const double scale = param.shape.size() > 1 ? 1 / std::sqrt(double(param.shape[0])) : 0.5;
    for (Index i = 0; i < param.size(); ++i)
      values.push_back(float((param.init == Init::ones ? 1 : 0) + scale * rng.normal()));
  }
  return values;
}

}  // namespace separatrix::test

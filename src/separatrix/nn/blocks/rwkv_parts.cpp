#include "separatrix/nn/blocks/rwkv_parts.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "separatrix/base/rng.h"
#include "separatrix/kernels/rwkv.h"

namespace separatrix {
namespace {

/// v[n]: its part that is orthogonal to the `count` orthonormal rows of q [count, n], normalised.
void orthonormalise(const double* q, Index count, Index n, double* v) {
  for (int pass = 0; pass < 2; ++pass)  // the second removes what rounding left of the first
    for (Index i = 0; i < count; ++i) {
      double product = 0;
      for (Index j = 0; j < n; ++j) product += q[i * n + j] * v[j];
      for (Index j = 0; j < n; ++j) v[j] -= product * q[i * n + j];
    }
  double square = 0;
  for (Index j = 0; j < n; ++j) square += v[j] * v[j];
  for (Index j = 0; j < n; ++j) v[j] /= std::sqrt(square);
}

}  // namespace

ShiftedInputs::ShiftedInputs(Shape s, const StateFormat& format, const float* x, float* cache,
                             float* scratch)
    : shape_(s), format_(format), x_(x), rounded_(cache), zeros_(scratch), unread_(scratch + s.D) {
  std::fill_n(scratch, 2 * s.D, 0.0F);
}

void ShiftedInputs::remember(const Run& run) const {
  if (format_.is_float32()) return;
  const Index D = shape_.D, last = run.row + run.n - 1;
  const Index first = run.row % shape_.T == 0 ? run.row : run.row - 1;
  std::copy(x_ + first * D, x_ + last * D, rounded_ + first * D);
  format_.round((last - first) * D, rounded_ + first * D);
}

void ShiftedInputs::mix(const Run& run, const float* mu, float* mixed) const {
  const Index D = shape_.D, starts = run.row % shape_.T == 0 ? 1 : 0;
  const float *x = x_ + run.row * D, *carried = format_.is_float32() ? x_ : rounded_;
  token_shift(starts, D, mu, x, zeros_, mixed);
  token_shift(run.n - starts, D, mu, x + starts * D, carried + (run.row + starts - 1) * D,
              mixed + starts * D);
}

void ShiftedInputs::mix_backward(const Run& run, const float* mu, const float* dmixed, float* dx,
                                 float* dmu) const {
  const Index D = shape_.D, starts = run.row % shape_.T == 0 ? 1 : 0, row = run.row + starts;
  const float* carried = format_.is_float32() ? x_ : rounded_;
  token_shift_backward({starts, D, mu, x_ + run.row * D, zeros_, dmixed},
                       {dx + run.row * D, unread_, dmu});
  token_shift_backward(
      {run.n - starts, D, mu, x_ + row * D, carried + (row - 1) * D, dmixed + starts * D},
      {dx + row * D, dx + (row - 1) * D, dmu});
}

RwkvDepth::RwkvDepth(LayerPlace place)
    : r0(place.count > 1 ? double(place.index) / double(place.count - 1) : 0),
      r1(1 - double(place.index) / double(place.count)) {}

ParamSpec rwkv_vector(const char* name, Index D, std::function<double(RwkvDepth, Index)> f) {
  ParamSpec spec{name, {D}, Init::drawn};
  spec.draw = [f = std::move(f)](LayerPlace place, Rng&, std::span<float> values) {
    for (std::size_t i = 0; i < values.size(); ++i)
      values[i] = float(f(RwkvDepth(place), Index(i)));
  };
  return spec;
}

ParamSpec rwkv_orthogonal(const char* name, Index in, Index out) {
  ParamSpec spec{name, {in, out}, Init::drawn};
  spec.draw = [in, out](LayerPlace, Rng& rng, std::span<float> values) {
    const Index count = std::min(in, out), n = std::max(in, out);
    const double gain = std::sqrt(std::max(1.0, double(out) / double(in)));
    std::vector<double> q(std::size_t(count * n));
    for (double& v : q) v = rng.normal();
    for (Index i = 0; i < count; ++i) {
      orthonormalise(q.data(), i, n, q.data() + i * n);
      for (Index j = 0; j < n; ++j)
        values[std::size_t(in <= out ? i * n + j : j * count + i)] =
            float(gain * q[std::size_t(i * n + j)]);
    }
  };
  return spec;
}

void give_roles(const std::string& output, std::vector<ParamSpec>& params) {
  for (ParamSpec& param : params)
    if (param.shape.size() == 2)
      param.role = param.name == output ? ParamRole::output : ParamRole::matrix;
}

}  // namespace separatrix

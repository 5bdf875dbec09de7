#pragma once

#include <string>
#include <vector>

#include "separatrix/nn/buffer.h"
#include "separatrix/nn/state_format.h"

namespace separatrix {

struct MambaConfig : StateFormatConfig {
  Index expand = 2;
  Index d_state = 16;
  Index d_conv = 4;
  Index dt_rank = 0;
  std::string eigenvalues = "positive";
};
template <class V>
void visit(V& v, MambaConfig& c) {
  visit_state_format(v, c);
  v("expand", c.expand, "inner width / d_model");
  v("d_state", c.d_state, "numbers of state per inner channel");
  v("d_conv", c.d_conv, "positions that the convolution sees");
  v("dt_rank", c.dt_rank, "rank of the step sizes; 0 = d_model / 16, rounded up");
  v("eigenvalues", c.eigenvalues,
    "of the state's transition: positive, exp(dt A) in (0, 1), or signed, 2 exp(dt A) - 1 in "
    "(-1, 1)");
}

/// d: model width, e: inner width, N: states per channel, K: width of the convolution, R: rank of
/// the step sizes, P = R + 2 N.
struct MambaSizes {
  Index d = 0, e = 0, N = 0, K = 0, R = 0, P = 0;
};

/// Tensors of the block in the order of params(); T is const float, float or const double.
template <class T>
struct MambaTensors {
  T *in_proj, *conv1d, *conv1d_bias, *x_proj, *dt_proj, *dt_proj_bias, *A_log, *D, *out_proj;
  MambaTensors(T* w, const MambaSizes& z) {
    const auto take = [&w](Index n) {
      T* at = w;
      w += n;
      return at;
    };
    in_proj = take(z.d * 2 * z.e);
    conv1d = take(z.K * z.e);
    conv1d_bias = take(z.e);
    x_proj = take(z.e * z.P);
    dt_proj = take(z.R * z.e);
    dt_proj_bias = take(z.e);
    A_log = take(z.e * z.N);
    D = take(z.e);
    out_proj = take(z.e * z.d);
  }
};

/// What one sequence of T positions keeps from forward to backward; names as in mamba.cpp.
struct MambaCache {
  float *u, *past, *c, *dt, *slope, *projected, *h, *z, *y, *gated;
  Index end = 0;
  /// `rounded`: the state format is not float32. states: kept, of the scan.
  MambaCache(const MambaSizes& s, Index T, Index states, bool rounded, float* base) {
    const auto take = [&](Index n) { return slice(base, end, n); };
    u = take(T * s.e);
    past = rounded ? take(T * s.e) : u;
    c = take(T * s.e);
    dt = take(T * s.e);
    slope = take(T * s.e);
    projected = take(T * s.P);
    h = take(states * s.N * s.e);
    z = take(T * s.e);
    y = take(T * s.e);
    gated = take(T * s.e);
  }
};

struct MambaScratch {
  float *rate, *x, *out;  ///< [N, e]; live rows of x and of y, [T, d]
  float *dgated, *dc, *ddt, *dprojected, *drate, *work;
  Index end = 0;
  MambaScratch(const MambaSizes& s, Index T, Index work_size, float* base) {
    const auto take = [&](Index n) { return slice(base, end, n); };
    rate = take(s.N * s.e);
    x = take(T * s.d);
    out = take(T * s.d);
    dgated = take(T * s.e);
    dc = take(T * s.e);
    ddt = take(T * s.e);
    dprojected = take(T * s.P);
    drate = take(s.N * s.e);
    work = take(work_size);
  }
};

}  // namespace separatrix

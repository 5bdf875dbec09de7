#include "separatrix/nn/blocks/diagonal_system.h"

#include <algorithm>

#include "separatrix/base/names.h"
#include "separatrix/nn/blocks/sequences.h"
#include "separatrix/nn/blocks/time_major.h"
#include "separatrix/nn/buffer.h"

namespace separatrix {
namespace {

/// Up to so many positions per mode the convolution with K, quadratic in the length, is measured to
/// be faster than the recurrence, whose steps take some ten operations per mode.
constexpr Index kConvolutionPerMode = 32;

DiagonalModes view_of(Index C, Index M, const float* planes) {
  const auto plane = [&](Index k) { return planes + k * M * C; };
  return {.C = C,
          .M = M,
          .a = {plane(0), plane(1)},
          .b = {plane(2), plane(3)},
          .c = {plane(4), plane(5)}};
}

}  // namespace

DiagonalSystem::DiagonalSystem(const DiagonalConfig& config) : format_(config) {
  const std::vector<std::string> choices = {"auto", "convolution", "recurrence"};
  if (!contains_name(choices, config.form))
    throw Error(ErrorKind::spec, "unknown form '" + config.form + "'", "form",
                did_you_mean(config.form, choices));
  if (config.form == "convolution") form_ = Form::convolution;
  if (config.form == "recurrence") form_ = Form::recurrence;
  if (form_ == Form::convolution && !format_.is_float32())
    throw Error(ErrorKind::spec, "a convolution has no states to round", "form",
                "use form auto or recurrence with this state_format");
}

bool DiagonalSystem::convolves(Index T, Index M) const {
  if (form_ != Form::automatic) return form_ == Form::convolution;
  return format_.is_float32() && T <= kConvolutionPerMode * M;
}

DiagonalSystem::Cache::Cache(const DiagonalSystem& system, Shape s, Index M, float* base) {
  const auto take = [&](Index n) { return slice(base, end, n); };
  modes = take(6 * M * s.D);
  kernel = take(system.convolves(s.T, M) ? s.T * s.D : 0);
  states = take(system.convolves(s.T, M) ? 0 : s.B * system.kept(s.T) * 2 * M * s.D);
}

DiagonalSystem::Scratch::Scratch(const DiagonalSystem& system, Shape s, Index M, float* base) {
  const auto take = [&](Index n) { return slice(base, end, n); };
  gradients = take(6 * M * s.D);
  dkernel = take(s.T * s.D);
  work = take(diagonal_scan_work(s.D, M, system.chunk()));
}

/// Of the form that is computed; products of complex numbers are 8.
double DiagonalSystem::flops(Shape s, Index M, Live outputs) const {
  double sum = 0;
  const double C = double(s.D);
  Index longest = 0;
  for_each_sequence(s, outputs, [&](const LiveSequence& q) {
    longest = std::max(longest, q.steps);
    if (convolves(s.T, M))
      for (Index i = 0; i < q.n_live; ++i) sum += 2 * C * double(q.time(i) + 1);
    else
      sum += C * double(M) * double(12 * q.steps + 4 * q.n_live);
  });
  return convolves(s.T, M) ? sum + 10 * C * double(M) * double(longest) : sum;
}

void DiagonalSystem::forward(const Call& call, float* y) const {
  const Shape s = call.s;
  const Index M = call.M;
  const float *D = call.D, *u = call.u;
  const Cache c(*this, s, M, call.cache);
  const DiagonalModes modes = view_of(s.D, M, c.modes);
  if (convolves(s.T, M)) {
    diagonal_kernel(modes, live_steps(s, call.live), c.kernel);
    add(s.D, D, c.kernel);  // D u_t is the newest tap's
  }
  for_each_sequence(s, call.live, [&](const LiveSequence& q) {
    const float* in = u + q.origin * s.D;
    const Index origin = q.live == nullptr ? 0 : q.origin;
    if (convolves(s.T, M)) {
      long_conv({q.steps, s.D, c.kernel, in, {q.n_live, q.live}, origin}, y);
    } else {
      float* states = c.states + q.origin / s.T * kept(s.T) * 2 * M * s.D;
      std::fill_n(states, 2 * M * s.D, 0.0F);
      const DiagonalScan scan{modes, q.steps, chunk(), in, {q.n_live, q.live}, origin, states};
      if (format_.is_float32())
        diagonal_scan(scan, y);
      else
        scan_rounding(scan, y);
      for (Index i = 0; i < q.n_live; ++i)
        for (Index k = 0; k < s.D; ++k) y[i * s.D + k] += D[k] * in[q.time(i) * s.D + k];
    }
    y += q.n_live * s.D;
  });
}

void DiagonalSystem::backward(const Call& call, const float* dy, float* du, float* dD) const {
  const Shape s = call.s;
  const Index M = call.M;
  const float *D = call.D, *u = call.u;
  const Cache c(*this, s, M, call.cache);
  const Scratch k(*this, s, M, call.scratch);
  const DiagonalModes modes = view_of(s.D, M, c.modes);
  std::fill_n(k.gradients, 6 * M * s.D, 0.0F);
  const auto plane = [&](Index i) { return k.gradients + i * M * s.D; };
  const DiagonalGradients gradients{
      {plane(0), plane(1)}, {plane(2), plane(3)}, {plane(4), plane(5)}};
  const Index longest = live_steps(s, call.live);
  if (convolves(s.T, M)) std::fill_n(k.dkernel, longest * s.D, 0.0F);
  for_each_sequence(s, call.live, [&](const LiveSequence& q) {
    const float* in = u + q.origin * s.D;
    float* din = du + q.origin * s.D;
    const Index origin = q.live == nullptr ? 0 : q.origin;
    if (convolves(s.T, M)) {
      long_conv_backward({q.steps, s.D, c.kernel, in, {q.n_live, q.live}, origin}, dy, din,
                         k.dkernel);
    } else {
      float* states = c.states + q.origin / s.T * kept(s.T) * 2 * M * s.D;
      for (Index i = 0; i < q.n_live; ++i)
        for (Index j = 0; j < s.D; ++j) {
          const Index row = q.time(i) * s.D + j;
          din[row] += D[j] * dy[i * s.D + j];
          dD[j] += in[row] * dy[i * s.D + j];
        }
      diagonal_scan_backward({modes, q.steps, chunk(), in, {q.n_live, q.live}, origin, states}, dy,
                             din, gradients, k.work);
    }
    dy += q.n_live * s.D;
  });
  if (!convolves(s.T, M)) return;
  add(s.D, k.dkernel, dD);
  diagonal_kernel_backward(modes, longest, k.dkernel, gradients);
}

/// One step at a time, so that each state is rounded before it is read.
void DiagonalSystem::scan_rounding(const DiagonalScan& s, float* y) const {
  const Index C = s.modes.C, size = s.modes.M * C;
  Index read = 0;
  for (Index t = 0; t < s.T; ++t) {
    const DiagonalScan one{s.modes, 1, 1, s.u + t * C, {}, 0, s.s + 2 * t * size};
    diagonal_scan(one, y);
    float *re = one.s + 2 * size, *im = re + size;
    format_.round(2 * size, re);
    if (read == s.outputs.count || s.outputs[read] - s.origin != t) continue;
    float* out = y + read * C;
    std::fill_n(out, C, 0.0F);
    for (Index i = 0; i < size; ++i)
      out[i % C] += s.modes.c.re[i] * re[i] - s.modes.c.im[i] * im[i];
    ++read;
  }
}

float DiagonalSystem::step(const std::vector<Mode<double>>& modes, float u, float* state) const {
  float sum = 0;
  for (const Mode<double>& mode : modes) {
    const float re = float(mode.a.re) * state[0] - float(mode.a.im) * state[1],
                im = float(mode.a.re) * state[1] + float(mode.a.im) * state[0];
    state[0] = re + float(mode.b.re) * u;
    state[1] = im + float(mode.b.im) * u;
    format_.round(2, state);
    sum += float(mode.c.re) * state[0] - float(mode.c.im) * state[1];
    state += 2;
  }
  return sum;
}

}  // namespace separatrix

#include "separatrix/nn/blocks/time_major.h"

#include <algorithm>

#include "separatrix/kernels/kernels.h"

namespace separatrix {
namespace {

/// visit(batch-major row, time-major row) for each live row.
template <class Visit>
void for_each_output(Shape s, Live live, const Visit& visit) {
  const Index n = live.count(s);
  for (Index i = 0; i < n; ++i) {
    const Index row = live.row(i);
    visit(row, row % s.T * s.B + row / s.T);
  }
}

/// The same for the rows of each sequence up to its last live one.
template <class Visit>
void for_each_input(Shape s, Live live, const Visit& visit) {
  if (live.all()) return for_each_output(s, live, visit);
  for (std::size_t i = 0; i < live.rows.size(); ++i) {
    const Index last = live.rows[i], b = last / s.T;
    if (i + 1 < live.rows.size() && live.rows[i + 1] / s.T == b) continue;
    for (Index row = b * s.T; row <= last; ++row) visit(row, row % s.T * s.B + b);
  }
}

}  // namespace

Index live_steps(Shape s, Live live) {
  if (live.all()) return s.T;
  Index steps = 0;
  for (const Index row : live.rows) steps = std::max(steps, row % s.T + 1);
  return steps;
}

void gather_inputs(Shape s, Live live, Index steps, const float* x, float* xs) {
  if (!live.all()) std::fill_n(xs, steps * s.B * s.D, 0.0F);
  for_each_input(s, live,
                 [&](Index row, Index at) { std::copy_n(x + row * s.D, s.D, xs + at * s.D); });
}

void scatter_add_inputs(Shape s, Live live, const float* dxs, float* dx) {
  for_each_input(s, live, [&](Index row, Index at) { add(s.D, dxs + at * s.D, dx + row * s.D); });
}

void gather_outputs(Shape s, Live live, Index steps, const float* dy, float* dys) {
  if (!live.all()) std::fill_n(dys, steps * s.B * s.D, 0.0F);
  for_each_output(s, live,
                  [&](Index row, Index at) { std::copy_n(dy + row * s.D, s.D, dys + at * s.D); });
}

void scatter_outputs(Shape s, Live live, const float* ys, float* y) {
  for_each_output(s, live,
                  [&](Index row, Index at) { std::copy_n(ys + at * s.D, s.D, y + row * s.D); });
}

}  // namespace separatrix

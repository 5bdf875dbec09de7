#pragma once

#include "separatrix/nn/block.h"

namespace separatrix {

// A recurrence runs the sequences of a tile in lockstep, one time step of all of them at a time. It
// keeps its arrays time-major, [steps, B, D], and crosses over from [B, T, D] with these. Its
// inputs are read up to the last live row of each sequence; what comes after, up to the last live
// step of the tile, is zero: nobody reads what becomes of it, and zeros stay finite.

/// Steps that must run: up to the last live position of any sequence.
Index live_steps(Shape s, Live live);

/// xs = x at each sequence's rows up to its last live one, 0 elsewhere.
void gather_inputs(Shape s, Live live, Index steps, const float* x, float* xs);
/// dx += dxs at the rows that gather_inputs reads.
void scatter_add_inputs(Shape s, Live live, const float* dxs, float* dx);
/// dys = dy at the live rows, 0 elsewhere.
void gather_outputs(Shape s, Live live, Index steps, const float* dy, float* dys);
/// y = ys at the live rows.
void scatter_outputs(Shape s, Live live, const float* ys, float* y);

}  // namespace separatrix

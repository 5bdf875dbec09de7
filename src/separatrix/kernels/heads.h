#pragma once

#include "separatrix/base/index.h"

// What linear recurrences do to the rows of their heads. The rules of kernels.h hold.

namespace separatrix {

/// y_i = scale r_i x_i with r_i = 1 / sqrt(weight |x_i|^2 + epsilon), for each row of x [rows, D]:
/// weight 1 / D is a root mean square norm, 1 is division by the length.
struct RowNorm {
  Index rows = 0, D = 0;
  float weight = 1, epsilon = 0, scale = 1;
};
/// r [rows] and y as above. Error <= (D / lanes + 12) u |y|.
void normalize_rows(const RowNorm& n, const float* x, float* y, float* r);
/// dx = gradient; dx may be dy.
void normalize_rows_backward(const RowNorm& n, const float* x, const float* r, const float* dy,
                             float* dx);

/// y = elu(x) + 1, i.e. x + 1 above 0 and e^x below; y may be x. Error <= 2 ulp.
void elu_plus_one(Index n, const float* x, float* y);
/// dx = dy times the derivative, from y; dx may be dy.
void elu_plus_one_backward(Index n, const float* y, const float* dy, float* dx);

/// In place, in each of H heads of width d: pairs (x_0, x_1), (x_2, x_3), ... are turned by angles:
/// y_i = cos_i x_i + sign sin_i x_(i xor 1). cos, sin [d], with sin of the even ones negative and,
/// for odd d, cos 1 and sin 0 at the end.
void rotate_pairs(Index H, Index d, const float* cos, const float* sin, float sign, float* x);

/// x = e^x, n numbers up to 0; 1 ulp.
void exponentials(Index n, float* x);

}  // namespace separatrix

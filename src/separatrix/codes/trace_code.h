#pragma once

#include "separatrix/codes/sign_code.h"

namespace separatrix {

/// The words (-1)^Tr(f(x)), x in GF(2^r), of the polynomials f with t coefficients, at the odd
/// exponents 1, 3, .., 2t - 1. Position j has the coefficients j mod 2^r, j / 2^r mod 2^r, ...
struct TraceCode {
  Index r = 1, t = 1;
};

/// max |sum_x (-1)^Tr(f(x))| over f != 0: 0 for t = 1, exact for t = 2; Weil's bound
/// (2t - 2) 2^{r/2}, rounded down to an even number, beyond. At 2^r or above it says nothing.
double largest_sum(const TraceCode& code);

CodeNumbers trace_numbers(const TraceCode& code, Index positions, Arithmetic format);
std::unique_ptr<Codebook> trace_book(const TraceCode& code);

}  // namespace separatrix

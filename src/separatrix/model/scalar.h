#pragma once

#include <cmath>

namespace separatrix {

// The functions of interval.h for double, so that `template <class S>` code (Block::reference)
// writes exp(x), max(x, S(0)), ... unqualified for both. Plain formulas, in the same order of
// operations as the interval ones.
inline double exp(double x) { return std::exp(x); }
inline double log(double x) { return std::log(x); }
inline double log1p(double x) { return std::log1p(x); }
inline double sqrt(double x) { return std::sqrt(x); }
inline double tanh(double x) { return std::tanh(x); }
inline double erf(double x) { return std::erf(x); }
inline double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
inline double sin(double x) { return std::sin(x); }
inline double cos(double x) { return std::cos(x); }
/// log(1 + e^x), without overflow.
inline double softplus(double x) { return (x > 0 ? x : 0) + std::log1p(std::exp(-std::fabs(x))); }
inline double square(double x) { return x * x; }
inline double abs(double x) { return std::fabs(x); }
inline double relu(double x) { return x > 0 ? x : 0; }
inline double max(double x, double y) { return x < y ? y : x; }
inline double min(double x, double y) { return y < x ? y : x; }
inline double lower(double x) { return x; }
inline double upper(double x) { return x; }

}  // namespace separatrix

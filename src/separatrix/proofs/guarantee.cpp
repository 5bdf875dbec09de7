#include "separatrix/proofs/guarantee.h"

#include <algorithm>
#include <cmath>

namespace separatrix {
namespace {

constexpr double kUnit = 0x1p-24;  // sums and softmax are float32 in every arithmetic

double stored_unit(Arithmetic arithmetic) {
  return is_emulated(arithmetic) ? number_format(arithmetic).unit() : kUnit;
}

}  // namespace

double address_leak(double c, Index L) {
  return std::expm1(double(L) * std::log1p(std::exp(-2 * c)));
}

// 3 T: a sum of weights, a sum of products, and as much again for what the scores of up to 2^12
// lose; 4 D + 96: projections in either order, exponential, division, residual.
double Roundings::average() const {
  return double(3 * n_tokens + 4 * width + 96) * kUnit + 3 * stored_unit(arithmetic);
}
double Roundings::affine(double terms, double result) const {
  return terms * double(width + 16) * kUnit + 2 * stored_unit(arithmetic) * result;
}

double alarm_temperature(Index n_tokens) {
  return std::max(4.0, std::ceil(2 * std::log(double(n_tokens))));
}

double alarm_margin(const Roundings& rounded, double flag) {
  if (flag <= 0) return flag;
  const double beta = alarm_temperature(rounded.n_tokens);
  const double others = double(rounded.n_tokens - 1) * std::exp(-beta * flag);
  const double answer = flag / (1 + others) * (1 - rounded.average());
  return 2 * answer - 1 - 2 * rounded.affine(2, 1);
}

}  // namespace separatrix

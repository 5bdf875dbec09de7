#include "separatrix/nn/blocks/hippo.h"

#include <cmath>
#include <numbers>

namespace separatrix {

// With v an eigenvector to the eigenvalue i w and P_k = sum_{j<=k} sqrt(2j+1) v_j, row k of the
// equation reads P_{k-1} + P_k - P_last = i (2w / (2k+1)) (P_k - P_{k-1}). So Q_k = P_k - P_last /
// 2 obeys Q_k = -e^{2i atan(2w / (2k+1))} Q_{k-1}, and runs from -P_last / 2 to P_last / 2. The
// eigenvalues are therefore the w with
//   sum_{k<2n} atan(2w / (2k+1)) = (j + 1/2) pi,  j = 0 .. n-1 for the positive ones,
// and the sum grows with w: bisection finds each.
std::vector<double> skew_hippo_frequencies(Index n) {
  const auto sum = [n](double w) {
    double angle = 0;
    for (Index k = 0; k < 2 * n; ++k) angle += std::atan(2 * w / double(2 * k + 1));
    return angle;
  };
  std::vector<double> frequencies;
  double low = 0;
  for (Index j = 0; j < n; ++j) {
    const double target = (double(j) + 0.5) * std::numbers::pi;
    double high = low + 1;
    while (sum(high) < target) high *= 2;
    for (int i = 0; i < 80; ++i) {
      const double middle = (low + high) / 2;
      (sum(middle) < target ? low : high) = middle;
    }
    frequencies.push_back(low);
  }
  return frequencies;
}

}  // namespace separatrix

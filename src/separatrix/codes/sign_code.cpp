#include "separatrix/codes/sign_code.h"

#include <algorithm>
#include <cmath>

namespace separatrix {

CodeNumbers whole_number_code(Index positions, Arithmetic format, Index width, double peak,
                              double lowest, double highest) {
  CodeNumbers n{.positions = positions, .format = format, .width = width};
  n.peak = peak;
  n.lowest = lowest;
  n.gap = peak - highest;
  n.coherence = highest / peak;
  n.two_sided = std::max(std::abs(lowest), std::abs(highest)) / peak;
  n.exact = peak <= double(kExactSum);
  n.exact_scores = n.exact && peak <= std::exp2(number_format(format).significant);
  return n;
}

void check_coherence(double coherence, const std::string& code) {
  if (!(coherence >= 0.1 && coherence < 1))
    throw Error(ErrorKind::spec, "coherence must be at least 0.1 and below 1", code,
                "0.5 is usual; for less, see the hadamard code");
}

}  // namespace separatrix

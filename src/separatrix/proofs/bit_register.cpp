#include "separatrix/proofs/bit_register.h"

#include <cmath>

namespace separatrix {

void BitRegister::require_fitting(const std::string& name, Index units, Index tokens,
                                  Index classes) {
  constexpr double kMaxBytes = 0x1p30;
  // w_x and w_h, embedding, head.
  const double D = double(units), bytes = 4 * D * (2 * D + double(tokens) + double(classes));
  if (bytes > kMaxBytes)
    throw Error(ErrorKind::spec,
                "the dense weights of the register take " +
                    std::to_string(std::llround(bytes / 0x1p20)) + " MiB; the limit is " +
                    std::to_string(std::llround(kMaxBytes / 0x1p20)) + " MiB",
                name, "take a shorter length or a smaller alphabet");
}

}  // namespace separatrix

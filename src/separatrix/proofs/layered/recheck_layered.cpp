#include "separatrix/proofs/layered/recheck_layered.h"

namespace separatrix {

std::string recheck_layered(const Certificate& /*certificate*/, const Subject& /*subject*/) {
  return "not implemented";
}

}  // namespace separatrix

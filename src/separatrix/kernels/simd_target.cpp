#include "hwy/targets.h"
#include "separatrix/kernels/kernels.h"

namespace separatrix {

const char* simd_target() {
  const std::int64_t usable = hwy::SupportedTargets() & HWY_TARGETS;
  return hwy::TargetName(usable & -usable);  // better targets have lower bits
}

}  // namespace separatrix

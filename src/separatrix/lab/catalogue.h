#pragma once

#include "separatrix/bounds/bound.h"
#include "separatrix/proofs/certificate.h"

namespace separatrix {

/// Everything registered, by kind. Made once in main and passed down; there is no global one.
struct Catalogue {
  Registry<Task> tasks{"task"};
  Registry<Block> blocks{"block"};
  Registry<BoundMethod> bounds{"bound"};
  Registry<Construction> constructions{"construction"};
  Registry<CertificateMethod> certificates{"certificate method"};
  static Catalogue builtin();  ///< calls the register_* lists
};

}  // namespace separatrix

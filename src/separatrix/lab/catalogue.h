#pragma once

#include "separatrix/bounds/bound.h"
#include "separatrix/codes/address_code.h"
#include "separatrix/proofs/certificate.h"
#include "separatrix/refute/attack.h"

namespace separatrix {

/// Everything registered, by kind. Made once in main and passed down; there is no global one.
struct Catalogue {
  Registry<Task> tasks{"task"};
  Registry<Block> blocks{"block"};
  Registry<BoundMethod> bounds{"bound"};
  Registry<AddressCode> codes{"code"};
  Registry<Construction> constructions{"construction"};
  Registry<CertificateMethod> certificates{"certificate method"};
  Registry<Attack> attacks{"attack"};
  static Catalogue builtin();  ///< calls the register_* lists
};

}  // namespace separatrix

#pragma once

#include "separatrix/bounds/bound.h"
#include "separatrix/proofs/certificate.h"

namespace separatrix {

/// What the tests of constructions and certificates look up by name.
struct Catalog {
  Registry<Task> tasks{"task"};
  Registry<Block> blocks{"block"};
  Registry<Construction> constructions{"construction"};
  Registry<CertificateMethod> methods{"certificate"};
  Catalog() {
    register_tasks(tasks);
    register_blocks(blocks);
    register_constructions(constructions);
    register_certificates(methods);
  }
};

/// What the tests of bounds look up by name.
struct BoundCatalog {
  Registry<Task> tasks{"task"};
  Registry<BoundMethod> bounds{"bound"};
  BoundCatalog() {
    register_tasks(tasks);
    register_bounds(bounds);
  }
};

}  // namespace separatrix

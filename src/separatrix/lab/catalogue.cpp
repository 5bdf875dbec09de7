#include "separatrix/lab/catalogue.h"

namespace separatrix {

Catalogue Catalogue::builtin() {
  Catalogue all;
  register_tasks(all.tasks);
  register_blocks(all.blocks);
  register_bounds(all.bounds);
  register_codes(all.codes);
  register_constructions(all.constructions);
  register_certificates(all.certificates);
  register_attacks(all.attacks);
  return all;
}

}  // namespace separatrix

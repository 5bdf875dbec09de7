#include "separatrix/bounds/bound.h"

namespace separatrix {

void register_index_lookup_bound(Registry<BoundMethod>& bounds);
void register_enumeration(Registry<BoundMethod>& bounds);

void register_bounds(Registry<BoundMethod>& bounds) {
  register_index_lookup_bound(bounds);
  register_enumeration(bounds);
}

}  // namespace separatrix

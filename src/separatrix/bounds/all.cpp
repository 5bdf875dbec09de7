#include "separatrix/bounds/bound.h"

namespace separatrix {

void register_closed_forms(Registry<BoundMethod>& bounds);
void register_information_ceiling(Registry<BoundMethod>& bounds);
void register_folding(Registry<BoundMethod>& bounds);
void register_layered_merge(Registry<BoundMethod>& bounds);
void register_dfa_minimisation(Registry<BoundMethod>& bounds);
void register_one_layer_fixed_point(Registry<BoundMethod>& bounds);
void register_one_layer_streaming(Registry<BoundMethod>& bounds);
void register_one_layer_margin(Registry<BoundMethod>& bounds);

void register_bounds(Registry<BoundMethod>& bounds) {
  register_closed_forms(bounds);
  register_information_ceiling(bounds);
  register_folding(bounds);
  register_layered_merge(bounds);
  register_dfa_minimisation(bounds);
  register_one_layer_fixed_point(bounds);
  register_one_layer_streaming(bounds);
  register_one_layer_margin(bounds);
}

}  // namespace separatrix

#include "separatrix/refute/attack.h"

namespace separatrix {

void register_adversarial(Registry<Attack>& attacks);
void register_state_collision(Registry<Attack>& attacks);
void register_forgetting(Registry<Attack>& attacks);
void register_nearest_pair(Registry<Attack>& attacks);
void register_one_layer_summary(Registry<Attack>& attacks);

/// From cheap to expensive: refute() tries them in this order.
void register_attacks(Registry<Attack>& attacks) {
  register_adversarial(attacks);
  register_state_collision(attacks);
  register_forgetting(attacks);
  register_nearest_pair(attacks);
  register_one_layer_summary(attacks);
}

}  // namespace separatrix

#include "separatrix/refute/attempt.h"

#include <algorithm>

namespace separatrix {

AttackResult not_applicable(const std::string& why) {
  return {false, std::nullopt, "does not apply: " + why, 0};
}

std::string why_not_recurrent(const Target& target) {
  const StateRunner runner(target.weights, target.blocks);
  if (runner.first_attention() >= 0) return "the model keeps all positions (attention)";
  if (runner.size() == 0) return "the model carries no state";
  if (target.task.info(target.length).n_tokens < 2) return "an input has one token only";
  return {};
}

std::vector<RecurrentState> recurrent_states(const Target& target, int threads) {
  std::vector<RecurrentState> states;
  for (int i = 0; i < std::max(threads, 1); ++i) states.emplace_back(target);
  return states;
}

}  // namespace separatrix

#pragma once

#include "separatrix/train/trial.h"

namespace separatrix {

/// A trial that differs from others by its seed, enough for the store; it is never trained.
inline TrialSpec stored_trial(std::uint64_t seed) {
  TrialSpec spec;
  spec.task = "index-lookup";
  spec.length = 4;
  spec.model.vocab_size = 8;
  spec.model.n_classes = 4;
  spec.model.d_model = 8;
  spec.model.max_length = 5;
  spec.model.layers = {{"lstm", Json::object(), false}};
  spec.seed = seed;
  return spec;
}

inline std::vector<TrialSpec> stored_trials(std::uint64_t count) {
  std::vector<TrialSpec> trials;
  for (std::uint64_t seed = 0; seed < count; ++seed) trials.push_back(stored_trial(seed));
  return trials;
}

}  // namespace separatrix

#pragma once

#include <cstdint>
#include <string>

#include "separatrix/base/fields.h"
#include "separatrix/model/weights.h"

namespace separatrix {

struct TrainConfig {
  Index steps = 20000, batch_size = 64;
  double lr = 1e-3;
  std::string schedule = "constant";
  Index warmup = 100;
  double weight_decay = 0, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, clip_norm = 1;
  Index eval_every = 100, eval_examples = 512, final_examples = 5000;
  double target_accuracy = 0.995;
  Index holdout = 16, shards = 1;
  Index give_up_after = 0;
  double give_up_below = 0.1;
};
template <class V>
void visit(V& v, TrainConfig& c) {
  v("steps", c.steps, "most optimiser steps");
  v("batch_size", c.batch_size, "sequences per step, drawn afresh");
  v("lr", c.lr, "peak AdamW learning rate");
  v("schedule", c.schedule, "after the warm-up: constant, or cosine to zero at the last step");
  v("warmup", c.warmup, "steps of linear warm-up");
  v("weight_decay", c.weight_decay, "decoupled weight decay");
  v("beta1", c.beta1, "decay of the gradient's running mean");
  v("beta2", c.beta2, "decay of the squared gradient's running mean");
  v("epsilon", c.epsilon, "added to the root in AdamW's denominator");
  v("clip_norm", c.clip_norm, "limit of the global gradient norm; 0 = off");
  v("eval_every", c.eval_every, "steps between evaluations");
  v("eval_examples", c.eval_examples, "inputs per evaluation, never trained on");
  v("final_examples", c.final_examples, "inputs of the last evaluation");
  v("target_accuracy", c.target_accuracy,
    "token accuracy that, held over two evaluations and the last one, ends the run as solved; 0 = "
    "off");
  v("holdout", c.holdout,
    "one input in so many is kept for evaluation and never trained on; 0 = none");
  v("shards", c.shards,
    "fixed parts of each batch that threads may share; part of the result's identity");
  v("give_up_after", c.give_up_after,
    "a run that by the first evaluation at or after this step was always below give_up_below ends "
    "there, unsolved; 0 = off");
  v("give_up_below", c.give_up_below,
    "scaled accuracy, (accuracy - chance) / (1 - chance), that such a run never reached");
}

/// Everything that determines a run. id() hashes the canonical JSON: same id, same bits out.
struct TrialSpec {
  std::string task;
  Json task_config = Json::object();
  Index length = 0;
  ModelSpec model;
  TrainConfig train;
  std::uint64_t seed = 0;
  std::vector<Index> eval_lengths =
      {};                             ///< judged at these lengths, too; absent in JSON when empty
  std::string task_fingerprint = {};  ///< Task::fingerprint(); absent in JSON when empty

  std::string id() const;  ///< SHA-256 of the canonical JSON and the code-format version
};
Json to_json(const TrialSpec& spec);
TrialSpec read_trial_spec(const Json& json, const std::string& where);  ///< throws Error(spec)

}  // namespace separatrix

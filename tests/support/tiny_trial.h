#pragma once

#include "separatrix/nn/model.h"
#include "separatrix/train/trainer.h"

namespace separatrix {

inline Registry<Task> all_tasks() {
  Registry<Task> tasks("task");
  register_tasks(tasks);
  return tasks;
}
inline Registry<Block> all_blocks() {
  Registry<Block> blocks("block");
  register_blocks(blocks);
  return blocks;
}

/// Index lookup of 4 symbols out of 4 by one attention layer: a few hundred steps solve it.
inline TrialSpec tiny_trial() {
  TrialSpec spec;
  spec.task = "index-lookup";
  spec.task_config = all_tasks().find(spec.task).resolve({{"alphabet", 4}}, "");
  spec.length = 4;
  const TaskInfo info = all_tasks().make(spec.task, spec.task_config)->info(spec.length);
  spec.model.vocab_size = info.vocab_size;
  spec.model.n_classes = info.n_classes;
  spec.model.max_length = info.n_tokens;
  spec.model.d_model = 8;
  spec.model.layers = {{.block = "attention"}, {.block = "mlp"}};
  spec.model = resolve(spec.model, all_blocks());
  spec.train.steps = 60;
  spec.train.batch_size = 8;
  spec.train.lr = 3e-3;
  spec.train.warmup = 5;
  spec.train.eval_every = 20;
  spec.train.eval_examples = 32;
  spec.train.final_examples = 64;
  return spec;
}

inline TrialResult train_tiny(const TrialSpec& spec, const TrainRun& run = {}) {
  return train(spec, *all_tasks().make(spec.task, spec.task_config), all_blocks(), run);
}

}  // namespace separatrix

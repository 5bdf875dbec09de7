#include "separatrix/lab/cost.h"

#include <algorithm>
#include <chrono>

#include "separatrix/lab/step_time.h"
#include "separatrix/tasks/batch.h"

namespace separatrix {
namespace {

std::string first_block(const TrialSpec& spec) {
  return spec.model.layers.empty() ? std::string() : spec.model.layers.front().block;
}

}  // namespace

CostEstimate::Step& CostEstimate::step(const TrialSpec& spec, bool timed) {
  const Json key = {spec.task, spec.task_config, spec.length, write_model_spec(spec.model),
                    spec.train.batch_size};
  Step& step = steps_[key.dump()];
  if (step.operations > 0 && (!timed || step.seconds > 0 || seconds_left_ <= 0)) return step;
  const auto start = std::chrono::steady_clock::now();
  const auto task = catalogue_.tasks.make(spec.task, spec.task_config);
  Rng rng(spec.seed, RngUse::sample);
  Batch batch;
  sample_batch(*task, spec.length, spec.train.batch_size, Portion::any, 0, rng, batch);
  step.operations = std::max(1.0, training_flops(spec.model, catalogue_.blocks, batch));
  if (timed && seconds_left_ > 0) {
    step.seconds = 1e-3 * time_step(spec.model, catalogue_.blocks, batch, {.repetitions = 1}).ms;
    rates_[first_block(spec)] = step.operations / step.seconds;
  }
  seconds_left_ -= std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return step;
}

double CostEstimate::operations(const TrialSpec& spec) {
  return step(spec, false).operations * double(spec.train.steps);
}

double CostEstimate::seconds(const TrialSpec& spec) {
  const Step& one = step(spec, true);
  if (one.seconds > 0) return one.seconds * double(spec.train.steps);
  const auto rate = rates_.find(first_block(spec));
  if (rate != rates_.end()) return operations(spec) / rate->second;
  return rates_.empty() ? 0 : operations(spec) / rates_.begin()->second;
}

}  // namespace separatrix

#include "separatrix/train/batches.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace separatrix {
namespace {

/// Streams of the permutations, which no step's batch uses.
constexpr std::uint64_t kOrders = std::uint64_t(1) << 62;

/// Of batch number i in an epoch: the last may be smaller.
Index batch_inputs(const TrainConfig& config, Index i) {
  return std::min(config.batch_size, config.examples - i * config.batch_size);
}

}  // namespace

TrainingBatches::TrainingBatches(const TrialSpec& spec, const Task& task)
    : spec_(spec), task_(task), kept_(std::size_t(steps_per_epoch(spec.train))) {}

const Batch& TrainingBatches::at(Index step) {
  const TrainConfig& train = spec_.train;
  if (train.examples > 0)
    return train.shuffle == "epoch" ? shuffled(step) : drawn(step % Index(kept_.size()));
  Rng rng(spec_.seed, RngUse::train, std::uint64_t(step));
  sample_batch(task_, spec_.length, train.batch_size, Portion::training, train.holdout, rng,
               current_);
  return current_;
}

const Batch& TrainingBatches::drawn(Index i) {
  Batch& batch = kept_[std::size_t(i)];
  if (batch.B == 0) {
    Rng rng(spec_.seed, RngUse::train, std::uint64_t(i));
    sample_batch(task_, spec_.length, batch_inputs(spec_.train, i), Portion::training,
                 spec_.train.holdout, rng, batch);
  }
  return batch;
}

const Batch& TrainingBatches::shuffled(Index step) {
  const Index per_epoch = Index(kept_.size()), size = spec_.train.batch_size;
  if (std::exchange(epoch_, step / per_epoch) != step / per_epoch) {
    order_.resize(std::size_t(spec_.train.examples));
    std::iota(order_.begin(), order_.end(), Index(0));
    Rng rng(spec_.seed, RngUse::train, kOrders + std::uint64_t(epoch_));
    for (Index n = Index(order_.size()); n > 1; --n)
      std::swap(order_[std::size_t(n - 1)], order_[std::size_t(rng.below(n))]);
  }
  const Index i = step % per_epoch;
  current_.resize(batch_inputs(spec_.train, i), task_.info(spec_.length).n_tokens);
  for (Index b = 0; b < current_.B; ++b) {
    const Index input = order_[std::size_t(i * size + b)];
    const Batch& from = drawn(input / size);
    const auto tokens = from.row(input % size), targets = from.target_row(input % size);
    std::copy(tokens.begin(), tokens.end(), current_.row(b).begin());
    std::copy(targets.begin(), targets.end(), current_.target_row(b).begin());
  }
  return current_;
}

Index inputs_seen(const TrainConfig& config, Index steps) {
  if (config.examples == 0) return steps * config.batch_size;
  const Index per_epoch = steps_per_epoch(config);
  return steps / per_epoch * config.examples + steps % per_epoch * config.batch_size;
}

}  // namespace separatrix

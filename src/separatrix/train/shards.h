#pragma once

#include <memory>
#include <span>

#include "separatrix/nn/model.h"

namespace separatrix {

/// Cuts every batch into S fixed parts with their own gradient buffers and sums them in a fixed
/// order, on up to `threads` threads: the bits depend on S only.
class ShardedGradient {
 public:
  ShardedGradient(const ModelSpec& spec, const Registry<Block>& blocks, Index shards, int threads);
  ~ShardedGradient();
  ShardedGradient(const ShardedGradient&) = delete;
  ShardedGradient& operator=(const ShardedGradient&) = delete;

  struct Loss {
    double sum = 0;   ///< nats over the asked positions
    Index asked = 0;  ///< how many
  };
  /// gradient() = d(sum / asked)/dw. Exceptions in a thread are rethrown here.
  Loss compute(std::span<const float> w, const Batch& batch, const ModelDropout& dropout = {});
  std::span<float> gradient();
  /// The first shard's model, for evaluation between steps.
  Model& model();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace separatrix

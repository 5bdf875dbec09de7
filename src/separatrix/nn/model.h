#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "separatrix/model/weights.h"
#include "separatrix/nn/block.h"
#include "separatrix/tasks/batch.h"

namespace separatrix {

/// Checks a spec against the registry (positive sizes, known norm and blocks, configs that fit) and
/// returns it with every block's defaults written out: the form that is hashed and stored. Throws
/// Error(spec).
ModelSpec resolve(const ModelSpec& spec, const Registry<Block>& blocks,
                  const std::string& where = {});

/// A size of the model that is too small for a task.
struct Misfit {
  const char* field;  ///< of ModelSpec
  Index have = 0, need = 0;
};
/// The first one, or nullopt when every input of the task can be read and every answer named.
std::optional<Misfit> find_misfit(const ModelSpec& spec, const TaskInfo& info);

/// Every parameter of the model, in buffer order: "embedding" [V, D], "positions" [max_length, D],
/// "layers.<i>.norm.gain|bias" [D], "layers.<i>.<block>.<name>", "norm.gain|bias" [D], "head" [D,
/// C], "head_bias" [C].
std::vector<ParamSpec> model_params(const ModelSpec& spec, const Registry<Block>& blocks);

/// Every parameter present and zero: where constructions start.
Weights zeros(const ModelSpec& spec, const Registry<Block>& blocks);
/// Every parameter drawn by its ParamSpec from one stream per parameter.
Weights initialize(const ModelSpec& spec, const Registry<Block>& blocks, std::uint64_t seed);

/// Bits carried between time steps, summed over the recurrent layers; nullopt when a layer keeps
/// all positions (attention).
std::optional<Index> state_bits(const ModelSpec& spec, const Registry<Block>& blocks);

/// Useful operations of one training step on the batch: three times those of the forward pass over
/// the rows that the asked positions depend on.
double training_flops(const ModelSpec& spec, const Registry<Block>& blocks, const Batch& batch);

/// What training leaves out at random, as a function of the key and of where in the batch it is.
struct ModelDropout {
  double embedding = 0;   ///< rate for each number of embedding + positions
  double attention = 0;   ///< rate for each weight of the blocks `attention`
  std::uint64_t key = 0;  ///< another one for every step
};

/// Which part of a batch forward_backward works on, and how.
struct TrainingPart {
  Index begin = 0, end = 0;  ///< sequences
  float scale = 1;           ///< of the gradient
  ModelDropout dropout = {};
};

/// Runs a ModelSpec at speed, on the calling thread. Holds the plan and the working memory of one
/// tile, allocated in the constructor; weights are passed in, so several Models may share them. No
/// allocation after the first call with a given T. The number of sequences in a tile depends on the
/// spec and T only, so results do not depend on how a batch is cut between calls.
class Model {
 public:
  Model(const ModelSpec& spec, const Registry<Block>& blocks);
  ~Model();
  Model(Model&&) noexcept;
  Model& operator=(Model&&) noexcept;

  Index n_parameters() const;

  /// Logits at the positions where targets != kIgnore, [n_asked, n_classes], in row order. Memory
  /// is linear in T and the asked positions.
  void logits(std::span<const float> w, const Batch& batch, std::vector<float>& out);

  /// Sum (not mean) of the cross-entropies in nats over the asked positions of the part; dw +=
  /// scale
  /// * gradient of that sum.
  double forward_backward(std::span<const float> w, const Batch& batch, const TrainingPart& part,
                          std::span<float> dw);

 private:
  struct Plan;
  std::unique_ptr<Plan> plan_;
};

/// The whole model written plainly with Block::reference: logits [T - first, n_classes] of one
/// input at the positions from `first` on. Scalar is double, Interval, BFloat16 or Float16; for the
/// last two the weights are rounded, too. Slow; calls no kernel.
template <class Scalar>
std::vector<Scalar> reference_logits(const Weights& weights, const Registry<Block>& blocks,
                                     std::span<const Token> tokens, Index first = 0);

/// The same for a 16-bit arithmetic (bfloat16, float16) that is known only when the program runs.
std::vector<double> emulated_logits(const Weights& weights, const Registry<Block>& blocks,
                                    std::span<const Token> tokens, Arithmetic arithmetic,
                                    Index first = 0);

}  // namespace separatrix

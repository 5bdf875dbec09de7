#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "separatrix/nn/model.h"
#include "separatrix/train/metrics.h"
#include "separatrix/train/trial.h"

namespace separatrix {

struct CurvePoint {
  Index step = 0;
  double train_loss = 0;  ///< mean nats per asked position since the last point
  double token_accuracy = 0, sequence_accuracy = 0;
  double lr = 0;
};
Json to_json(const CurvePoint& point);
CurvePoint read_curve_point(const Json& json);

enum class Outcome {
  solved,      ///< target accuracy held over two evaluations and confirmed on final_examples
  unsolved,    ///< all steps spent, or given up (TrialResult::gave_up)
  diverged,    ///< loss or gradient not finite; the weights of the last sound step are kept
  interrupted  ///< stop was set; a checkpoint holds the exact state
};
std::string to_string(Outcome outcome);
Outcome read_outcome(const std::string& text);

struct TrialResult {
  Outcome outcome = Outcome::unsolved;
  CurvePoint last;  ///< accuracies on final_examples (or the last evaluation when interrupted)
  std::vector<CurvePoint> curve;
  /// At the trained length, then at each of eval_lengths, on final_examples inputs each; empty
  /// unless solved or unsolved.
  std::vector<Metrics> metrics;
  double seconds = 0, tokens_per_second = 0;
  Weights weights;
  /// Unsolved and ended at last.step, before all steps were spent: TrainConfig::give_up_after.
  bool gave_up = false;
};

/// Where and how a trial runs; nothing here changes its bits.
struct TrainRun {
  std::string checkpoint = {};    ///< file; empty = none. Read at the start if it exists.
  double checkpoint_seconds = 5;  ///< at least so long between checkpoints
  int threads = 1;                ///< used by up to train.shards shards
  std::function<void(const CurvePoint&)> on_point = {};
  std::function<void(Index step, double loss)> on_step = {};
  const std::atomic<bool>* stop = nullptr;
};

/// Trains one model. Divergence is a result, not an Error. Throws Error(io) when the checkpoint
/// cannot be written or belongs to another trial, Error(spec) for a spec that does not fit.
TrialResult train(const TrialSpec& spec, const Task& task, const Registry<Block>& blocks,
                  const TrainRun& run);

struct Accuracy {
  double token = 0;          ///< fraction of asked positions answered right
  double sequence = 0;       ///< fraction of inputs with every asked position right
  double cross_entropy = 0;  ///< mean nats per asked position; 0 unless asked for
  Index examples = 0;
};
/// On `examples` fresh inputs of the portion, from the stream (seed, evaluate, index).
struct EvaluateConfig {
  Index length = 0, examples = 5000, holdout = 0;
  std::uint64_t seed = 0, index = 0;
  bool cross_entropy = false;  ///< whether to compute it: an exponential per class
};
Accuracy evaluate(Model& model, std::span<const float> w, const Task& task,
                  const EvaluateConfig& config);

}  // namespace separatrix

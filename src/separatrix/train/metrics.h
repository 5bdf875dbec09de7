#pragma once

#include <optional>
#include <span>
#include <string>

#include "separatrix/base/fields.h"
#include "separatrix/tasks/task.h"

namespace separatrix {

struct Accuracy;

/// What a model's answers to fresh inputs of one length amount to; docs/metrics.md defines each.
struct Metrics {
  Index length = 0, examples = 0;
  double token_accuracy = 0, sequence_accuracy = 0;
  double chance = 0;           ///< token accuracy of the best answer that ignores the input
  double scaled_accuracy = 0;  ///< (token_accuracy - chance) / (1 - chance)
  double cross_entropy = 0;    ///< mean nats per asked position
  /// Bits that this token accuracy takes at least (bounds/ceiling.h); nullopt where the task has no
  /// ceiling.
  std::optional<double> bits_recalled;
  std::optional<double> state_efficiency;  ///< bits_recalled / state bits
};
/// Absent values are null.
Json to_json(const Metrics& metrics);

/// The names above with what they mean: the one list that help and documentation show.
struct MetricDefinition {
  const char *name, *definition;
};
std::span<const MetricDefinition> metric_definitions();

/// `state_bits`: of the model; nullopt when it keeps all positions.
Metrics make_metrics(const Accuracy& accuracy, const Task& task, const std::string& task_name,
                     const Json& task_config, Index length, std::optional<Index> state_bits);

}  // namespace separatrix

#include "separatrix/train/metrics.h"

#include <array>

#include "separatrix/bounds/ceiling.h"
#include "separatrix/train/trainer.h"

namespace separatrix {
namespace {

constexpr std::array kDefinitions = {
    MetricDefinition{"token_accuracy", "fraction of asked positions answered right"},
    MetricDefinition{"sequence_accuracy", "fraction of inputs with every asked position right"},
    MetricDefinition{"chance",
                     "token accuracy of the best answer that ignores the input, on the task's own "
                     "inputs"},
    MetricDefinition{"scaled_accuracy",
                     "(token_accuracy - chance) / (1 - chance): 0 at chance, 1 when all is right"},
    MetricDefinition{"cross_entropy", "mean of -ln p(target) over asked positions, in nats"},
    MetricDefinition{"bits_recalled",
                     "bits of memory without which this token accuracy is impossible on average "
                     "(Fano): of index lookup, MQAR and nearest neighbour"},
    MetricDefinition{"state_efficiency", "bits_recalled / bits of recurrent state"},
};

Json or_null(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

}  // namespace

std::span<const MetricDefinition> metric_definitions() { return kDefinitions; }

Json to_json(const Metrics& m) {
  return {{"length", m.length},
          {"examples", m.examples},
          {"token_accuracy", m.token_accuracy},
          {"sequence_accuracy", m.sequence_accuracy},
          {"chance", m.chance},
          {"scaled_accuracy", m.scaled_accuracy},
          {"cross_entropy", m.cross_entropy},
          {"bits_recalled", or_null(m.bits_recalled)},
          {"state_efficiency", or_null(m.state_efficiency)}};
}

Metrics make_metrics(const Accuracy& accuracy, const Task& task, const std::string& task_name,
                     const Json& task_config, Index length, std::optional<Index> state_bits) {
  Metrics m{.length = length,
            .examples = accuracy.examples,
            .token_accuracy = accuracy.token,
            .sequence_accuracy = accuracy.sequence,
            .chance = task.chance(length),
            .cross_entropy = accuracy.cross_entropy,
            .bits_recalled = bits_needed(task_name, task_config, length, accuracy.token),
            .state_efficiency = {}};
  if (m.chance < 1) m.scaled_accuracy = (m.token_accuracy - m.chance) / (1 - m.chance);
  if (m.bits_recalled && state_bits && *state_bits > 0)
    m.state_efficiency = *m.bits_recalled / double(*state_bits);
  return m;
}

}  // namespace separatrix

#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "separatrix/base/registry.h"
#include "separatrix/nn/model.h"
#include "separatrix/tasks/task.h"

namespace separatrix {

/// A model and the task it is to fail at. The model reads and answers every instance
/// (find_misfit found nothing).
struct Target {
  const Task& task;
  Index length = 0;
  const Weights& weights;
  const Registry<Block>& blocks;
};

/// An input on which the model is wrong, run through the model and Task::label before it is
/// reported.
struct Refutation {
  std::string method;
  std::vector<Token> tokens;
  Index position = 0;  ///< where the answer is wrong (the first such)
  Token expected = kIgnore, given = kIgnore;
  /// Two prefixes that the task tells apart and the model (nearly) does not.
  std::optional<std::pair<std::vector<Token>, std::vector<Token>>> prefix_pair;
  std::optional<double> state_distance;  ///< between the model's states after them (sup norm)
};

/// Effort is counted in model evaluations and rounds of fixed size, so that what is found depends
/// on the seed and not on the machine; `seconds` only ends a search that has found nothing.
struct AttackOptions {
  std::uint64_t seed = 0;
  int threads = 1;      ///< never changes what is found
  double seconds = 60;  ///< for this attack
  std::function<void(const std::string& doing)> progress = {};
  const std::atomic<bool>* stop = nullptr;
};

struct AttackResult {
  bool applicable = true;  ///< false: not for this kind of model (`effort` says why)
  std::optional<Refutation> found;
  std::string effort;  ///< "40 960 prefixes, 1 200 suffixes, 3.1 s"
  double seconds = 0;
};

/// One way to look for a failure. Finding nothing proves nothing.
class Attack {
 public:
  virtual ~Attack() = default;
  virtual AttackResult run(const Target& target, const AttackOptions& options) const = 0;
};

void register_attacks(Registry<Attack>& attacks);  // refute/all.cpp: one line per attack

/// Runs the attacks in the order of the registry until one finds something; `method` empty = all.
/// The time is shared out evenly over those that are left.
struct RefuteReport {
  std::optional<Refutation> found;
  std::vector<std::pair<std::string, AttackResult>> tried;  ///< (name, result)
};
RefuteReport refute(const Target& target, const Registry<Attack>& attacks,
                    const AttackOptions& options, const std::string& method = {});

}  // namespace separatrix

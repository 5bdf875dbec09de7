#pragma once

#include <functional>
#include <string>
#include <vector>

#include "separatrix/lab/separate.h"

namespace separatrix {

/// The search for the smallest width at which each model family learns the task: for each family
/// the widths in ascending order, and at a width all learning rates x seeds, until that width is
/// solved (LearnedAt) or the widths are exhausted. What to train next depends on results only,
/// never on the order in which they came.
class ThresholdSearch {
 public:
  /// `config` has canonical names and all task defaults written out. Throws Error(spec).
  ThresholdSearch(const SeparateConfig& config, const Budget& budget, const Catalogue& catalogue,
                  const std::string& experiment);

  /// Looks at what the store has and enqueues what is needed next: the `refill` of run_queue. Says
  /// one line per width decided.
  void advance(Store& store, const std::function<void(const std::string&)>& say);
  bool finished() const;

  const std::vector<LearnedAt>& learned() const { return learned_; }  ///< one per config.models

 private:
  struct Family {
    std::size_t next_width = 0;  ///< index into budget.widths, behind the one at work
    std::vector<TrialSpec> at_work{};
    Index failed = 0;  ///< trials, over all widths
    bool finished = false;
  };
  bool decide(Store& store, Family& family, LearnedAt& learned,
              const std::function<void(const std::string&)>& say);
  std::vector<TrialSpec> trials_at(const std::string& model, Index width) const;

  const SeparateConfig config_;
  const Budget budget_;
  const Catalogue& catalogue_;
  const std::string experiment_;
  TaskInfo info_;
  std::string task_fingerprint_;
  std::vector<Family> families_;    ///< one per config.models
  std::vector<LearnedAt> learned_;  ///< the same
};

}  // namespace separatrix

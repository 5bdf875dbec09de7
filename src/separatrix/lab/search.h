#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "separatrix/lab/cost.h"
#include "separatrix/lab/learned.h"
#include "separatrix/lab/runner.h"

namespace separatrix {

/// At which widths a threshold search looks, and what it trains at each.
struct SearchConfig {
  Index smallest = 8, largest = 64, step = 8;
  double fraction = 2.0 / 3;
  std::vector<double> lrs = {1e-3, 3e-3};
  Index seeds = 3;

  Index seeds_needed() const;  ///< so many of `seeds` at one learning rate make a width solved
};
template <class V>
void visit(V& v, SearchConfig& c) {
  v("smallest", c.smallest, "width at which the search starts");
  v("largest", c.largest, "width at which it ends unsolved");
  v("step", c.step, "widths are multiples of it: how finely the answer is known");
  v("fraction", c.fraction, "part of the seeds that must solve the task, at one learning rate");
  v("lrs", c.lrs, "learning rates, all tried at every width");
  v("seeds", c.seeds, "trainings at each width and learning rate");
}
/// Throws Error(spec) for an empty range or list, or a number outside its range.
void check(const SearchConfig& config, const std::string& where);

/// "widths 8 to 64 by 8; learning rates 1e-3, 3e-3; 3 seeds; 3000 steps": what a "not solved" is
/// said with.
std::string describe(const SearchConfig& config, const TrainConfig& train);

/// A model of which the width is searched.
struct SearchModel {
  std::string label;  ///< "lstm", "mamba:layers=2"
  /// The resolved trial at a width; learning rate and seed are the search's.
  std::function<TrialSpec(Index width)> trial;
  Index multiple_of = 1;  ///< its widths are multiples of this, too: of its heads
};

struct SearchSpec {
  SearchConfig config;
  std::vector<SearchModel> models;
  std::uint64_t seed = 0;  ///< searches of different seeds share no trial
};

/// The widths smallest + k unit up to largest; all are multiples of unit.
struct WidthRange {
  Index smallest = 0, largest = 0, unit = 1;
};
/// The part of the config's range that the model can have. Throws Error(spec) when there is none.
WidthRange width_range(const SearchConfig& config, const SearchModel& model);
/// What to try next, given which widths are known to be solved or not; nullopt when that is the
/// answer. Widths double from the smallest until one is solved or the largest is not; then the gap
/// between the largest unsolved and the smallest solved one is halved down to one unit.
std::optional<Index> next_width(const WidthRange& range, const std::map<Index, bool>& solved);

/// Threshold search: the smallest width at which each model learns its task. At a width, all
/// learning rates x seeds are trained to their ends, also when the first have decided it: the
/// success fraction and the window of learning rates are part of the result. What is trained next
/// depends on results only, never on the order in which they came or on interruptions.
///
/// Assumption: a model that learns a task at some width learns it at every larger one. It is not
/// checked: widths that doubling and bisection pass over are not trained, and one of them may be
/// solved although a larger one is not. LearnedAt::tried says what was tried and what each rate
/// did.
class ThresholdSearch {
 public:
  /// Throws Error(spec): the config is wrong, or a model has no width in range, or does not fit at
  /// one that the search may come to.
  ThresholdSearch(const SearchSpec& spec, const Catalogue& catalogue,
                  const std::string& experiment);

  /// Looks at what the store has and enqueues what is needed next: the `refill` of run_queue. Says
  /// one line per width decided, and why trials failed; those count as unsolved.
  void advance(Store& store, const std::function<void(const std::string&)>& say);
  bool finished() const;
  const std::string& experiment() const { return experiment_; }

  const std::vector<LearnedAt>& learned() const { return learned_; }  ///< one per spec.models

 private:
  struct State {
    WidthRange range;
    std::optional<Index> width = {};     ///< at work; nullopt when finished
    std::vector<TrialSpec> trials = {};  ///< at that width; empty until enqueued
    std::map<Index, bool> solved = {};
    Index failed = 0;  ///< trials, over all widths
  };
  std::vector<TrialSpec> trials_at(const SearchModel& model, Index width) const;
  WidthTried decide(State& state, LearnedAt& learned, const std::vector<StoredTrial>& ended) const;

  const SearchSpec spec_;
  const Catalogue& catalogue_;
  const std::string experiment_;
  std::vector<State> states_;       ///< one per spec.models
  std::vector<LearnedAt> learned_;  ///< the same
};

/// What a search costs when no trial ends before its last step and every answer is the dearest.
struct SearchCost {
  Index trials = 0;
  double operations = 0;
  double seconds = 0;  ///< on one idle core of this machine; 0 when nothing was timed
};
SearchCost most_cost(const SearchSpec& spec, CostEstimate& estimate);

/// Trains until the search has its answers or options.stop is set. Trials that another process is
/// at are waited for. Throws as run_queue does.
void run_search(ThresholdSearch& search, const std::string& store_path, const Catalogue& catalogue,
                const RunOptions& options, const std::function<void(const std::string&)>& say);

}  // namespace separatrix

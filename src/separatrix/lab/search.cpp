#include "separatrix/lab/search.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>
#include <thread>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "separatrix/lab/pool.h"
#include "separatrix/nn/model.h"

namespace separatrix {
namespace {

/// The trials if every one has ended, else nullopt.
std::optional<std::vector<StoredTrial>> ended_trials(const Store& store,
                                                     const std::vector<TrialSpec>& specs) {
  std::vector<StoredTrial> ended;
  for (const TrialSpec& spec : specs) {
    std::optional<StoredTrial> trial = store.trial(spec.id());
    if (!trial || trial->status == TrialStatus::pending || trial->status == TrialStatus::running)
      return std::nullopt;
    ended.push_back(*std::move(trial));
  }
  return ended;
}

}  // namespace

Index SearchConfig::seeds_needed() const {
  // 2/3 of 3 is 2, also in floating point.
  return std::clamp<Index>(Index(std::ceil(fraction * double(seeds) - 1e-9)), 1, seeds);
}

void check(const SearchConfig& c, const std::string& where) {
  const auto require = [&](bool ok, const char* field, const char* what) {
    if (!ok)
      throw Error(ErrorKind::spec, std::string(field) + " must be " + what, where + "/" + field);
  };
  require(c.smallest >= 1, "smallest", "at least 1");
  require(c.largest >= c.smallest, "largest", "at least smallest");
  require(c.step >= 1, "step", "at least 1");
  require(c.fraction > 0 && c.fraction <= 1, "fraction", "above 0 and at most 1");
  require(c.seeds >= 1, "seeds", "at least 1");
  std::vector<double> lrs = c.lrs;
  std::sort(lrs.begin(), lrs.end());
  require(
      !lrs.empty() && lrs.front() > 0 && std::adjacent_find(lrs.begin(), lrs.end()) == lrs.end(),
      "lrs", "a list of different learning rates above 0");
}

std::string describe(const SearchConfig& config, const TrainConfig& train) {
  std::vector<std::string> lrs;
  for (const double lr : config.lrs) lrs.push_back(lr_words(lr));
  std::string words =
      fmt::format("widths {} to {} by {}; learning rates {}; {} seeds; {} steps", config.smallest,
                  config.largest, config.step, fmt::join(lrs, ", "), config.seeds, train.steps);
  if (train.give_up_after > 0 && train.give_up_after < train.steps)
    words += fmt::format(", {} if scaled accuracy stays below {:g}", train.give_up_after,
                         train.give_up_below);
  return words;
}

WidthRange width_range(const SearchConfig& config, const SearchModel& model) {
  const Index unit =
      std::lcm(std::max<Index>(1, config.step), std::max<Index>(1, model.multiple_of));
  const WidthRange range{.smallest = (config.smallest + unit - 1) / unit * unit,
                         .largest = config.largest / unit * unit,
                         .unit = unit};
  if (range.smallest > range.largest)
    throw Error(ErrorKind::spec,
                fmt::format("no width from {} to {} is a multiple of {}", config.smallest,
                            config.largest, unit),
                model.label, "choose another range, step or number of heads");
  return range;
}

std::optional<Index> next_width(const WidthRange& range, const std::map<Index, bool>& solved) {
  Index below = 0, above = range.smallest;  // unsolved; to be solved
  for (;; above = std::min(2 * above, range.largest)) {
    const auto known = solved.find(above);
    if (known == solved.end()) return above;
    if (known->second) break;
    if (above == range.largest) return std::nullopt;
    below = above;
  }
  while (below > 0 && above - below > range.unit) {
    const Index middle = below + (above - below) / range.unit / 2 * range.unit;
    const auto known = solved.find(middle);
    if (known == solved.end()) return middle;
    (known->second ? above : below) = middle;
  }
  return std::nullopt;
}

ThresholdSearch::ThresholdSearch(const SearchSpec& spec, const Catalogue& catalogue,
                                 const std::string& experiment)
    : spec_(spec), catalogue_(catalogue), experiment_(experiment) {
  check(spec.config, "search");
  for (const SearchModel& model : spec.models) {
    const WidthRange range = width_range(spec.config, model);
    for (Index width = range.smallest; width <= range.largest; width += range.unit)
      model.trial(width);  // throws for what does not fit, before anything is trained
    states_.push_back({.range = range, .width = next_width(range, {})});
    LearnedAt learned;
    learned.model = model.label;
    learned.budget = describe(spec.config, model.trial(range.smallest).train);
    learned_.push_back(learned);
  }
}

std::vector<TrialSpec> ThresholdSearch::trials_at(const SearchModel& model, Index width) const {
  TrialSpec trial = model.trial(width);
  std::vector<TrialSpec> trials;
  for (const double lr : spec_.config.lrs)
    for (Index k = 0; k < spec_.config.seeds; ++k) {
      trial.train.lr = lr;
      trial.seed = spec_.seed * std::uint64_t(spec_.config.seeds) + std::uint64_t(k);
      trials.push_back(trial);
    }
  return trials;
}

/// Takes in what the width at work gave, which is returned, and moves on to the next.
WidthTried ThresholdSearch::decide(State& state, LearnedAt& learned,
                                   const std::vector<StoredTrial>& ended) const {
  const Index needed = spec_.config.seeds_needed();
  WidthTried tried = summarize_width(ended, needed);
  const ModelSpec& model = state.trials.front().model;
  tried.state_bits = state_bits(model, catalogue_.blocks);
  for (const ParamSpec& p : model_params(model, catalogue_.blocks)) tried.parameters += p.size();
  state.failed += tried.count(&RateTried::failed);
  learned.budget = describe(spec_.config, state.trials.front().train);
  if (state.failed > 0)  // said wherever the result is shown: a failed trial measured nothing
    learned.budget += fmt::format("; {} trials failed", state.failed);
  add_width(learned, tried, needed);
  state.solved[*state.width] = tried.solved;
  state.width = next_width(state.range, state.solved);
  state.trials.clear();
  return tried;
}

void ThresholdSearch::advance(Store& store, const std::function<void(const std::string&)>& say) {
  for (std::size_t i = 0; i < states_.size(); ++i) {
    State& state = states_[i];
    LearnedAt& learned = learned_[i];
    while (state.width) {
      if (state.trials.empty()) {
        state.trials = trials_at(spec_.models[i], *state.width);
        store.enqueue(experiment_, state.trials);
      }
      const auto ended = ended_trials(store, state.trials);
      if (!ended) break;
      say(width_words(learned.model, decide(state, learned, *ended)));
      for (const StoredTrial& trial : *ended)
        if (trial.status == TrialStatus::failed)
          say(fmt::format("trial {} failed: {}", trial.id.substr(0, 12), trial.error));
    }
  }
}

bool ThresholdSearch::finished() const {
  return std::all_of(states_.begin(), states_.end(),
                     [](const State& state) { return !state.width; });
}

SearchCost most_cost(const SearchSpec& spec, CostEstimate& estimate) {
  SearchCost cost;
  const Index each = Index(spec.config.lrs.size()) * spec.config.seeds;
  for (const SearchModel& model : spec.models) {
    // Solved at the largest width only: all that doubling tries, and all between the last two.
    const WidthRange range = width_range(spec.config, model);
    std::map<Index, bool> solved;
    while (const std::optional<Index> width = next_width(range, solved)) {
      const TrialSpec trial = model.trial(*width);
      cost.trials += each;
      cost.operations += double(each) * estimate.operations(trial);
      cost.seconds += double(each) * estimate.seconds(trial);
      solved[*width] = *width == range.largest;
    }
  }
  return cost;
}

void run_search(ThresholdSearch& search, const std::string& store_path, const Catalogue& catalogue,
                const RunOptions& options, const std::function<void(const std::string&)>& say) {
  const auto stopped = [&] { return options.stop != nullptr && options.stop->load(); };
  for (bool waiting = false; !stopped(); waiting = true) {
    run_queue(store_path, search.experiment(), catalogue, options,
              [&](Store& store) { search.advance(store, say); });
    if (search.finished() || stopped()) return;
    if (!waiting) say("waiting for trials that another process is running");
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
  }
}

}  // namespace separatrix

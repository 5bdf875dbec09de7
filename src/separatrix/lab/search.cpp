#include "separatrix/lab/search.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "separatrix/base/names.h"
#include "separatrix/lab/models.h"

namespace separatrix {
namespace {

constexpr double kTargetAccuracy = 0.99;
constexpr Index kFinalExamples = 5000;

/// "quick" is for two minutes on two cores at small lengths, "standard" for an evening, "full" is
/// the paper's own budget (docs/store.md).
const std::vector<Budget>& budgets() {
  static const std::vector<Budget> kBudgets = {
      {"quick", {8, 16, 32, 64}, {1e-3, 3e-3}, 3, 3000},
      {"standard", {8, 16, 32, 64, 128, 256}, {3e-4, 1e-3, 3e-3, 1e-2}, 3, 20'000},
      {"full", {8, 16, 32, 64, 128, 256, 512, 1024}, {1e-5, 1e-4, 1e-3, 1e-2}, 5, 250'000},
  };
  return kBudgets;
}

/// "1e-3", "3e-4", "0.5": as people write learning rates.
std::string lr_text(double lr) {
  if (lr >= 0.1 || lr <= 0) return fmt::format("{:g}", lr);
  std::string text = fmt::format("{:e}", lr);  // "3.000000e-03"
  const std::size_t e = text.find('e');
  return fmt::format("{:g}e{}", std::stod(text.substr(0, e)), std::stoi(text.substr(e + 1)));
}

/// What the trials at one width say.
struct WidthResult {
  std::map<double, Index> solved_by_lr;
  Index failed = 0;
  double best_accuracy = 0;
};

WidthResult summarize(const std::vector<StoredTrial>& trials) {
  WidthResult result;
  for (const StoredTrial& trial : trials) {
    Index& solved = result.solved_by_lr[trial.spec.train.lr];
    if (trial.status == TrialStatus::failed) {
      ++result.failed;
      continue;
    }
    solved += trial.result.value("solved", false) ? 1 : 0;
    const Json& accuracy = trial.result.at("token_accuracy");
    if (accuracy.is_number())
      result.best_accuracy = std::max(result.best_accuracy, accuracy.get<double>());
  }
  return result;
}

/// Puts a width's result into words.
std::string width_line(const LearnedAt& learned, const WidthResult& result) {
  std::vector<std::string> parts;
  for (const auto& [lr, solved] : result.solved_by_lr)
    parts.push_back(fmt::format("{}/{} seeds at lr {}", solved, learned.seeds, lr_text(lr)));
  std::string line = fmt::format("{}, width {}: {} ({}; best accuracy {:.2f} %)", learned.model,
                                 learned.width, learned.solved ? "solved" : "not solved",
                                 fmt::join(parts, ", "), 100 * result.best_accuracy);
  if (result.failed > 0) line += fmt::format("; {} trials failed", result.failed);
  return line;
}

}  // namespace

Budget named_budget(const std::string& name) {
  std::vector<std::string> known;
  for (const Budget& budget : budgets()) {
    if (same_name(budget.name, name)) return budget;
    known.push_back(budget.name);
  }
  throw Error(ErrorKind::usage, "unknown budget '" + name + "'", {}, did_you_mean(name, known));
}

std::string describe(const Budget& budget) {
  std::vector<std::string> lrs;
  for (const double lr : budget.lrs) lrs.push_back(lr_text(lr));
  return fmt::format("widths {}; learning rates {}; {} seeds; {} steps",
                     fmt::join(budget.widths, ", "), fmt::join(lrs, ", "), budget.seeds,
                     budget.steps);
}

ThresholdSearch::ThresholdSearch(const SeparateConfig& config, const Budget& budget,
                                 const Catalogue& catalogue, const std::string& experiment)
    : config_(config), budget_(budget), catalogue_(catalogue), experiment_(experiment) {
  const auto task = catalogue.tasks.make(config.task, config.task_config);
  info_ = task->info(config.length);
  task_fingerprint_ = task->fingerprint();
  for (const std::string& model : config.models) {
    LearnedAt learned;
    learned.model = find_model_family(model, catalogue_.blocks).name;
    learned.seeds = budget.seeds;
    learned.budget = describe(budget);
    learned_.push_back(learned);
    families_.push_back({.finished = budget.widths.empty()});
    for (const Index width : budget.widths) trials_at(learned.model, width);  // all specs fit
  }
}

std::vector<TrialSpec> ThresholdSearch::trials_at(const std::string& model, Index width) const {
  TrialSpec trial;
  trial.task = config_.task;
  trial.task_config = config_.task_config;
  trial.length = config_.length;
  trial.task_fingerprint = task_fingerprint_;
  trial.model = resolve(named_model({model, {.d_model = width}}, info_, catalogue_.blocks),
                        catalogue_.blocks);
  trial.train.steps = budget_.steps;
  trial.train.target_accuracy = kTargetAccuracy;
  trial.train.final_examples = kFinalExamples;
  std::vector<TrialSpec> trials;
  for (const double lr : budget_.lrs)
    for (Index k = 0; k < budget_.seeds; ++k) {
      trial.train.lr = lr;
      // Searches of different seeds share no trial.
      trial.seed = config_.seed * std::uint64_t(budget_.seeds) + std::uint64_t(k);
      trials.push_back(trial);
    }
  return trials;
}

void ThresholdSearch::advance(Store& store, const std::function<void(const std::string&)>& say) {
  for (std::size_t i = 0; i < families_.size(); ++i) {
    Family& family = families_[i];
    while (!family.finished) {
      if (!family.at_work.empty() && !decide(store, family, learned_[i], say)) break;
      if (learned_[i].solved || family.next_width == budget_.widths.size()) {
        family.finished = true;
        break;
      }
      family.at_work = trials_at(learned_[i].model, budget_.widths[family.next_width++]);
      store.enqueue(experiment_, family.at_work);
    }
  }
}

/// Whether every trial of the family's width has ended; if so, `learned` takes in what they say.
bool ThresholdSearch::decide(Store& store, Family& family, LearnedAt& learned,
                             const std::function<void(const std::string&)>& say) {
  std::vector<StoredTrial> ended;
  for (const TrialSpec& spec : family.at_work) {
    const std::optional<StoredTrial> trial = store.trial(spec.id());
    if (!trial || trial->status == TrialStatus::pending || trial->status == TrialStatus::running)
      return false;
    ended.push_back(*trial);
  }
  const WidthResult result = summarize(ended);
  learned.width = family.at_work.front().model.d_model;
  learned.state_bits = state_bits(family.at_work.front().model, catalogue_.blocks);
  learned.best_accuracy = std::max(learned.best_accuracy, result.best_accuracy);
  learned.seeds_solved = 0;
  for (const auto& [lr, solved] : result.solved_by_lr) {
    learned.seeds_solved = std::max(learned.seeds_solved, solved);
    if (3 * solved < 2 * budget_.seeds) continue;
    learned.lr_min = learned.solved ? std::min(learned.lr_min, lr) : lr;
    learned.lr_max = learned.solved ? std::max(learned.lr_max, lr) : lr;
    learned.solved = true;
  }
  family.failed += result.failed;
  if (family.failed > 0)  // said wherever the result is shown: a failed trial measured nothing
    learned.budget = fmt::format("{}; {} trials failed", describe(budget_), family.failed);
  say(width_line(learned, result));
  for (const StoredTrial& trial : ended)
    if (trial.status == TrialStatus::failed)
      say(fmt::format("trial {} failed: {}", trial.id.substr(0, 12), trial.error));
  return true;
}

bool ThresholdSearch::finished() const {
  return std::all_of(families_.begin(), families_.end(),
                     [](const Family& family) { return family.finished; });
}

}  // namespace separatrix

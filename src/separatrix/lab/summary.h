#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "separatrix/lab/catalogue.h"
#include "separatrix/lab/model_name.h"
#include "separatrix/lab/store.h"

namespace separatrix {

/// Where a probability lies with 95 % confidence.
struct WilsonInterval {
  double low = 0, high = 1;
};
/// Wilson's score interval for `successes` of `n`, z = 1.96: it stays within [0, 1] and is honest
/// at 0 of n and n of n. [0, 1] when n is 0.
WilsonInterval wilson_interval(Index successes, Index n);

/// What one number is over the seeds for which it is known; n = 0: for none.
struct Spread {
  Index n = 0;
  double mean = 0, min = 0, max = 0;
  void add(double value);
};

/// A trained model judged at one length.
struct LengthResult {
  Index length = 0;
  std::optional<double> chance;           ///< token accuracy of the best constant answer
  std::map<std::string, Spread> metrics;  ///< by the names of metric_definitions(), but chance
  const Spread& metric(const std::string& name) const;  ///< n = 0 where it is not known
};

/// One trial with what tables ask of it worked out, whatever version wrote it.
struct TrialFacts {
  std::string outcome;             ///< "solved", "unsolved", "diverged", or the trial's status
  std::optional<CurvePoint> last;  ///< the final evaluation, or the last one recorded
  double seconds = 0;              ///< 0 when it was not recorded
  bool solved() const { return outcome == "solved"; }
};
TrialFacts trial_facts(const StoredTrial& trial);
/// What the trial recorded, else what its spec says; nullopt when the model keeps all positions or
/// the spec is of a version that cannot be read.
std::optional<Index> trial_state_bits(const StoredTrial& trial, const Registry<Block>& blocks);

/// All trials that differ only in their seed.
struct Setting {
  std::string task;
  Json task_config = Json::object();
  std::string task_label;  ///< the task, and those of its parameters that vary in the experiment
  Index length = 0;
  std::string model;        ///< model_shape().name
  std::string model_label;  ///< the model, its depth and options where they vary: "lstm, 2 layers"
  Index layers = 0, width = 0;
  double lr = 0;
  TrialSpec spec;                   ///< of the first trial
  std::vector<std::size_t> trials;  ///< where they are in what settings_of() was given

  Index seeds = 0, solved = 0, diverged = 0, failed = 0, unfinished = 0;
  std::optional<Index> state_bits, parameters;
  std::optional<double> median_steps;  ///< to solve, of the seeds that did
  double seconds = 0;                  ///< of training, all seeds together
  std::vector<LengthResult> lengths;   ///< the trained one first, then ascending

  /// Seeds that measured something: neither failed nor unfinished.
  Index ended() const { return seeds - failed - unfinished; }
  std::optional<double> success_fraction() const;  ///< solved / ended; nullopt when none ended
  WilsonInterval success_interval() const { return wilson_interval(solved, ended()); }
  /// At least two thirds of all seeds.
  bool works() const { return seeds > 0 && 3 * solved >= 2 * seeds; }
  /// Of the final evaluation at the trained length.
  const Spread& final(const std::string& metric) const { return lengths.front().metric(metric); }
};

/// All settings that differ only in their learning rate.
struct Cell {
  std::vector<Setting> settings;  ///< learning rates ascend
  std::size_t best_index = 0;
  std::optional<double> lr_min, lr_max;  ///< window of rates that work (Setting::works)

  /// Most solved seeds, then highest mean token accuracy, then the smaller rate.
  const Setting& best() const { return settings[best_index]; }
  Index count(Index Setting::*what) const;  ///< summed over the settings
};

/// In the order in which tasks and models first occur, within them by length, width and rate.
std::vector<Setting> settings_of(std::span<const StoredTrial> trials, const Catalogue& catalogue);
std::vector<Cell> cells_of(std::vector<Setting> settings);
inline std::vector<Cell> cells_of(std::span<const StoredTrial> trials, const Catalogue& catalogue) {
  return cells_of(settings_of(trials, catalogue));
}

}  // namespace separatrix

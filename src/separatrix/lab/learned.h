#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "separatrix/lab/store.h"

namespace separatrix {

/// What all seeds did at one width and learning rate.
struct RateTried {
  double lr = 0;
  Index seeds = 0, solved = 0, gave_up = 0, diverged = 0, failed = 0;
  double accuracy = 0;            ///< mean token accuracy; 0 for a trial that measured none
  std::vector<Index> steps = {};  ///< of the seeds that solved, ascending
};

/// What was found at one width.
struct WidthTried {
  Index width = 0, parameters = 0;
  std::optional<Index> state_bits = {};
  bool solved = false;
  double best_accuracy = 0;           ///< token accuracy of the best trial
  std::vector<RateTried> rates = {};  ///< ascending

  /// Most solved seeds, then the highest mean accuracy, then the smaller rate. There must be one.
  const RateTried& best() const;
  Index count(Index RateTried::*what) const;  ///< summed over the rates
};
/// Of trials that differ in learning rate and seed only, all ended; `seeds_needed` solved at one
/// rate make the width solved. Sizes are left at 0.
WidthTried summarize_width(std::span<const StoredTrial> ended, Index seeds_needed);

/// Solved at the smallest width found at which, for some learning rate, the required fraction of
/// the seeds solves the task; or not solved up to the largest width tried.
struct LearnedAt {
  bool solved = false;
  std::string model;  ///< "lstm", "mamba:layers=2"
  Index width = 0;    ///< solved: smallest found; otherwise: largest tried
  std::optional<Index> state_bits;
  Index seeds_solved = 0, seeds = 0;  ///< at that width and its best learning rate
  double lr_min = 0, lr_max = 0;      ///< window of learning rates that worked at that width
  double best_accuracy = 0;           ///< token accuracy of the best trial at any width
  std::string budget;  ///< in words: widths, learning rates, seeds, steps; trials that failed
  Index parameters = 0;
  double lr = 0;                             ///< the best learning rate at that width
  double success_low = 0, success_high = 1;  ///< seeds_solved / seeds: Wilson's 95 % interval
  double steps_median = 0;                   ///< to solve, of the seeds_solved; 0 when none did
  Index steps_min = 0, steps_max = 0;        ///< the same
  std::vector<WidthTried> tried = {};        ///< every width, ascending
};
Json to_json(const LearnedAt& learned);
/// The inverse; what is absent or of another kind keeps its default.
LearnedAt read_learned_at(const Json& json);

/// Takes the width into `tried` and works out the rest from it: all but model and budget.
void add_width(LearnedAt& learned, WidthTried tried, Index seeds_needed);

/// "1e-3", "3e-4", "0.5": as people write learning rates.
std::string lr_words(double lr);
/// "lstm, width 8: not solved (0/3 seeds at lr 1e-3, 1/3 seeds at lr 3e-3; ...)".
std::string width_words(const std::string& model, const WidthTried& tried);

}  // namespace separatrix

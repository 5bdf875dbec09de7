#pragma once

#include <map>
#include <string>

#include "separatrix/lab/catalogue.h"
#include "separatrix/train/trial.h"

namespace separatrix {

/// What trials will cost at most, if none is solved before its last step. Remembers what it has
/// measured, so ask one object about all trials of an experiment.
class CostEstimate {
 public:
  /// At most `seconds` are spent on timing steps; 0: operations only.
  CostEstimate(const Catalogue& catalogue, double seconds)
      : catalogue_(catalogue), seconds_left_(seconds) {}

  /// Useful operations (training_flops) of all its steps. The same on every machine.
  double operations(const TrialSpec& spec);
  /// On one idle core of this machine: a few steps of each kind of model and length are timed; when
  /// no time for that is left, by the rate of a model of the same first block. 0 when nothing was
  /// timed.
  double seconds(const TrialSpec& spec);

 private:
  struct Step {
    double operations = 0, seconds = 0;  ///< seconds: 0 = not timed
  };
  Step& step(const TrialSpec& spec, bool timed);

  const Catalogue& catalogue_;
  double seconds_left_;
  std::map<std::string, Step> steps_;         ///< by what decides the cost of a step
  std::map<std::string, double> rates_ = {};  ///< first block -> operations per second
};

}  // namespace separatrix

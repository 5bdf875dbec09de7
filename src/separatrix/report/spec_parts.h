#pragma once

#include <map>
#include <string>

#include "separatrix/train/trial.h"

namespace separatrix {

/// The specifications of many settings with what they share stored once: thousands of trials differ
/// in a few numbers. `of` has three numbers for each setting, of its task, model and training; a
/// model's layers are numbers, too. With the setting's rate and a trial's seed put back in,
/// web/data.js has the specification again.
class SpecParts {
 public:
  void add(const TrialSpec& spec);
  Json json() const;  ///< {"tasks", "layers", "models", "trains", "of"}

 private:
  class Part {
   public:
    std::size_t number(const Json& value);
    const Json& values() const { return values_; }

   private:
    std::map<std::string, std::size_t> numbers_;
    Json values_ = Json::array();
  };
  Part tasks_, layers_, models_, trains_;
  Json of_ = Json::array();
};

}  // namespace separatrix

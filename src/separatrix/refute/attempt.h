#pragma once

#include <optional>
#include <string>
#include <vector>

#include "separatrix/refute/suffixes.h"

namespace separatrix {

/// What a running attack has at hand.
struct Attempt {
  Attempt(std::string name, const Target& t, const AttackOptions& o)
      : method(std::move(name)), target(t), options(o), effort(o), judge(t, o, effort) {}

  /// The result of an attack that ran.
  AttackResult result(std::optional<Refutation> found) const {
    return {true, std::move(found), effort.words(), effort.seconds()};
  }

  std::string method;
  const Target& target;
  const AttackOptions& options;
  Effort effort;
  Judge judge;
};

/// The result of an attack that does not fit the model.
AttackResult not_applicable(const std::string& why);

/// Why an attack on recurrent states cannot be run on this model; empty if it can.
std::string why_not_recurrent(const Target& target);

/// One per thread.
std::vector<RecurrentState> recurrent_states(const Target& target, int threads);

}  // namespace separatrix

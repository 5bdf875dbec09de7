#pragma once

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "separatrix/refute/attack.h"

namespace separatrix {

/// How long an attack may still go on, and what it has done so far.
class Effort {
 public:
  explicit Effort(const AttackOptions& options);

  /// The time is over, or the user asked to stop.
  bool spent() const;
  double seconds() const;

  /// Counts n more of `what` ("inputs", "prefixes") and tells the user.
  void count(const std::string& what, Index n);
  /// "40 960 inputs, 120 restarts, 3.1 s".
  std::string words() const;

 private:
  const AttackOptions& options_;
  std::chrono::steady_clock::time_point start_;
  std::vector<std::pair<std::string, Index>> counts_;  ///< in the order of their first mention
};

/// 40960 -> "40 960".
std::string spell_count(Index n);

}  // namespace separatrix

#pragma once

#include <optional>
#include <string>

#include <gmpxx.h>

#include "separatrix/base/registry.h"
#include "separatrix/tasks/task.h"

namespace separatrix {

/// What a bound limits, and what a model is measured by.
enum class Resource {
  recurrent_state_bits,        ///< bits carried between time steps (RNN, SSM, retention)
  one_layer_transformer_bits,  ///< H * d_head * precision of a one-layer transformer
};
std::string to_string(Resource resource);  ///< "recurrent_state_bits": the JSON name

/// "Any machine that solves the task at `length` needs log2(count) bits of `resource`."
struct Bound {
  std::string method;   ///< name in the registry
  std::string theorem;  ///< bibliography key + number
  Resource resource{};
  Index length = 0;    ///< the task's own measure
  Index split = 0;     ///< tokens before the cut between prefix and suffix
  mpz_class count;     ///< classes at the cut
  bool exact = false;  ///< count is the minimum, not only a lower bound on it
  Json witness;        ///< enough to re-check without trusting the method that found it

  /// ceil(log2 count): bits without which the task is impossible.
  Index bits() const;
};

/// How a witness was checked: everything it says, or a stated random part of it.
struct WitnessCheck {
  bool valid = false;
  std::string how;  ///< "all 2016 pairs" / "rule on 1000 random pairs, seed 0"
};

class BoundMethod {
 public:
  virtual ~BoundMethod() = default;
  /// nullopt when the method does not apply to this task; Error(spec) naming the size it would need
  /// when it applies but will not fit.
  virtual std::optional<Bound> compute(const Task& task, const std::string& task_name,
                                       Index length) const = 0;
  /// Re-checks bound.witness against task.label only; shares no code with compute().
  virtual WitnessCheck check(const Task& task, const Bound& bound) const = 0;
};

void register_bounds(Registry<BoundMethod>& bounds);  // bounds/all.cpp

/// The JSON that `bound --json` prints and the store keeps (count as a decimal string).
Json to_json(const Bound& bound);

/// Largest fraction a of N independent uniform symbols over q letters that b bits of memory let
/// one recall on average: the a >= 1/q with N (log2 q - h(1-a) - (1-a) log2(q-1)) = b, at most 1.
/// docs/theory.md derives it.
double recall_ceiling(double bits, Index n_symbols, Index alphabet);

}  // namespace separatrix

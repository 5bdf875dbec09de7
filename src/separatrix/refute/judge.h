#pragma once

#include <span>
#include <vector>

#include "separatrix/refute/attack.h"
#include "separatrix/refute/effort.h"
#include "separatrix/tasks/instances.h"

namespace separatrix {

using Tokens = std::vector<Token>;

/// How the model did on one input, over its asked positions.
struct Verdict {
  /// Least logit(label) - best other logit; +infinity if nothing is asked. NaN counts as -infinity.
  double margin = 0;
  bool wrong = false;   ///< some answer is not the label; ties go to the lowest class
  Index position = -1;  ///< of the first wrong answer, if any, else of the least margin
  Token expected = kIgnore, given = kIgnore;  ///< there
};

/// Runs the real model (Model::logits, the kernels that answer users) beside Task::label.
class Judge {
 public:
  Judge(const Target& target, const AttackOptions& options, Effort& effort);

  /// One verdict per input, in order; all inputs have the instances' size. The same for any number
  /// of threads. Once the time is over, inputs that are left count as right.
  std::vector<Verdict> judge(std::span<const Tokens> inputs);

  /// Index of the first wrong one, or -1.
  static Index first_wrong(const std::vector<Verdict>& verdicts);

 private:
  struct Worker {
    Model model;
    Batch batch;
    std::vector<float> logits;
  };
  void judge_batch(Worker& worker, std::span<const Tokens> inputs, Verdict* verdicts) const;

  const Target& target_;
  const AttackOptions& options_;
  Effort& effort_;
  std::vector<Worker> workers_;
};

/// The verdict on an input that is answered wrong, as an attack reports it.
Refutation refutation(const std::string& method, const Tokens& tokens, const Verdict& verdict);

}  // namespace separatrix

#include "separatrix/lab/budget.h"

#include "separatrix/base/names.h"

namespace separatrix {
namespace {

/// docs/separate.md has what they cost and why the early stops lie where they do.
const std::vector<Budget>& budgets() {
  static const std::vector<Budget> kBudgets = {
      {.name = "quick",
       .search = {.smallest = 8, .largest = 64, .step = 8, .lrs = {1e-3, 3e-3}, .seeds = 3},
       .steps = 3000,
       .give_up_after = 2000},
      {.name = "standard",
       .search =
           {.smallest = 8, .largest = 256, .step = 8, .lrs = {3e-4, 1e-3, 3e-3, 1e-2}, .seeds = 3},
       .steps = 20'000,
       .give_up_after = 6000},
      {.name = "full",  // the paper's own
       .search =
           {.smallest = 8, .largest = 1024, .step = 8, .lrs = {1e-5, 1e-4, 1e-3, 1e-2}, .seeds = 5},
       .steps = 250'000},
  };
  return kBudgets;
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

TrainConfig training(const Budget& budget) {
  return {.steps = budget.steps,
          .final_examples = 5000,
          .target_accuracy = 0.99,
          .give_up_after = budget.give_up_after,
          .give_up_below = budget.give_up_below};
}

}  // namespace separatrix

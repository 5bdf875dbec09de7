#include "separatrix/tasks/batch.h"

#include <string>

#include "separatrix/base/hash.h"

namespace separatrix {
namespace {

constexpr int kMaxRedraws = 100000;

bool belongs(std::span<const Token> tokens, Portion portion, Index holdout) {
  if (portion == Portion::any || holdout == 0) return true;
  const bool held_out = hash_tokens(tokens) % std::uint64_t(holdout) == 0;
  return held_out == (portion == Portion::evaluation);
}

}  // namespace

void Batch::resize(Index batch, Index time) {
  B = batch;
  T = time;
  tokens.resize(std::size_t(batch * time));
  targets.resize(std::size_t(batch * time));
}

void sample_batch(const Task& task, Index length, Index B, Portion portion, Index holdout, Rng& rng,
                  Batch& batch) {
  batch.resize(B, task.info(length).n_tokens);
  for (Index b = 0; b < B; ++b) {
    int draws = 0;
    do {
      if (draws++ > kMaxRedraws)
        throw Error(ErrorKind::spec,
                    std::string("no input of the ") +
                        (portion == Portion::training ? "training" : "evaluation") +
                        " part found at length " + std::to_string(length),
                    "holdout",
                    "choose a greater length, or holdout 0 to train and evaluate on all inputs");
      task.sample(rng, batch.row(b));
    } while (!belongs(batch.row(b), portion, holdout));
    task.label(batch.row(b), batch.target_row(b));
  }
}

}  // namespace separatrix

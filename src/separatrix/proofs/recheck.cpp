#include "separatrix/proofs/recheck.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace separatrix {
namespace {

bool spells_instance(const Task& task, Index length, const std::vector<Token>& tokens) {
  for (std::size_t t = 0; t < tokens.size(); ++t) {
    const auto next = task.legal_next(std::span(tokens).first(t), length);
    if (!std::binary_search(next.begin(), next.end(), tokens[t])) return false;
  }
  return task.legal_next(tokens, length).empty();
}

/// logit(i-th row, c) - best other, least over the asked rows; `row_of` maps a position to its row.
template <class Scalar>
double least_margin(const std::vector<Scalar>& logits, const std::vector<Token>& targets,
                    std::size_t C, bool all_rows) {
  double least = std::numeric_limits<double>::infinity();
  std::size_t row = 0;
  for (const Token target : targets) {
    if (target != kIgnore)
      for (std::size_t c = 0; c < C; ++c)
        if (Token(c) != target) {
          const double margin =
              double(logits[row * C + std::size_t(target)]) - double(logits[row * C + c]);
          if (std::isnan(margin)) return -std::numeric_limits<double>::infinity();
          least = std::min(least, margin);
        }
    if (all_rows || target != kIgnore) ++row;
  }
  return least;
}

}  // namespace

std::string recheck_counterexample(const Certificate& certificate, const Task& task,
                                   const Weights& weights, const Registry<Block>& blocks) {
  const std::vector<Token>& tokens = certificate.counterexample;
  const TaskInfo info = task.info(certificate.claim.length);
  if (Index(tokens.size()) != info.n_tokens ||
      !spells_instance(task, certificate.claim.length, tokens))
    return "the counterexample is not an input of that length";
  Batch batch;
  batch.resize(1, info.n_tokens);
  batch.tokens = tokens;
  task.label(tokens, batch.targets);
  const auto C = std::size_t(weights.spec.n_classes);
  const double needed = std::max(certificate.claim.margin, 0.0);

  const double plain =
      least_margin(reference_logits<double>(weights, blocks, tokens), batch.targets, C, true);
  constexpr double kRounding = 1e-3;  // float32 against double at any size used here
  if (plain > needed + kRounding * (1 + needed))
    return "the model answers the counterexample rightly";
  if (certificate.claim.arithmetic == Arithmetic::real) return {};
  std::vector<float> logits;
  Model(weights.spec, blocks).logits(weights.values, batch, logits);
  const double computed = least_margin(logits, batch.targets, C, false);
  if (computed > 0 && computed >= certificate.claim.margin)
    return "the float32 program answers the counterexample rightly";
  return {};
}

}  // namespace separatrix

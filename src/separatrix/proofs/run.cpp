#include "separatrix/proofs/run.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "separatrix/model/interval.h"

namespace separatrix {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// Upper end of the margin over the reals.
double greatest_real_margin(const Weights& weights, const Registry<Block>& blocks,
                            std::span<const Token> tokens, std::span<const Token> targets) {
  const auto logits = reference_logits<Interval>(weights, blocks, tokens);
  const auto C = std::size_t(weights.spec.n_classes);
  double margin = kInfinity;
  for (std::size_t t = 0; t < tokens.size(); ++t)
    for (std::size_t c = 0; c < C && targets[t] != kIgnore; ++c)
      if (Token(c) != targets[t])
        margin =
            std::min(margin, (logits[t * C + std::size_t(targets[t])] - logits[t * C + c]).upper());
  return margin;
}

}  // namespace

Certificate begin_certificate(const std::string& method, const Claim& claim,
                              const Weights& weights) {
  Certificate certificate;
  certificate.claim = claim;
  certificate.method = method;
  certificate.weights_sha256 = weights_sha256(weights);
  certificate.inputs = "0";
  return certificate;
}

Certificate undecided(Certificate certificate, const std::string& reason) {
  certificate.verdict = Verdict::undecided;
  certificate.reason = reason;
  return certificate;
}

Certificate conclude(Certificate certificate, double margin, const std::string& inputs) {
  if (!keeps(certificate.claim, margin))
    return undecided(std::move(certificate), "the proved margin " + std::to_string(margin) +
                                                 " does not reach the claimed " +
                                                 std::to_string(certificate.claim.margin));
  certificate.verdict = Verdict::proved;
  certificate.margin = margin;
  certificate.inputs = inputs;
  return certificate;
}

std::vector<double> computed_margins(const Task& task, const Weights& weights, Model& model,
                                     Batch& batch) {
  for (Index b = 0; b < batch.B; ++b) task.label(batch.row(b), batch.target_row(b));
  std::vector<float> logits;
  model.logits(weights.values, batch, logits);
  std::vector<double> margins(std::size_t(batch.B), kInfinity);
  const Index C = weights.spec.n_classes;
  const float* row = logits.data();
  for (Index b = 0; b < batch.B; ++b)
    for (const Token target : batch.target_row(b)) {
      if (target == kIgnore) continue;
      double& margin = margins[std::size_t(b)];
      for (Index c = 0; c < C; ++c) {
        const double difference = double(row[target]) - double(row[c]);
        // NaN makes the margin NaN, for good.
        if (c != target && !std::isnan(margin) && !(difference >= margin)) margin = difference;
      }
      row += C;
    }
  return margins;
}

bool refute(Certificate& certificate, const Task& task, const Weights& weights,
            const Registry<Block>& blocks, std::span<const Token> tokens) {
  Model model(weights.spec, blocks);
  Batch batch;
  batch.resize(1, Index(tokens.size()));
  std::copy(tokens.begin(), tokens.end(), batch.tokens.begin());
  const double margin = computed_margins(task, weights, model, batch).front();
  if (keeps(certificate.claim, margin)) return false;
  double shown = margin;
  if (certificate.claim.arithmetic == Arithmetic::real) {
    shown = greatest_real_margin(weights, blocks, tokens, batch.targets);
    if (keeps(certificate.claim, shown)) return false;
  }
  certificate.verdict = Verdict::refuted;
  // JSON knows no NaN and no infinity.
  certificate.margin = std::isfinite(shown) ? shown : std::numeric_limits<double>::lowest();
  certificate.inputs = "1";
  certificate.counterexample.assign(tokens.begin(), tokens.end());
  certificate.reason.clear();
  certificate.evidence = Json::object();
  certificate.trusted_base = "Task::label, and the model run on the one input shown";
  return true;
}

bool refute_by_sampling(Certificate& certificate, const Task& task, const Weights& weights,
                        const Registry<Block>& blocks, Index count) {
  Model model(weights.spec, blocks);
  Rng rng(0, RngUse::search);
  Batch batch;
  batch.resize(count, task.info(certificate.claim.length).n_tokens);
  for (Index b = 0; b < count; ++b) task.sample(rng, batch.row(b));
  const std::vector<double> margins = computed_margins(task, weights, model, batch);
  for (Index b = 0; b < count; ++b)
    if (!keeps(certificate.claim, margins[std::size_t(b)]) &&
        refute(certificate, task, weights, blocks, batch.row(b)))
      return true;
  return false;
}

}  // namespace separatrix

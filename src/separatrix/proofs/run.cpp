#include "separatrix/proofs/run.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>

#include "separatrix/model/interval.h"

namespace separatrix {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

std::size_t first_asked(std::span<const Token> targets) {
  return std::size_t(
      std::find_if(targets.begin(), targets.end(), [](Token t) { return t != kIgnore; }) -
      targets.begin());
}

/// Upper end of the margin over the reals.
double greatest_real_margin(const Weights& weights, const Registry<Block>& blocks,
                            std::span<const Token> tokens, std::span<const Token> targets) {
  const std::size_t first = first_asked(targets);
  const auto logits = reference_logits<Interval>(weights, blocks, tokens, Index(first));
  const auto C = std::size_t(weights.spec.n_classes);
  double margin = kInfinity;
  for (std::size_t t = first; t < tokens.size(); ++t) {
    const Interval* row = logits.data() + (t - first) * C;
    for (std::size_t c = 0; c < C && targets[t] != kIgnore; ++c)
      if (Token(c) != targets[t])
        margin = std::min(margin, (row[std::size_t(targets[t])] - row[c]).upper());
  }
  return margin;
}

/// margin = min(margin, logit of the target - best other); NaN makes it NaN, for good.
template <class Float>
void lower_margin(std::span<const Float> logits, Token target, double& margin) {
  for (std::size_t c = 0; c < logits.size(); ++c) {
    const double difference = double(logits[std::size_t(target)]) - double(logits[c]);
    if (Token(c) != target && !std::isnan(margin) && !(difference >= margin)) margin = difference;
  }
}

/// Of one input.
double emulated_margin(const Subject& subject, std::span<const Token> tokens,
                       std::span<const Token> targets, Arithmetic arithmetic) {
  const Index first = Index(first_asked(targets));
  const auto logits = emulated_logits(subject.weights, subject.blocks, tokens, arithmetic, first);
  const auto C = std::size_t(subject.weights.spec.n_classes);
  double margin = kInfinity;
  for (std::size_t t = std::size_t(first); t < tokens.size(); ++t)
    if (targets[t] != kIgnore)
      lower_margin(std::span(logits).subspan((t - std::size_t(first)) * C, C), targets[t], margin);
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
  if (!keeps(certificate.claim, margin)) {
    const std::string claimed = std::to_string(certificate.claim.margin);
    return undecided(std::move(certificate), "the proved margin " + std::to_string(margin) +
                                                 " does not reach the claimed " + claimed);
  }
  certificate.verdict = Verdict::proved;
  // With a single class it is infinite, which JSON does not know.
  certificate.margin = std::min(margin, std::numeric_limits<double>::max());
  certificate.inputs = inputs;
  return certificate;
}

std::vector<double> computed_margins(const Subject& subject, Model& model, Batch& batch,
                                     Arithmetic arithmetic) {
  assert(arithmetic != Arithmetic::real);
  const Weights& weights = subject.weights;
  for (Index b = 0; b < batch.B; ++b) subject.task.label(batch.row(b), batch.target_row(b));
  std::vector<double> margins(std::size_t(batch.B), kInfinity);
  const auto C = std::size_t(weights.spec.n_classes);
  if (is_emulated(arithmetic)) {
    for (Index b = 0; b < batch.B; ++b)
      margins[std::size_t(b)] =
          emulated_margin(subject, batch.row(b), batch.target_row(b), arithmetic);
    return margins;
  }
  std::vector<float> logits;
  model.logits(weights.values, batch, logits);
  const float* row = logits.data();
  for (Index b = 0; b < batch.B; ++b)
    for (const Token target : batch.target_row(b)) {
      if (target == kIgnore) continue;
      lower_margin(std::span(row, C), target, margins[std::size_t(b)]);
      row += C;
    }
  return margins;
}

bool refute(Certificate& certificate, const Subject& subject, std::span<const Token> tokens) {
  const Weights& weights = subject.weights;
  const Claim& claim = certificate.claim;
  const bool real = claim.arithmetic == Arithmetic::real;
  Model model(weights.spec, subject.blocks);
  Batch batch;
  batch.resize(1, Index(tokens.size()));
  std::copy(tokens.begin(), tokens.end(), batch.tokens.begin());
  const double margin =
      computed_margins(subject, model, batch, real ? Arithmetic::float32 : claim.arithmetic)
          .front();
  if (keeps(claim, margin)) return false;
  double shown = margin;
  if (real) {
    shown = greatest_real_margin(weights, subject.blocks, tokens, batch.targets);
    if (keeps(claim, shown)) return false;
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

bool refute_by_sampling(Certificate& certificate, const Subject& subject, Index count) {
  constexpr Index kTokensAtOnce = Index{1} << 22;
  const Arithmetic arithmetic = certificate.claim.arithmetic == Arithmetic::real
                                    ? Arithmetic::float32
                                    : certificate.claim.arithmetic;
  Model model(subject.weights.spec, subject.blocks);
  Rng rng(0, RngUse::search);
  Batch batch;
  const Index n_tokens = subject.task.info(certificate.claim.length).n_tokens;
  const Index at_once = std::max<Index>(1, kTokensAtOnce / n_tokens);
  for (Index done = 0; done < count; done += batch.B) {
    batch.resize(std::min(at_once, count - done), n_tokens);
    for (Index b = 0; b < batch.B; ++b) subject.task.sample(rng, batch.row(b));
    const std::vector<double> margins = computed_margins(subject, model, batch, arithmetic);
    for (Index b = 0; b < batch.B; ++b)
      if (!keeps(certificate.claim, margins[std::size_t(b)]) &&
          refute(certificate, subject, batch.row(b)))
        return true;
  }
  return false;
}

}  // namespace separatrix

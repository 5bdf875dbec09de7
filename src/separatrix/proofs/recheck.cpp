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

std::string recheck_counterexample(const Certificate& certificate, const Subject& subject) {
  const std::vector<Token>& tokens = certificate.counterexample;
  const TaskInfo info = subject.task.info(certificate.claim.length);
  if (Index(tokens.size()) != info.n_tokens ||
      !spells_instance(subject.task, certificate.claim.length, tokens))
    return "the counterexample is not an input of that length";
  Batch batch;
  batch.resize(1, info.n_tokens);
  batch.tokens = tokens;
  subject.task.label(tokens, batch.targets);
  const auto C = std::size_t(subject.weights.spec.n_classes);
  const double needed = std::max(certificate.claim.margin, 0.0);
  const auto keeps = [&](double margin) {
    return margin > 0 && margin >= certificate.claim.margin;
  };

  const std::vector<Token>& targets = batch.targets;
  const Index first =
      std::find_if(targets.begin(), targets.end(), [](Token t) { return t != kIgnore; }) -
      targets.begin();
  const std::vector<Token> asked(targets.begin() + first, targets.end());
  const Arithmetic arithmetic = certificate.claim.arithmetic;
  if (is_emulated(arithmetic)) {
    const auto logits = emulated_logits(subject.weights, subject.blocks, tokens, arithmetic, first);
    return keeps(least_margin(logits, asked, C, true))
               ? std::string("the ") + to_string(arithmetic) +
                     " program answers the counterexample rightly"
               : "";
  }
  const auto logits = reference_logits<double>(subject.weights, subject.blocks, tokens, first);
  const double plain = least_margin(logits, asked, C, true);
  constexpr double kRounding = 1e-3;  // float32 against double at any size used here
  if (plain > needed + kRounding * (1 + needed))
    return "the model answers the counterexample rightly";
  if (arithmetic == Arithmetic::real) return {};
  std::vector<float> computed;
  Model(subject.weights.spec, subject.blocks).logits(subject.weights.values, batch, computed);
  if (keeps(least_margin(computed, targets, C, false)))
    return "the float32 program answers the counterexample rightly";
  return {};
}

std::string unlike_plain_attention(const Json& config) {
  Json rest = config;
  for (const char* known : {"n_heads", "d_head", "d_value", "causal", "scale"}) rest.erase(known);
  const bool plain = rest.value("positions", Json("none")) == "none" &&
                     rest.value("n_kv_heads", Json(0)) == 0 && rest.value("window", Json(0)) == 0;
  for (const char* read : {"positions", "n_kv_heads", "window", "rotary_base"}) rest.erase(read);
  return plain && rest.empty() ? "" : "the attention has options that the recheck does not follow";
}

std::string unlike_one_layer(const Weights& weights) {
  const ModelSpec& spec = weights.spec;
  if (spec.layers.size() != 1 || spec.layers.front().block != "attention" || spec.norm != "none" ||
      spec.layers.front().config.value("n_heads", Index{1}) != 1)
    return "the model is not one attention layer of one head";
  if (auto wrong = unlike_plain_attention(spec.layers.front().config); !wrong.empty()) return wrong;
  for (const float w : weights.values)
    if (!(std::fabs(w) < 0x1p16F)) return "a weight is not a moderate number";
  return {};
}

}  // namespace separatrix

#pragma once

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "separatrix/nn/model.h"
#include "tests/support/registries.h"

namespace separatrix {

/// A construction's weights with what they claim, run in the arithmetic of the claim.
struct BuiltCase {
  const Catalog& registries;
  Claim claim;
  std::unique_ptr<Task> task;
  Built built;
  Model model;

  /// Logits at the last `n` positions.
  std::vector<double> logits(std::span<const Token> tokens, Index n = 1) {
    const Index T = Index(tokens.size());
    const Arithmetic arithmetic = claim.arithmetic;
    if (is_emulated(arithmetic))
      return emulated_logits(built.weights, registries.blocks, tokens, arithmetic, T - n);
    if (arithmetic == Arithmetic::real)
      return reference_logits<double>(built.weights, registries.blocks, tokens, T - n);
    Batch batch;
    batch.resize(1, T);
    std::copy(tokens.begin(), tokens.end(), batch.tokens.begin());
    std::fill(batch.targets.begin(), batch.targets.end(), kIgnore);
    std::fill(batch.targets.end() - n, batch.targets.end(), 0);
    std::vector<float> out;
    model.logits(built.weights.values, batch, out);
    return {out.begin(), out.end()};
  }
  /// Least logit(label) - other logit over the asked positions.
  double margin(std::span<const Token> tokens) {
    std::vector<Token> targets(tokens.size());
    task->label(tokens, targets);
    std::size_t first = 0;
    while (targets[first] == kIgnore) ++first;
    const auto C = std::size_t(built.weights.spec.n_classes);
    const std::vector<double> all = logits(tokens, Index(tokens.size() - first));
    double least = INFINITY;
    for (std::size_t t = first; t < tokens.size(); ++t) {
      if (targets[t] == kIgnore) continue;
      const double* row = all.data() + (t - first) * C;
      for (std::size_t c = 0; c < C; ++c)
        if (Token(c) != targets[t]) {
          const double margin = row[targets[t]] - row[c];
          least = std::min(least, std::isnan(margin) ? -double(INFINITY) : margin);
        }
    }
    return least;
  }
  /// Over every instance.
  double least_margin() {
    double least = INFINITY;
    for_each_instance(*task, claim.length, [&](std::span<const Token> tokens) {
      least = std::min(least, margin(tokens));
      return true;
    });
    return least;
  }
};

/// nullptr when nothing is claimed for the request.
inline std::unique_ptr<BuiltCase> build_case(const Catalog& registries, const std::string& name,
                                             const Json& task_config, Index length,
                                             Arithmetic arithmetic = Arithmetic::float32,
                                             const Json& knobs = Json::object()) {
  const auto construction = registries.constructions.make(name, knobs);
  const Json config = registries.tasks.find(construction->task()).resolve(task_config, "");
  const ConstructionRequest request{config, length, arithmetic};
  const auto claim = construction->claim(request);
  if (!claim) return nullptr;
  EXPECT_EQ(claim->task, construction->task());
  EXPECT_EQ(claim->arithmetic, arithmetic);
  EXPECT_FALSE(claim->theorem.empty());
  Built built = construction->build(request, registries.blocks);
  Model model(built.weights.spec, registries.blocks);
  return std::unique_ptr<BuiltCase>(new BuiltCase{registries, *claim,
                                                  registries.tasks.make(claim->task, config),
                                                  std::move(built), std::move(model)});
}

/// Every weight is a number of the claim's arithmetic; the slots tile the width.
inline void expect_well_formed(const BuiltCase& c) {
  for (const float w : c.built.weights.values)
    if (!is_representable(c.claim.arithmetic, double(w))) {
      ADD_FAILURE() << w << " is no " << to_string(c.claim.arithmetic);
      return;
    }
  Index at = 0;
  for (const Slot& slot : c.built.slots) {
    EXPECT_EQ(slot.begin, at) << slot.name;
    EXPECT_GE(slot.width, 1) << slot.name;
    at += slot.width;
  }
  EXPECT_EQ(at, c.built.weights.spec.d_model);
}

}  // namespace separatrix

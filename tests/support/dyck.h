#pragma once

#include <array>
#include <cmath>
#include <optional>
#include <string>

#include <gtest/gtest.h>

#include "separatrix/nn/model.h"
#include "tests/support/registries.h"

// The constructions for bounded Dyck words, and what they compute on one input.

namespace separatrix::dyck {

inline constexpr std::array kComputed = {Arithmetic::float32, Arithmetic::bfloat16,
                                         Arithmetic::float16};

struct Dyck {
  std::string name;
  Index types = 2, depth = 2, length = 2;
  Arithmetic arithmetic = Arithmetic::float32;
};
inline bool recognises(const Dyck& d) { return d.name == "dyck-recogniser"; }
inline std::string text(const Dyck& d) {
  return d.name + " (" + std::to_string(d.types) + "," + std::to_string(d.depth) +
         ") N=" + std::to_string(d.length) + " " + to_string(d.arithmetic);
}

struct Case {
  Claim claim;
  std::unique_ptr<Task> task;
  Weights weights;
};
inline std::optional<Case> make_case(const Catalog& r, const Dyck& d) {
  const Json config = {{"types", d.types},
                       {"depth", d.depth},
                       {"mode", recognises(d) ? "recognition" : "next-token"}};
  const ConstructionRequest request{config, d.length, d.arithmetic};
  const auto construction = r.constructions.make(d.name);
  const auto claim = construction->claim(request);
  if (!claim) return std::nullopt;
  return Case{*claim, r.tasks.make("bounded-dyck", config),
              construction->build(request, r.blocks).weights};
}

/// Least margin over the asked positions of one input, as the claim's arithmetic computes it.
class Program {
 public:
  Program(const Catalog& r, const Case& c) : r_(r), c_(c), model_(c.weights.spec, r.blocks) {}
  double margin(std::span<const Token> tokens) {
    const auto C = std::size_t(c_.weights.spec.n_classes);
    Batch batch;
    batch.resize(1, Index(tokens.size()));
    batch.tokens.assign(tokens.begin(), tokens.end());
    c_.task->label(tokens, batch.targets);
    std::vector<double> logits;
    if (c_.claim.arithmetic == Arithmetic::float32) {
      std::vector<float> asked;
      model_.logits(c_.weights.values, batch, asked);
      logits.assign(asked.begin(), asked.end());
    } else {
      const auto all = emulated_logits(c_.weights, r_.blocks, tokens, c_.claim.arithmetic);
      for (std::size_t t = 0; t < tokens.size(); ++t)
        if (batch.targets[t] != kIgnore)
          logits.insert(logits.end(), all.begin() + Index(t * C), all.begin() + Index(t * C + C));
    }
    double least = INFINITY;
    std::size_t row = 0;
    for (const Token y : batch.targets) {
      if (y == kIgnore) continue;
      for (std::size_t c = 0; c < C; ++c)
        if (c != std::size_t(y))
          least = std::fmin(least, logits[row + std::size_t(y)] - logits[row + c]);
      row += C;
    }
    return least;
  }

 private:
  const Catalog& r_;
  const Case& c_;
  Model model_;
};

struct Methods : Catalog {
  Certificate certify(const Case& c) const {
    return methods.make("prefix-scan")->certify(c.claim, subject(c));
  }
  std::string recheck(const Case& c, const Certificate& certificate) const {
    return separatrix::recheck(certificate, subject(c), methods);
  }
  Subject subject(const Case& c) const { return {*c.task, c.weights, blocks}; }
};

inline double brute_margin(const Catalog& r, const Case& c) {
  Program program(r, c);
  double least = INFINITY;
  for_each_instance(*c.task, c.claim.length, [&](std::span<const Token> tokens) {
    least = std::fmin(least, program.margin(tokens));
    return true;
  });
  return least;
}

/// Every nonzero weight (or every stride-th) with its sign flipped, and halved, and some of the
/// zero ones set: what is proved or refuted must be what running all inputs says.
inline void mutate(const Dyck& dyck, std::size_t stride) {
  const Methods m;
  auto c = make_case(m, dyck);
  ASSERT_TRUE(c);
  c->claim.margin = 0;
  Index proved = 0, wrong = 0;
  for (std::size_t i = 0; i < c->weights.values.size(); ++i) {
    const float old = c->weights.values[i];
    if (i % (old == 0 ? 10 * stride : stride) != 0) continue;
    for (const float now : {old == 0 ? 1.0F : -old, old == 0 ? -0.25F : old / 2}) {
      c->weights.values[i] = now;
      const Certificate verdict = m.certify(*c);
      const double brute = brute_margin(m, *c);
      wrong += brute <= 0;
      const std::string what = text(dyck) + " weight " + std::to_string(i);
      EXPECT_NE(verdict.verdict, brute > 0 ? Verdict::refuted : Verdict::proved) << what;
      if (verdict.verdict == Verdict::proved) {
        ++proved;
        EXPECT_LE(verdict.margin, brute) << what;
      }
      if (verdict.verdict != Verdict::undecided) {
        EXPECT_EQ(m.recheck(*c, verdict), "") << what;
      }
    }
    c->weights.values[i] = old;
  }
  EXPECT_GT(proved, 0) << text(dyck);
  EXPECT_GT(wrong, 0) << text(dyck);
}

}  // namespace separatrix::dyck

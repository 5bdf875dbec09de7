#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

#include "tests/support/models.h"
#include "tests/support/registries.h"

// The separable method against all inputs: random models that look sharply or not, in every
// arithmetic, with the query on either side.

namespace separatrix {
namespace {

struct Instance {
  std::unique_ptr<Task> task;
  Weights weights;
  Claim claim;
};

/// Weights at random, pulled towards what a trained model does by `sharpness`: queries look at
/// their position, symbols vote for themselves.
Instance draw(const Catalog& f, Rng& rng, double sharpness) {
  const Index q = 2 + rng.below(2), n = 1 + rng.below(4);
  const Json config = {{"alphabet", q}, {"query", rng.below(4) > 0 ? "last" : "first"}};
  Instance out;
  out.task = f.tasks.make("index-lookup", config);
  ModelSpec spec;
  spec.vocab_size = q + n;
  spec.n_classes = q;
  spec.d_model = 2 * n + q;
  spec.max_length = n + 1;
  spec.norm = "none";
  spec.layers = {{.block = "attention",
                  .config = {{"d_head", n + rng.below(2)},
                             {"d_value", q},
                             {"scale", rng.coin() ? "none" : "sqrt"}},
                  .residual = rng.coin()}};
  out.weights = test::random_weights(resolve(spec, f.blocks), f.blocks, rng);
  const Index D = spec.d_model, dk = out.weights.spec.layers[0].config.at("d_head");
  const auto w = [&](const char* name) { return out.weights[name]; };
  const bool first = config.at("query") == "first";
  for (Index p = 0; p < n; ++p) {
    const Index asked = n + q + p;
    w("positions")[std::size_t((p + (first ? 1 : 0)) * D + p)] += float(sharpness);
    w("layers.0.attention.k")[std::size_t(p * dk + p)] += float(sharpness);
    if (!first) w("embedding")[std::size_t((q + p) * D + asked)] += float(sharpness);
    w("layers.0.attention.q")[std::size_t(asked * dk + p)] += float(sharpness);
  }
  for (Index s = 0; s < q; ++s) {
    w("embedding")[std::size_t(s * D + n + s)] += float(sharpness);
    w("layers.0.attention.v")[std::size_t((n + s) * q + s)] += float(sharpness);
    w("layers.0.attention.o")[std::size_t(s * D + n + s)] += float(sharpness);
    w("head")[std::size_t((n + s) * q + s)] += float(sharpness);
  }
  out.claim = {"index-lookup", config, n, 0, Arithmetic::real, "none"};
  return out;
}

/// Least margin over all inputs, written plainly in each arithmetic.
double brute_margin(const Catalog& f, const Instance& x, Arithmetic arithmetic) {
  double least = INFINITY;
  Model model(x.weights.spec, f.blocks);
  for_each_instance(*x.task, x.claim.length, [&](std::span<const Token> tokens) {
    Batch batch;
    batch.resize(1, Index(tokens.size()));
    batch.tokens.assign(tokens.begin(), tokens.end());
    x.task->label(tokens, batch.targets);
    std::vector<double> logits;
    if (arithmetic == Arithmetic::float32) {
      std::vector<float> floats;
      model.logits(x.weights.values, batch, floats);
      logits.assign(floats.begin(), floats.end());
    } else if (arithmetic == Arithmetic::real) {
      logits = reference_logits<double>(x.weights, f.blocks, tokens, batch.T - 1);
    } else {
      logits = emulated_logits(x.weights, f.blocks, tokens, arithmetic, batch.T - 1);
    }
    const auto y = std::size_t(batch.targets.back());
    for (std::size_t c = 0; c < logits.size(); ++c)
      if (c != y) least = std::min(least, logits[y] - logits[c]);
    return true;
  });
  return least;
}

TEST(Separable, IsTheExactMinimumOfRandomModels) {
  const Catalog f;
  const auto method = f.methods.make("separable");
  Rng rng(1);
  Index proved = 0, refuted = 0;
  for (int i = 0; i < 200; ++i) {
    const Instance x = draw(f, rng, 0.5 + 3 * rng.uniform());
    const Subject subject{*x.task, x.weights, f.blocks};
    const double brute = brute_margin(f, x, Arithmetic::real);
    const Certificate c = method->certify(x.claim, subject);
    ASSERT_EQ(c.verdict, brute > 0 ? Verdict::proved : Verdict::refuted) << i << " " << brute;
    EXPECT_EQ(method->recheck(c, subject), "") << i;
    const double tolerance = 1e-9 * (1 + std::fabs(brute));
    if (c.verdict == Verdict::proved) {
      EXPECT_NEAR(c.margin, brute, tolerance);
      EXPECT_NEAR(double(c.evidence.at("exact_margin")), brute, tolerance);
      ++proved;
    } else {
      EXPECT_NEAR(c.margin, brute, 1e-4 * (1 + std::fabs(brute))) << "not the worst input";
      ++refuted;
    }
    // A claim of a little more than the least margin is refuted, too.
    Claim more = x.claim;
    more.margin = brute + 1e-3 * (1 + std::fabs(brute));
    EXPECT_EQ(method->certify(more, subject).verdict, Verdict::refuted);
  }
  EXPECT_GT(proved, 30);
  EXPECT_GT(refuted, 30);
}

TEST(Separable, IsSoundInEveryArithmetic) {
  const Catalog f;
  const auto method = f.methods.make("separable");
  for (const Arithmetic arithmetic :
       {Arithmetic::float32, Arithmetic::bfloat16, Arithmetic::float16}) {
    Rng rng(2);
    Index proved = 0, refuted = 0;
    for (int i = 0; i < 60; ++i) {
      Instance x = draw(f, rng, 0.5 + 3 * rng.uniform());
      x.claim.arithmetic = arithmetic;
      const Subject subject{*x.task, x.weights, f.blocks};
      const double brute = brute_margin(f, x, arithmetic);
      const Certificate c = method->certify(x.claim, subject);
      ASSERT_NE(c.verdict, brute > 0 ? Verdict::refuted : Verdict::proved) << i << " " << brute;
      if (c.verdict == Verdict::undecided) continue;
      EXPECT_EQ(method->recheck(c, subject), "") << i << to_string(arithmetic);
      ++(c.verdict == Verdict::proved ? proved : refuted);
      if (c.verdict == Verdict::proved) {
        EXPECT_LE(c.margin, brute);
        if (arithmetic == Arithmetic::float32) {
          EXPECT_GE(c.margin, brute - 1e-3 * (1 + brute));
        }
      }
    }
    EXPECT_GT(proved, 8) << to_string(arithmetic);
    EXPECT_GT(refuted, 8) << to_string(arithmetic);
  }
}

TEST(Separable, RecheckRejectsWhatWasChanged) {
  const Catalog f;
  const auto method = f.methods.make("separable");
  Rng rng(3);
  Index tried = 0;
  for (int i = 0; i < 60 && tried < 10; ++i) {
    Instance x = draw(f, rng, 3);
    for (const Arithmetic arithmetic : kArithmetics) {
      x.claim.arithmetic = arithmetic;
      const Subject subject{*x.task, x.weights, f.blocks};
      const Certificate good = method->certify(x.claim, subject);
      if (good.verdict != Verdict::proved || x.claim.length < 2) continue;
      ++tried;
      ASSERT_EQ(method->recheck(good, subject), "");
      Certificate more = good;
      more.margin += 1e-3 * (1 + more.margin) + (is_emulated(arithmetic) ? 3 * more.margin : 0);
      EXPECT_NE(method->recheck(more, subject), "") << to_string(arithmetic);
      Certificate elsewhere = good;
      elsewhere.evidence["position"][0] = 1;
      EXPECT_NE(method->recheck(elsewhere, subject), "");
      Certificate other_side = good;
      other_side.evidence["query_first"] = !bool(good.evidence.at("query_first"));
      EXPECT_NE(method->recheck(other_side, subject), "");
      Certificate claims_more = good;
      claims_more.claim.margin = good.margin * 1.01 + 0.1;
      EXPECT_NE(method->recheck(claims_more, subject), "");
      Certificate empty = good;
      empty.evidence = Json::object();
      EXPECT_NE(method->recheck(empty, subject), "");
    }
  }
  EXPECT_GE(tried, 10);
}

TEST(Separable, ResultsDoNotDependOnThreads) {
  const Catalog f;
  const auto method = f.methods.make("separable");
  Rng rng(4);
  for (int i = 0; i < 20; ++i) {
    const Instance x = draw(f, rng, 2 * rng.uniform());
    const Certificate one = method->certify(x.claim, {*x.task, x.weights, f.blocks, 1});
    const Certificate three = method->certify(x.claim, {*x.task, x.weights, f.blocks, 3});
    EXPECT_EQ(to_json(one), to_json(three));
  }
}

TEST(Separable, OtherModelsAndTasksAreUndecidedWithTheReason) {
  const Catalog f;
  const auto method = f.methods.make("separable");
  Rng rng(5);
  Instance x = draw(f, rng, 1);
  ModelSpec two_heads = x.weights.spec;
  two_heads.layers[0].config["n_heads"] = 2;
  Instance heads{nullptr, test::random_weights(two_heads, f.blocks, rng), x.claim};
  const Certificate c = method->certify(x.claim, {*x.task, heads.weights, f.blocks});
  EXPECT_EQ(c.verdict, Verdict::undecided);
  EXPECT_NE(c.reason.find("one head"), std::string::npos);
  for (float& w : x.weights["head"]) w = 1e30F;
  for (const Arithmetic arithmetic : {Arithmetic::float32, Arithmetic::bfloat16}) {
    x.claim.arithmetic = arithmetic;
    EXPECT_NE(method->certify(x.claim, {*x.task, x.weights, f.blocks}).verdict, Verdict::proved);
  }
}

}  // namespace
}  // namespace separatrix

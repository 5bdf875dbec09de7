#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

#include <gtest/gtest.h>

#include "separatrix/proofs/intervals.h"
#include "separatrix/proofs/intervals_recheck_network.h"
#include "tests/support/models.h"
#include "tests/support/registries.h"
#include "tests/support/small_models.h"

// The recheck of intervals: its network against the plain reference and against MPFR, and what it
// says of certificates that are not true.

namespace separatrix {
namespace {

namespace box = intervals_recheck;
using box::Real;

struct Fixture : Catalog {
  const std::unique_ptr<Task> task = tasks.make("index-lookup", {{"alphabet", 2}});
  const std::unique_ptr<CertificateMethod> method = methods.make("intervals");
  static Claim claim(Index n) {
    return {"index-lookup", {{"alphabet", 2}}, n, 0, Arithmetic::real, "none"};
  }
  /// Least margin of all inputs.
  double least_margin(const Weights& weights, Index n) const {
    double least = INFINITY;
    std::vector<Token> targets(std::size_t(n) + 1);
    for_each_instance(*task, n, [&](std::span<const Token> tokens) {
      task->label(tokens, targets);
      least = std::min(least, test::margin_of(reference_logits<double>(weights, blocks, tokens, n),
                                              targets.back()));
      return true;
    });
    return least;
  }
};

/// Every choice that a block's config offers.
std::vector<LayerSpec> every_layer() {
  using test::layer_of;
  return {layer_of("attention"),
          layer_of("attention", {{"n_heads", 2}, {"causal", false}, {"scale", "none"}}),
          layer_of("attention", {{"n_heads", 2}, {"d_head", 5}, {"d_value", 4}}, false),
          layer_of("mlp"),
          layer_of("mlp", {{"activation", "relu"}, {"d_ff", 9}}),
          layer_of("mlp", {{"activation", "swiglu"}}, false),
          layer_of("mlp", {{"activation", "relu"}, {"bias", false}}),
          layer_of("mlp", {{"activation", "swiglu"}, {"bias", false}}),
          layer_of("lstm"),
          layer_of("lstm", {{"forget_bias", 0.7}}, false),
          layer_of("rnn"),
          layer_of("rnn", {{"activation", "relu"}}, false),
          layer_of("rnn", {{"state_format", "bit"}}, false),
          layer_of("rnn", {{"activation", "relu"}, {"state_format", "bit"}})};
}

/// `count` models of one to three layers, from every block, norm and kind of positions.
template <class Visit>
void for_each_model(const Fixture& f, Rng& rng, int count, const Visit& visit) {
  const auto layers = every_layer();
  const auto any = [&] { return layers[std::size_t(rng.below(Index(layers.size())))]; };
  for (int i = 0; i < count; ++i) {
    std::vector<LayerSpec> chosen{layers[std::size_t(i) % layers.size()]};
    for (Index more = rng.below(3); more > 0; --more) chosen.insert(chosen.begin(), any());
    const char* const norms[] = {"none", "layer", "rms"};
    ModelSpec spec = test::small_lookup_model(norms[rng.below(3)], chosen, 3, 3);
    if (rng.below(4) == 0) spec.positions = "none";
    visit(test::random_weights(resolve(spec, f.blocks), f.blocks, rng));
  }
}

TEST(IntervalsRecheck, NothingIsProvedOfABlockItDoesNotKnow) {
  const Fixture f;
  Rng rng(1);
  for (const auto& entry : f.blocks.entries())
    for (const Json& config : {Json::object(), Json({{"state_format", "int4"}})}) {
      const bool formats = std::any_of(entry.parameters.begin(), entry.parameters.end(),
                                       [](const Json& p) { return p["name"] == "state_format"; });
      if (!config.empty() && !formats) continue;
      const LayerSpec layer = test::layer_of(entry.name.c_str(), config);
      const auto spec = resolve(test::small_lookup_model("none", {layer}, 3, 3), f.blocks);
      const Weights weights = test::random_weights(spec, f.blocks, rng);
      const bool known = box::is_known(spec.layers[0]);
      EXPECT_EQ(box::Network(weights).unknown_block(), known ? "" : entry.name);
      const bool written = contains_name({"attention", "mlp", "lstm", "rnn"}, entry.name);
      EXPECT_EQ(known, written && config.empty()) << entry.name;
      if (known) continue;
      const auto c = f.method->certify(Fixture::claim(2), {*f.task, weights, f.blocks});
      EXPECT_NE(c.verdict, Verdict::proved) << entry.name;
    }
}

TEST(IntervalsRecheck, ABoxContainsEveryInputOfIt) {
  const Fixture f;
  Rng rng(2);
  for_each_model(f, rng, 70, [&](const Weights& weights) {
    const box::Network network(weights);
    const BoxModel intervals(weights, f.blocks);
    box::Tokens tokens(4);
    for (auto& set : tokens)
      for (Token s = 0; s < 6; ++s)
        if (set.empty() || rng.below(4) == 0) set.push_back(s);
    const Token y = Token(rng.below(3));
    const auto all = network.margin(tokens, y);
    const std::string what = write_model_spec(weights.spec).dump();
    for (int k = 0; k < 6; ++k) {
      std::vector<Token> input;
      box::Tokens point;
      for (const auto& set : tokens) {
        input.push_back(set[std::size_t(rng.below(Index(set.size())))]);
        point.push_back({input.back()});
      }
      const auto one = network.margin(point, y);
      // Both hold the real number; of one input, more sharply than MPFR with doubles has it.
      EXPECT_LE(all.lower, one.upper) << what;
      EXPECT_GE(all.upper, one.lower) << what;
      const auto exact = intervals.margin(point, y);
      EXPECT_LE(one.lower, exact.upper) << what;
      EXPECT_GE(one.upper, exact.lower) << what;
      EXPECT_LE(one.upper - one.lower, Real(exact.upper) - Real(exact.lower)) << what;
      const double plain =
          test::margin_of(reference_logits<double>(weights, f.blocks, input, 3), y);
      EXPECT_NEAR(plain, double(one.lower), 1e-9 * (1 + std::fabs(plain))) << what;
      EXPECT_GE(plain, all.lower - 1e-9 * (1 + std::fabs(plain))) << what;
      EXPECT_LE(plain, all.upper + 1e-9 * (1 + std::fabs(plain))) << what;
    }
    // Forms may only help: the boxes are no wider than the search's.
    const auto plain = intervals.margin(tokens, y);
    EXPECT_GE(all.lower, plain.lower - 1e-9 * (1 + std::fabs(plain.lower))) << what;
    EXPECT_EQ(all.split < 0, false);
  });
}

/// The last row before the head, for one input: the logits under the identity.
std::vector<double> features_of(const Fixture& f, const Weights& weights,
                                std::span<const Token> tokens) {
  ModelSpec spec = weights.spec;
  spec.n_classes = spec.d_model;
  Weights reading = zeros(spec, f.blocks);
  for (const ParamSpec& param : weights.params)
    if (!param.name.starts_with("head"))
      std::ranges::copy(weights[param.name], reading[param.name].begin());
  for (Index d = 0; d < spec.d_model; ++d) reading["head"][std::size_t(d * spec.d_model + d)] = 1;
  return reference_logits<double>(reading, f.blocks, tokens, Index(tokens.size()) - 1);
}

/// A random model whose head a perceptron has made right on all inputs of two symbols and two
/// positions, and its proof. Random bodies on which that does not go are thrown away.
std::optional<std::pair<Weights, Certificate>> proved_model(const Fixture& f, const ModelSpec& spec,
                                                            Rng& rng) {
  for (int tries = 0; tries < 60; ++tries) {
    Weights weights = test::random_weights(resolve(spec, f.blocks), f.blocks, rng);
    std::vector<std::pair<std::vector<double>, int>> examples;
    std::vector<Token> targets(3);
    for_each_instance(*f.task, 2, [&](std::span<const Token> tokens) {
      f.task->label(tokens, targets);
      examples.emplace_back(features_of(f, weights, tokens), targets.back() == 1 ? 1 : -1);
      examples.back().first.push_back(1);
      return true;
    });
    std::vector<double> w(examples.front().first.size(), 0.0);
    for (int epoch = 0; epoch < 3000; ++epoch)
      for (const auto& [x, sign] : examples) {
        const double z = std::inner_product(x.begin(), x.end(), w.begin(), 0.0);
        for (std::size_t d = 0; d < w.size() && sign * z < 1; ++d) w[d] += 0.3 * sign * x[d];
      }
    for (std::size_t d = 0; d + 1 < w.size(); ++d) {
      weights["head"][2 * d] = 0;
      weights["head"][2 * d + 1] = float(w[d]);
    }
    weights["head_bias"][0] = 0;
    weights["head_bias"][1] = float(w.back());
    Certificate c = f.method->certify(Fixture::claim(2), {*f.task, weights, f.blocks});
    if (c.verdict == Verdict::proved) return std::pair{std::move(weights), std::move(c)};
  }
  return std::nullopt;
}

TEST(IntervalsRecheck, AcceptsWhatIsProvedAndNothingThatIsFalse) {
  const Fixture f;
  Rng rng(3);
  Index proved = 0, accepted = 0, rejected = 0, false_claims = 0;
  for (const ModelSpec& spec : test::small_models_of_every_kind(2, 2)) {
    auto found = proved_model(f, spec, rng);
    if (!found) continue;
    ++proved;
    auto& [weights, proof] = *found;
    const Subject subject{*f.task, weights, f.blocks};
    EXPECT_EQ(f.method->recheck(proof, subject), "");
    EXPECT_EQ(recheck(proof, subject, f.methods), "");
    // Other weights under the same proof, their hash in it: right only where all inputs say so.
    for (int round = 0; round < 90; ++round) {
      Weights other = weights;
      const auto at = std::size_t(rng.below(Index(other.values.size())));
      float& w = other.values[at];
      if (round % 3 == 0) w = -w;
      if (round % 3 == 1) w = 0;
      if (round % 3 == 2) w *= float(1 + std::ldexp(rng.uniform() - 0.5, -int(rng.below(24))));
      if (w == weights.values[at]) continue;
      const Subject changed{*f.task, other, f.blocks};
      EXPECT_EQ(recheck(proof, changed, f.methods), "the certificate speaks of other weights");
      Certificate claimed = proof;
      claimed.weights_sha256 = weights_sha256(other);
      const double least = f.least_margin(other, 2);
      if (round % 4 == 1) claimed.margin = std::max(least, 0.0) + 1e-9;
      const bool valid = recheck(claimed, changed, f.methods).empty();
      ++(valid ? accepted : rejected);
      if (least < claimed.margin - 1e-12) {
        ++false_claims;
        EXPECT_FALSE(valid) << least << " " << claimed.margin;
      }
      // At this size further splits go down to single inputs, so that nothing true is refused.
      if (least > claimed.margin + 1e-12) {
        EXPECT_TRUE(valid) << least << " " << claimed.margin;
      }
    }
  }
  EXPECT_GE(proved, 3);
  EXPECT_GT(accepted, 50);
  EXPECT_GT(rejected, 100);
  EXPECT_GT(false_claims, 100);
}

TEST(IntervalsRecheck, RejectsWhatTheCertificateDoesNotShow) {
  const Fixture f;
  Rng rng(4);
  const auto found = proved_model(f, test::small_models_of_every_kind(2, 2).front(), rng);
  ASSERT_TRUE(found);
  const auto& [weights, proof] = *found;
  const Subject subject{*f.task, weights, f.blocks};
  const auto verdict = [&](const auto& change) {
    Certificate c = proof;
    change(c);
    return f.method->recheck(c, subject);
  };
  ASSERT_EQ(verdict([](Certificate&) {}), "");
  EXPECT_EQ(verdict([](Certificate& c) { c.claim.arithmetic = Arithmetic::float32; }),
            "it speaks of real numbers only");
  EXPECT_EQ(verdict([](Certificate& c) { c.claim.margin = 2 * c.margin; }),
            "the margin is less than claimed");
  EXPECT_EQ(verdict([](Certificate& c) { c.margin = NAN; }), "the margin is less than claimed");
  EXPECT_EQ(verdict([](Certificate& c) { c.inputs = "9"; }), "the number of inputs is another");
  EXPECT_EQ(verdict([](Certificate& c) { c.evidence.erase("trees"); }),
            "the evidence has not a tree for each query and symbol");
  EXPECT_EQ(verdict([](Certificate& c) { c.evidence["trees"].erase(1); }),
            "the evidence has not a tree for each query and symbol");
  const auto with_tree = [&](const char* tree, const Json& order = {0, 1, 2}) {
    return verdict([&](Certificate& c) {
      c.evidence["trees"][1] = {{"order", order}, {"tree", tree}};
    });
  };
  // A leaf is missing after a split, or there is one too many.
  const Json split = proof.evidence.at("trees")[1].at("order");
  EXPECT_EQ(with_tree("0", split), "a tree is too short");
  EXPECT_EQ(with_tree("01", split), "a tree is too short");
  EXPECT_EQ(with_tree("011", split), "");
  EXPECT_EQ(with_tree("0111", split), "a tree is too long");
  EXPECT_EQ(with_tree("", split), "a tree is too short");
  EXPECT_EQ(with_tree("2", split), "a tree has a sign that is neither 0 nor 1");
  EXPECT_EQ(with_tree("0", {3}), "a tree splits at no position");
  EXPECT_EQ(with_tree("0", {-1}), "a tree splits at no position");
  EXPECT_EQ(with_tree("0", Json::array()), "a tree splits at no position");
  EXPECT_EQ(with_tree("1", {"a"}), "a tree is missing");
  // The margin that it names is above that of some input.
  const double least = f.least_margin(weights, 2);
  const auto wrong = verdict([&](Certificate& c) { c.margin = least + 1e-9; });
  EXPECT_TRUE(wrong == "an input does not keep the margin" ||
              wrong == "no input of a box keeps the margin")
      << wrong;
  EXPECT_EQ(verdict([&](Certificate& c) { c.margin = least - 1e-9; }), "");
}

/// A margin above what the evaluation of whole boxes gives is reached by splitting further.
TEST(IntervalsRecheck, SplitsFurtherWhereItMust) {
  const Fixture f;
  Rng rng(5);
  Index split = 0;
  for (const ModelSpec& spec : test::small_models_of_every_kind(2, 2)) {
    const auto found = proved_model(f, spec, rng);
    if (!found) continue;
    const auto& [weights, proof] = *found;
    Certificate sharp = proof;
    for (auto& tree : sharp.evidence["trees"]) tree["tree"] = "1";
    sharp.margin = f.least_margin(weights, 2) - 1e-12;
    const box::Network network(weights);
    for (Token p = 0; p < 2; ++p)
      for (Token s = 0; s < 2; ++s) {
        box::Tokens whole{{0, 1}, {0, 1}, {2 + p}};
        whole[std::size_t(p)] = {s};
        split += network.margin(whole, s).lower < sharp.margin ? 1 : 0;
      }
    const Subject subject{*f.task, weights, f.blocks};
    EXPECT_EQ(f.method->recheck(sharp, subject), "");
    sharp.margin += 2e-12;
    EXPECT_NE(f.method->recheck(sharp, subject), "");
  }
  EXPECT_GT(split, 3);
}

}  // namespace
}  // namespace separatrix

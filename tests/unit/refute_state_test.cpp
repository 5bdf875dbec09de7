// What the attacks know of a model's state is what inference computes.

#include <gtest/gtest.h>

#include "separatrix/refute/one_layer_state.h"
#include "separatrix/refute/prefix_state.h"
#include "separatrix/refute/prefixes.h"
#include "separatrix/refute/suffixes.h"
#include "tests/support/refute_models.h"
#include "tests/support/tolerance.h"

namespace separatrix::test {
namespace {

ModelSpec spec_of(std::vector<LayerSpec> layers, const std::string& norm,
                  const std::string& positions) {
  ModelSpec spec;
  spec.vocab_size = 5;
  spec.n_classes = 4;
  spec.d_model = 6;
  spec.max_length = 12;
  spec.norm = norm;
  spec.positions = positions;
  spec.layers = std::move(layers);
  return spec;
}

TEST(StateRunner, LogitsAreThoseOfTheModel) {
  const auto blocks = all_blocks();
  Rng rng(3);
  const std::vector<ModelSpec> specs = {
      spec_of({{"lstm", Json::object(), false}, {"lstm", Json::object(), true}}, "none", "none"),
      spec_of({{"rnn", Json::object(), true}, {"mlp", Json::object(), true}}, "layer", "learned"),
      spec_of({{"mlp", Json::object(), true}, {"rnn", {{"activation", "relu"}}, false}}, "rms",
              "none")};
  for (const ModelSpec& spec : specs) {
    const Weights weights = random_weights(resolve(spec, blocks), blocks, rng);
    Batch batch = random_batch(spec, 3, 12, 1, rng);
    std::vector<float> expected;
    Model(spec, blocks).logits(weights.values, batch, expected);
    StateRunner runner(weights, blocks);
    EXPECT_EQ(runner.bits(), state_bits(spec, blocks));
    const float* row = expected.data();
    for (Index b = 0; b < batch.B; ++b) {
      std::vector<float> state(std::size_t(runner.size()), 0.0F);
      for (Index t = 0; t < batch.T; ++t) {
        runner.read(batch.row(b)[std::size_t(t)], t, state.data());
        for (const float logit : runner.logits())
          ASSERT_NEAR(double(logit), double(*row++), float_tolerance(4 * 6 * 12, 4));
      }
    }
  }
}

TEST(RecurrentState, OfEditsIsThatOfTheEditedPrefixBitForBit) {
  const auto blocks = all_blocks();
  const auto task = all_tasks().make("string-equality");
  Rng rng(4);
  const Weights weights =
      random_weights(recurrent_spec(task->info(12), "lstm", Json::object(), 5), blocks, rng);
  const Target target{*task, 12, weights, blocks};
  RecurrentState states(target);
  const Prefixes prefixes(target, 1, 8);
  Tokens prefix = prefixes.instance(0);
  prefix.resize(8);
  const std::vector<Edit> edits = prefixes.edits(prefix, 8, 100, rng);
  ASSERT_EQ(edits.size(), 8U);
  const auto n = std::size_t(states.size());
  std::vector<float> all(edits.size() * n), one(n);
  states.after_edits(prefix, edits, all.data());
  for (std::size_t e = 0; e < edits.size(); ++e) {
    Tokens edited = prefix;
    edited[std::size_t(edits[e].position)] = edits[e].token;
    states.after(edited, one.data());
    EXPECT_EQ(one, std::vector<float>(all.begin() + Index(e * n), all.begin() + Index(e * n + n)));
    EXPECT_EQ(distance(one, {all.data() + e * n, n}), 0);
  }
}

/// Attention alone, its output read off by an identity head: the summary of all tokens is the
/// logits.
TEST(OneLayerState, OfAWholeInputIsTheAttentionsOutput) {
  const auto blocks = all_blocks();
  const auto task = all_tasks().make("string-equality");
  const Index N = 8, n = N + 1, D = 6;
  Rng rng(5);
  ModelSpec spec;
  spec.vocab_size = 3;
  spec.n_classes = D;
  spec.d_model = D;
  spec.max_length = n;
  spec.layers = {{"attention", {{"n_heads", 2}, {"d_value", 3}, {"d_head", 4}}, false}};
  spec.norm = "none";
  Weights weights = random_weights(resolve(spec, blocks), blocks, rng);
  for (const char* identity : {"layers.0.attention.o", "head"})
    for (Index i = 0; i < D; ++i)
      for (Index j = 0; j < D; ++j) weights[identity][std::size_t(i * D + j)] = i == j ? 1 : 0;
  for (float& bias : weights["head_bias"]) bias = 0;

  const Target target{*task, N, weights, blocks};
  ASSERT_EQ(OneLayerState::why_not(target), "");
  OneLayerState states(target, n, /*last=*/2);
  Batch batch = random_batch(spec, 1, n, 0, rng);
  for (Token& token : batch.tokens) token = Token(rng.below(2));
  batch.tokens.back() = 2;
  batch.targets.back() = 0;
  std::vector<float> logits, summary(std::size_t(states.size()));
  Model(weights.spec, blocks).logits(weights.values, batch, logits);
  states.after(batch.tokens, summary.data());
  for (Index h = 0; h < 2; ++h)
    for (Index i = 0; i < 3; ++i)
      EXPECT_NEAR(double(summary[std::size_t(h * 4 + 1 + i)]),
                  double(logits[std::size_t(h * 3 + i)]), float_tolerance(n * D, 4));

  // Log-sum-exp: the weight of the last token is e^(s - lse), and s is the lse of it alone.
  const auto prefix = std::span<const Token>(batch.tokens).first(std::size_t(N));
  std::vector<float> before(summary.size());
  OneLayerState(target, N, 2).after(prefix, before.data());
  for (Index h = 0; h < 2; ++h) {
    const auto at = std::size_t(h * 4);
    EXPECT_LT(before[at], summary[at]);  // a position more
  }
}

/// It forms scores and values itself, so an attention that does more than that is not for it.
TEST(OneLayerState, RefusesOptionsThatItDoesNotKnow) {
  const auto blocks = all_blocks();
  const auto task = all_tasks().make("string-equality");
  ModelSpec spec;
  spec.vocab_size = 3;
  spec.n_classes = 2;
  spec.d_model = 8;
  spec.max_length = 9;
  const auto why_not = [&](Json config) {
    config["n_heads"] = 2;
    spec.layers = {{"attention", config, true}};
    const Weights weights = zeros(resolve(spec, blocks), blocks);
    return OneLayerState::why_not({*task, 8, weights, blocks});
  };
  EXPECT_EQ(why_not(Json::object()), "");
  for (const Json& option : {Json{{"positions", "rotary"}}, Json{{"positions", "alibi"}},
                             Json{{"n_kv_heads", 1}}, Json{{"window", 3}}})
    EXPECT_NE(why_not(option).find("its attention has"), std::string::npos) << option;
}

TEST(Suffixes, TellPrefixesApartInEveryTask) {
  const auto blocks = all_blocks();
  const Registry<Task> tasks = all_tasks();
  for (const std::string& name : tasks.names()) {
    std::unique_ptr<Task> task;
    Index length = 12;
    try {
      task = tasks.make(name);
      task->check_length(length);
    } catch (const Error&) {
      continue;  // needs a file, or another length: it has tests of its own
    }
    if (name == "mqar") continue;  // 8 192 symbols: too many edits for a fast test
    Rng rng(6);
    const Weights weights =
        random_weights(recurrent_spec(task->info(length), "rnn", Json::object(), 2), blocks, rng);
    const Target target{*task, length, weights, blocks};
    const std::vector<Index> cuts = choose_cuts(target, 0);
    ASSERT_FALSE(cuts.empty()) << name;
    const Index cut = cuts.front();
    const Prefixes prefixes(target, 0, cut);
    const Suffixes suffixes(target, cut);
    int found = 0;
    for (std::uint64_t i = 0; i < 20; ++i) {
      const Tokens a = prefixes.instance(2 * i), b = prefixes.instance(2 * i + 1);
      PrefixPair pair{{a.begin(), a.begin() + cut}, {b.begin(), b.begin() + cut}, {}, 0};
      pair.hints = {Tokens(a.begin() + cut, a.end()), Tokens(b.begin() + cut, b.end())};
      for (const Tokens& w : suffixes.find(pair, 8)) {
        ++found;
        Tokens uw = pair.u, vw = pair.v;
        uw.insert(uw.end(), w.begin(), w.end());
        vw.insert(vw.end(), w.begin(), w.end());
        EXPECT_TRUE(is_instance(*task, length, uw)) << name;
        EXPECT_TRUE(is_instance(*task, length, vw)) << name;
        Tokens x(uw.size()), y(uw.size());
        task->label(uw, x);
        task->label(vw, y);
        EXPECT_FALSE(std::equal(x.begin() + cut, x.end(), y.begin() + cut)) << name;
      }
    }
    EXPECT_GT(found, 0) << name << " cut after " << cut;
  }
}

}  // namespace
}  // namespace separatrix::test

// Every attack alone against a model made for it; what is found is checked without their code.

#include <chrono>

#include <gtest/gtest.h>

#include "separatrix/proofs/construction.h"
#include "tests/support/constructions.h"
#include "tests/support/refute_models.h"

namespace separatrix::test {
namespace {

using Tokens = std::vector<Token>;

/// The wrong answer is one: by one run of the model on that input alone, and by the task.
void expect_wrong(const Target& target, const Refutation& found) {
  const Task& task = target.task;
  ASSERT_EQ(Index(found.tokens.size()), task.info(target.length).n_tokens);
  for (std::size_t t = 0; t < found.tokens.size(); ++t) {
    const auto legal = task.legal_next(std::span(found.tokens).first(t), target.length);
    EXPECT_TRUE(std::binary_search(legal.begin(), legal.end(), found.tokens[t])) << "no instance";
  }
  Batch batch;
  batch.resize(1, Index(found.tokens.size()));
  batch.tokens = found.tokens;
  task.label(batch.tokens, batch.targets);
  EXPECT_EQ(batch.targets[std::size_t(found.position)], found.expected);
  for (std::size_t t = 0; t < batch.targets.size(); ++t)
    if (Index(t) != found.position) batch.targets[t] = kIgnore;
  std::vector<float> logits;
  Model(target.weights.spec, target.blocks).logits(target.weights.values, batch, logits);
  EXPECT_EQ(Token(std::max_element(logits.begin(), logits.end()) - logits.begin()), found.given);
  EXPECT_NE(found.given, found.expected);
}

/// One side of the pair begins the input, and the other, continued alike, has another label.
void expect_pair(const Target& target, const Refutation& found) {
  ASSERT_TRUE(found.prefix_pair);
  ASSERT_TRUE(found.state_distance);
  const auto& [u, v] = *found.prefix_pair;
  ASSERT_EQ(u.size(), v.size());
  const bool is_u = std::equal(u.begin(), u.end(), found.tokens.begin());
  ASSERT_TRUE(is_u || std::equal(v.begin(), v.end(), found.tokens.begin()));
  const Tokens& other = is_u ? v : u;
  Tokens twin = found.tokens;
  std::copy(other.begin(), other.end(), twin.begin());
  Tokens targets(twin.size()), own(twin.size());
  target.task.label(twin, targets);
  target.task.label(found.tokens, own);
  const auto cut = Index(u.size());
  EXPECT_FALSE(std::equal(own.begin() + cut, own.end(), targets.begin() + cut));
}

class Attacks : public testing::Test {
 protected:
  /// Also holds the same search on three threads equal.
  AttackResult run(const std::string& method, const Target& target,
                   const Json& config = Json::object()) {
    const auto attack = attacks_.make(method, config);
    const AttackResult one = attack->run(target, {.seed = 1, .threads = 1});
    const AttackResult three = attack->run(target, {.seed = 1, .threads = 3});
    EXPECT_EQ(one.found.has_value(), three.found.has_value());
    if (one.found && three.found) {
      EXPECT_EQ(one.found->tokens, three.found->tokens);
      EXPECT_EQ(one.found->prefix_pair, three.found->prefix_pair);
      EXPECT_EQ(one.found->method, method);
    }
    return one;
  }

  Registry<Task> tasks_ = all_tasks();
  Registry<Block> blocks_ = all_blocks();
  Registry<Attack> attacks_ = all_attacks();
  Rng rng_{11};
};

TEST_F(Attacks, ForgettingFindsTheForgottenSymbol) {
  const auto task = tasks_.make("string-equality");
  // Halves the state at each step: after 30 steps the first symbol is gone from 24 bits.
  const Weights weights = orthogonal_rnn(task->info(80), 8, "tanh", 0.5, blocks_, rng_);
  const Target target{*task, 80, weights, blocks_};
  const AttackResult result = run("forgetting", target);
  ASSERT_TRUE(result.found) << result.effort;
  expect_wrong(target, *result.found);
  expect_pair(target, *result.found);
  EXPECT_LT(*result.found->state_distance, 1e-6);
  const auto& [u, v] = *result.found->prefix_pair;
  int changes = 0;
  for (std::size_t t = 0; t < u.size(); ++t) changes += u[t] != v[t];
  EXPECT_EQ(changes, 1);
}

TEST_F(Attacks, StateCollisionFindsEqualBits) {
  const auto task = tasks_.make("index-lookup", {{"alphabet", 4}});
  const Weights weights = random_weights(
      recurrent_spec(task->info(12), "rnn", {{"state_format", "bit"}}, 16), blocks_, rng_);
  const Target target{*task, 12, weights, blocks_};
  for (const Index table : {Index(1) << 20, Index(16)}) {  // the second has to walk trails
    const AttackResult result = run("state-collision", target, {{"table", table}});
    ASSERT_TRUE(result.found) << result.effort;
    expect_wrong(target, *result.found);
    expect_pair(target, *result.found);
    EXPECT_EQ(*result.found->state_distance, 0);
  }
}

TEST_F(Attacks, StateCollisionWalksTrailsWhenTheTableIsFull) {
  const auto task = tasks_.make("string-equality");
  // Shifts its input through 12 bits; 2^12 states are too many for a table of 8.
  Weights weights =
      zeros(recurrent_spec(task->info(32), "rnn", {{"state_format", "bit"}}, 12), blocks_);
  for (Index i = 0; i < 12; ++i) {
    weights["layers.0.rnn.w_x"][std::size_t(i * 12 + i)] = 1;
    if (i > 0) weights["layers.0.rnn.w_h"][std::size_t((i - 1) * 12 + i)] = 2;
  }
  weights["embedding"][12] = 2;  // symbol 1 sets bit 0
  const Target target{*task, 32, weights, blocks_};
  const AttackResult result = run("state-collision", target, {{"table", 8}});
  ASSERT_TRUE(result.found) << result.effort;
  EXPECT_NE(result.effort.find("on trails"), std::string::npos) << result.effort;
  expect_wrong(target, *result.found);
  expect_pair(target, *result.found);
  EXPECT_EQ(*result.found->state_distance, 0);
}

TEST_F(Attacks, NearestPairBreaksAnOrthogonalNetwork) {
  for (const char* activation : {"tanh", "relu"})
    for (const char* name : {"string-equality", "index-lookup"}) {
      const auto task = tasks_.make(name);
      const Weights weights = orthogonal_rnn(task->info(30), 24, activation, 1, blocks_, rng_);
      const Target target{*task, 30, weights, blocks_};
      const AttackResult result = run("nearest-pair", target, {{"samples", 256}});
      ASSERT_TRUE(result.found) << name << " " << result.effort;
      expect_wrong(target, *result.found);
      expect_pair(target, *result.found);
    }
}

TEST_F(Attacks, OneLayerSummaryBreaksOneAttentionLayer) {
  for (const char* name : {"string-equality", "set-disjointness", "index-lookup"}) {
    const auto task = tasks_.make(name);
    const TaskInfo info = task->info(20);
    ModelSpec spec = recurrent_spec(info, "mlp", Json::object(), 8);
    spec.positions = "learned";
    spec.norm = "layer";
    spec.layers = {{"attention", {{"n_heads", 2}}, true}, {"mlp", Json::object(), true}};
    Weights weights = random_weights(resolve(spec, blocks_), blocks_, rng_);
    for (float& v : weights["layers.0.attention.v"]) v *= 0.01F;
    const Target target{*task, 20, weights, blocks_};
    const AttackResult result = run("one-layer-summary", target, {{"samples", 256}});
    ASSERT_TRUE(result.found) << name << " " << result.effort;
    expect_wrong(target, *result.found);
    expect_pair(target, *result.found);
    // The last token is the same in both, so the pair is one for the whole model.
  }
}

/// Every registered construction once, at the largest length of the first row that it covers.
std::vector<Case> one_of_each() {
  const Catalog catalog;
  std::vector<Case> out;
  for (const std::string& name : catalog.constructions.names())
    for (const Row& row : construction_rows()) {
      if (catalog.constructions.make(name)->task() != row.task) continue;
      const Index length = *std::max_element(row.lengths.begin(), row.lengths.end());
      auto c = make_case(catalog, name, row.config, length);
      if (!c) continue;
      out.push_back(std::move(*c));
      break;
    }
  return out;
}

TEST_F(Attacks, OneFlippedWeightOfAConstructionIsFound) {
  for (Case& c : one_of_each()) {
    const std::string& name = c.name;
    const Target target{*c.task, c.claim.length, c.weights, blocks_};
    // The certified one is right everywhere, so nothing can be found, by no method.
    for (const std::string& method : attacks_.names()) {
      const AttackResult result =
          attacks_.make(method)->run(target, {.threads = 2, .seconds = 0.05});
      EXPECT_FALSE(result.found) << name << " " << method << " must find nothing";
      EXPECT_EQ(result.applicable, result.effort.find("does not apply") == std::string::npos);
    }
    const std::span<float> head = c.weights["head"];
    *std::max_element(head.begin(), head.end()) *= -1;
    const RefuteReport report = refute(target, attacks_, {.threads = 2});
    ASSERT_TRUE(report.found) << name;
    expect_wrong(target, *report.found);
  }
}

/// Right on every sample one is likely to draw, wrong on few: edits lead there.
TEST_F(Attacks, AdversarialClimbsToARareFailure) {
  const auto task = tasks_.make("index-lookup", {{"alphabet", 2}});
  Registry<Construction> constructions("construction");
  register_constructions(constructions);
  const Json config = tasks_.find("index-lookup").resolve({{"alphabet", 2}}, "");
  Weights weights =
      constructions.make("index-lookup-transformer")->build({config, 16}, blocks_).weights;
  const Target target{*task, 16, weights, blocks_};
  // Warmer attention: the other symbols count, too.
  for (float& q : weights["layers.0.attention.q"]) q *= 0.4F;
  // What is asked is a 0 at position p; the more of the other symbols are 1, the less sure it is.
  const auto margin = [&](Index p, bool others_are_ones) {
    Batch one;
    one.resize(1, 17);
    std::fill(one.tokens.begin(), one.tokens.end(), others_are_ones ? 1 : 0);
    one.tokens[std::size_t(p)] = 0;
    one.tokens.back() = Token(2 + p);
    one.targets.assign(17, kIgnore);
    one.targets.back() = 0;
    std::vector<float> logits;
    Model(weights.spec, blocks_).logits(weights.values, one, logits);
    return logits[0] - logits[1];
  };
  float least = margin(0, true), most = margin(0, false);
  for (Index p = 1; p < 16; ++p) {
    least = std::min(least, margin(p, true));
    most = std::min(most, margin(p, false));
  }
  ASSERT_GT(least, 0);
  // With this bias nearly all of the others must be 1 for the answer to be wrong.
  weights["head_bias"][1] += least + 0.005F * (most - least);
  const AttackResult climbed = run("adversarial", target, {{"samples", 64}});
  ASSERT_TRUE(climbed.found) << climbed.effort;
  expect_wrong(target, *climbed.found);
  EXPECT_FALSE(climbed.found->prefix_pair);
  Rng rng(5);
  Index wrong = 0;
  Model model(weights.spec, blocks_);
  Batch batch;
  sample_batch(*task, 16, 2000, Portion::any, 0, rng, batch);
  std::vector<float> logits;
  model.logits(weights.values, batch, logits);
  for (Index b = 0; b < batch.B; ++b)
    wrong += (logits[std::size_t(2 * b + 1)] > logits[std::size_t(2 * b)]) !=
             (batch.target_row(b).back() == 1);
  EXPECT_LT(wrong, 20) << "the model is to be wrong rarely";
}

TEST_F(Attacks, StopsInTimeAndWhenAsked) {
  for (const Case& c : one_of_each()) {
    const std::string& name = c.name;
    const Target target{*c.task, c.claim.length, c.weights, blocks_};
    const auto start = std::chrono::steady_clock::now();
    const RefuteReport report = refute(target, attacks_, {.threads = 2, .seconds = 0.1});
    EXPECT_FALSE(report.found) << name;
    EXPECT_EQ(report.tried.size(), attacks_.names().size());
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
    EXPECT_LT(taken.count(), 5) << name;
    const std::atomic<bool> stop = true;
    EXPECT_TRUE(refute(target, attacks_, {.stop = &stop}).tried.empty());
  }
}

TEST_F(Attacks, UnknownMethodIsAnErrorWithTheNearest) {
  const auto task = tasks_.make("string-equality");
  const Weights weights =
      random_weights(recurrent_spec(task->info(4), "lstm", Json::object(), 2), blocks_, rng_);
  const Target target{*task, 4, weights, blocks_};
  try {
    refute(target, attacks_, {}, "forgeting");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.hint(), "did you mean 'forgetting'?");
  }
}

}  // namespace
}  // namespace separatrix::test

#include <cmath>
#include <numeric>

#include <gtest/gtest.h>

#include "separatrix/model/interval.h"
#include "separatrix/nn/model.h"
#include "separatrix/nn/program.h"
#include "tests/support/allocations.h"
#include "tests/support/models.h"
#include "tests/support/tolerance.h"

namespace separatrix::test {
namespace {

ModelSpec base_spec() {
  ModelSpec spec;
  spec.vocab_size = 7;
  spec.n_classes = 5;
  spec.d_model = 6;
  spec.max_length = 12;
  return spec;
}

struct ModelCase {
  std::string name;
  ModelSpec spec;
};

std::vector<ModelCase> model_cases() {
  const LayerSpec attention{"attention", {{"n_heads", 2}}}, mlp{"mlp", {{"d_ff", 9}}};
  const LayerSpec bare_attention{"attention", {{"n_heads", 1}, {"causal", false}}, false};
  const LayerSpec lstm{"lstm", Json::object(), false}, rnn{"rnn", Json::object(), false};
  std::vector<ModelCase> cases;
  for (const char* norm : {"layer", "rms", "none"})
    for (const char* positions : {"learned", "none"}) {
      ModelSpec spec = base_spec();
      spec.norm = norm;
      spec.positions = positions;
      const std::string name = std::string(norm) + "_positions_" + positions;
      spec.layers = {attention, mlp};
      cases.push_back({"transformer_" + name, spec});
      spec.layers = {lstm, rnn};
      cases.push_back({"recurrent_" + name, spec});
      spec.layers = {bare_attention, {"lstm"}, mlp, lstm, attention};
      cases.push_back({"hybrid_" + name, spec});
    }
  ModelSpec spec = base_spec();
  spec.embedding = "given";
  spec.layers = {attention, mlp};
  cases.push_back({"given_embedding", spec});
  spec = base_spec();
  cases.push_back({"no_layers", spec});
  spec = base_spec();
  spec.head = "tied";
  spec.n_classes = spec.vocab_size;
  cases.push_back({"tied_no_layers", spec});
  spec.layers = {attention, {"identity"}};
  cases.push_back({"tied_identity", spec});
  spec.norm = "none";
  spec.layers = {{"identity"}, attention, {"identity", Json::object(), false}, mlp};
  cases.push_back({"tied_hybrid", spec});
  spec.norm = "rms";
  spec.embedding = "given";
  spec.layers = {attention, mlp};
  cases.push_back({"tied_given", spec});
  spec = base_spec();
  spec.layers = {{"rwkv_time_mix"}, {"rwkv_channel_mix"}, {"rwkv_time_mix"}, {"rwkv_channel_mix"}};
  cases.push_back({"rwkv", spec});
  spec.layers = {{"rwkv_channel_mix"}, {"gru"}, {"aaren"}, attention, {"rwkv_channel_mix"}};
  cases.push_back({"hybrid_of_recurrences", spec});
  return cases;
}

void PrintTo(const ModelCase& c, std::ostream* out) { *out << c.name; }

class Models : public testing::TestWithParam<ModelCase> {
 protected:
  Registry<Block> blocks_ = all_blocks();
  const ModelSpec& spec_ = GetParam().spec;
  Rng rng_{3};
  Weights weights_ = random_weights(spec_, blocks_, rng_);
  Model model_{spec_, blocks_};

  std::vector<float> gradient(const Batch& batch, double* loss = nullptr) {
    std::vector<float> dw(weights_.values.size(), 0);
    const double sum = model_.forward_backward(weights_.values, batch, {0, batch.B, 1}, dw);
    if (loss != nullptr) *loss = sum;
    return dw;
  }
};

constexpr double kSomeAsked[] = {1.0, 0.4, 0.05};

TEST_P(Models, LogitsEqualTheReference) {
  std::vector<float> logits;
  for (const double asked : kSomeAsked)
    for (const Index T : {1, 9, 12}) {
      const Batch batch = random_batch(spec_, 5, T, asked, rng_);
      model_.logits(weights_.values, batch, logits);
      const std::vector<double> expected = reference_asked(weights_, blocks_, batch);
      ASSERT_EQ(logits.size(), expected.size());
      for (std::size_t i = 0; i < logits.size(); ++i)
        ASSERT_NEAR(double(logits[i]), expected[i],
                    float_tolerance(spec_.d_model * T * 20, std::fabs(expected[i])));
    }
}

TEST_P(Models, LossAndGradientEqualTheReference) {
  for (const double asked : kSomeAsked) {
    const Batch batch = random_batch(spec_, 3, 6, asked, rng_);
    double loss = 0;
    const std::vector<float> dw = gradient(batch, &loss);
    const double expected = reference_loss(weights_, blocks_, batch);
    EXPECT_NEAR(loss, expected, float_tolerance(200, expected));
    Index at = 0;
    for (const ParamSpec& param : weights_.params) {
      const bool fixed =
          spec_.embedding == "given" && (param.name == "embedding" || param.name == "positions");
      for (int k = 0; k < 4; ++k) {
        const auto i = std::size_t(at + rng_.below(param.size()));
        const float kept = weights_.values[i];
        // Weights are floats, so the steps are no smaller than 2^-12; what they leave out, of
        // order step^2, is removed by Richardson's extrapolation of two steps.
        const auto difference = [&](float step) {
          weights_.values[i] = kept + step;
          const double up = reference_loss(weights_, blocks_, batch);
          const double h_up = double(weights_.values[i]) - double(kept);
          weights_.values[i] = kept - step;
          const double down = reference_loss(weights_, blocks_, batch);
          const double h = h_up + double(kept) - double(weights_.values[i]);
          weights_.values[i] = kept;
          return (up - down) / h;
        };
        const double slope = (4 * difference(0x1p-12F) - difference(0x1p-11F)) / 3;
        EXPECT_NEAR(double(dw[i]), fixed ? 0 : slope, 1e-4 * std::max(1.0, std::fabs(slope)))
            << param.name << " " << i - std::size_t(at);
      }
      at += param.size();
    }
  }
}

TEST_P(Models, GradientsAreAddedAndScaled) {
  const Batch batch = random_batch(spec_, 3, 6, 0.5, rng_);
  const std::vector<float> once = gradient(batch);
  std::vector<float> dw(once.size(), 0.5F);
  model_.forward_backward(weights_.values, batch, {0, batch.B, 0.25F}, dw);
  for (std::size_t i = 0; i < dw.size(); ++i)
    ASSERT_NEAR(double(dw[i]), 0.5 + 0.25 * double(once[i]),
                float_tolerance(50, std::fabs(double(once[i]))));
}

TEST_P(Models, ResultsDoNotDependOnHowTheBatchIsCut) {
  const Batch batch = random_batch(spec_, 67, 9, 0.3, rng_);  // more than one tile
  std::vector<float> whole, one;
  model_.logits(weights_.values, batch, whole);
  std::size_t at = 0;
  for (Index b = 0; b < batch.B; ++b) {
    Batch single;
    single.B = 1;
    single.T = batch.T;
    single.tokens.assign(batch.row(b).begin(), batch.row(b).end());
    single.targets.assign(batch.target_row(b).begin(), batch.target_row(b).end());
    model_.logits(weights_.values, single, one);
    for (const float v : one) ASSERT_EQ(v, whole[at++]) << "sequence " << b;
  }
  EXPECT_EQ(at, whole.size());

  double total = 0, parts = 0;
  const std::vector<float> dw = gradient(batch, &total);
  std::vector<float> sum(dw.size(), 0);
  for (const auto& [begin, end] : {std::pair{0, 5}, {5, 6}, {6, 40}, {40, 40}, {40, 67}}) {
    std::vector<float> shard(dw.size(), 0);
    parts += model_.forward_backward(weights_.values, batch, {begin, end, 1}, shard);
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += shard[i];
  }
  EXPECT_NEAR(total, parts, 1e-9 * total);
  for (std::size_t i = 0; i < dw.size(); ++i)
    ASSERT_NEAR(double(dw[i]), double(sum[i]), float_tolerance(67 * 9, std::fabs(double(dw[i]))));
  EXPECT_EQ(dw, gradient(batch)) << "second call, equal bits";
}

TEST_P(Models, NothingAskedMeansNothingDone) {
  const Batch batch = random_batch(spec_, 3, 6, 0, rng_);
  double loss = 1;
  const std::vector<float> dw = gradient(batch, &loss);
  EXPECT_EQ(loss, 0);
  EXPECT_EQ(dw, std::vector<float>(dw.size(), 0));
  std::vector<float> logits{1};
  model_.logits(weights_.values, batch, logits);
  EXPECT_TRUE(logits.empty());
}

TEST_P(Models, NoAllocationAfterTheFirstCall) {
  const Batch batch = random_batch(spec_, 40, 9, 0.3, rng_);
  std::vector<float> dw(weights_.values.size(), 0), logits;
  const auto run = [&] {
    model_.forward_backward(weights_.values, batch, {0, batch.B, 1}, dw);
    model_.logits(weights_.values, batch, logits);
  };
  run();
  const std::size_t before = allocations();
  run();
  EXPECT_EQ(allocations(), before);
}

TEST_P(Models, IntervalsContainTheReference) {
  if (spec_.layers.size() > 2) GTEST_SKIP() << "wide boxes only repeat what shallow models show";
  const Batch batch = random_batch(spec_, 1, 4, 1, rng_);
  const auto inside = reference_logits<double>(weights_, blocks_, batch.row(0));
  const auto boxes = reference_logits<Interval>(weights_, blocks_, batch.row(0));
  ASSERT_EQ(inside.size(), boxes.size());
  for (std::size_t i = 0; i < inside.size(); ++i) {
    EXPECT_TRUE(boxes[i].lower() - 1e-12 <= inside[i] && inside[i] <= boxes[i].upper() + 1e-12);
    EXPECT_LT(boxes[i].width(), 1e-9);
  }
}

INSTANTIATE_TEST_SUITE_P(All, Models, testing::ValuesIn(model_cases()),
                         [](const auto& test) { return test.param.name; });

// ---- errors and parameters

TEST(ModelErrors, InputsThatDoNotFitAreTheUsersMistake) {
  const auto blocks = all_blocks();
  Rng rng(1);
  ModelSpec spec = base_spec();
  spec.layers = {{"lstm"}};
  const Weights weights = initialize(spec, blocks, 0);
  Model model(spec, blocks);
  std::vector<float> logits;
  Batch batch = random_batch(spec, 1, 13, 1, rng);
  EXPECT_THROW(model.logits(weights.values, batch, logits), Error) << "longer than max_length";
  batch = random_batch(spec, 1, 3, 1, rng);
  batch.tokens[1] = Token(spec.vocab_size);
  EXPECT_THROW(model.logits(weights.values, batch, logits), Error) << "unknown token";
  batch = random_batch(spec, 1, 3, 1, rng);
  batch.targets[2] = Token(spec.n_classes);
  EXPECT_THROW(model.logits(weights.values, batch, logits), Error) << "unknown class";
  spec.positions = "none";
  Model unlimited(spec, blocks);
  batch = random_batch(spec, 1, 13, 1, rng);
  const Weights fewer = initialize(spec, blocks, 0);
  EXPECT_NO_THROW(unlimited.logits(fewer.values, batch, logits)) << "no table, no limit";
}

TEST(ModelParams, ResolveWritesDefaultsAndNamesTheMistake) {
  const auto blocks = all_blocks();
  ModelSpec spec = base_spec();
  spec.layers = {{"attention", {{"n_heads", 3}}}};
  EXPECT_TRUE(resolve(spec, blocks).layers[0].config.contains("causal"));
  const auto where_of = [&](const ModelSpec& bad) {
    try {
      resolve(bad, blocks, "file.yaml");
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::spec);
      return e.where();
    }
    return std::string("no error");
  };
  ModelSpec bad = spec;
  bad.norm = "batch";
  EXPECT_EQ(where_of(bad), "file.yaml/norm");
  bad = spec;
  bad.d_model = 0;
  EXPECT_EQ(where_of(bad), "file.yaml/d_model");
  bad = spec;
  bad.layers[0].config = {{"n_heads", 4}};
  EXPECT_TRUE(where_of(bad).starts_with("file.yaml/layers/0/config")) << where_of(bad);
  bad.layers[0] = {"atention"};
  EXPECT_EQ(where_of(bad), "file.yaml/layers/0/block");
  bad.layers[0] = {"rnn", {{"activation", "sigmoid"}}};
  EXPECT_TRUE(where_of(bad).starts_with("file.yaml/layers/0/config")) << where_of(bad);
}

TEST(ModelParams, AddingALayerChangesNoOtherDraw) {
  const auto blocks = all_blocks();
  ModelSpec spec = base_spec();
  spec.layers = {{"attention"}, {"lstm"}};
  Weights small = initialize(spec, blocks, 5);
  spec.layers.push_back({"mlp"});
  Weights big = initialize(spec, blocks, 5);
  for (const ParamSpec& param : small.params) {
    const auto a = small[param.name], b = big[param.name];
    EXPECT_TRUE(std::equal(a.begin(), a.end(), b.begin(), b.end())) << param.name;
  }
  EXPECT_NE(initialize(spec, blocks, 6).values, big.values);
  EXPECT_EQ(initialize(spec, blocks, 5).values, big.values);
}

TEST(ModelParams, DrawsHaveTheDeclaredSpread) {
  const auto blocks = all_blocks();
  ModelSpec spec = base_spec();
  spec.d_model = 64;
  spec.vocab_size = 100;
  spec.layers = {{"lstm"}, {"mlp"}};
  Weights weights = initialize(spec, blocks, 1);
  for (const ParamSpec& param : weights.params) {
    const auto values = std::as_const(weights)[param.name];
    double square = 0, most = 0;
    for (const float v : values) {
      square += double(v) * double(v);
      most = std::max(most, std::fabs(double(v)));
    }
    const double deviation = std::sqrt(square / double(values.size()));
    const double expected = param.init == Init::normal    ? param.init_scale
                            : param.init == Init::uniform ? param.init_scale / std::sqrt(3.0)
                            : param.init == Init::ones    ? 1
                                                          : 0;
    // The spread of n draws has a relative error of about 1 / sqrt(2 n); six of those.
    EXPECT_NEAR(deviation, expected, expected * 6 / std::sqrt(2 * double(values.size())))
        << param.name;
    if (param.init == Init::uniform) {
      EXPECT_LE(most, param.init_scale) << param.name;
    }
  }
}

TEST(StateBits, SumOverRecurrentLayersAndNoneWithAttention) {
  const auto blocks = all_blocks();
  ModelSpec spec = base_spec();
  EXPECT_EQ(state_bits(spec, blocks), 0);
  spec.layers = {{"lstm"}, {"mlp"}, {"rnn"}, {"rnn", {{"state_format", "bit"}}}};
  EXPECT_EQ(state_bits(spec, blocks), 64 * 6 + 32 * 6 + 6);
  spec.layers.push_back({"attention"});
  EXPECT_EQ(state_bits(spec, blocks), std::nullopt);
}

TEST(TileSequences, DependOnLengthAndQuestionsOnly) {
  const auto blocks = all_blocks();
  ModelSpec spec = base_spec();
  spec.d_model = 64;
  spec.max_length = 401;
  spec.layers = {{"attention"}, {"mlp"}};
  const Program transformer(spec, blocks);
  EXPECT_GE(transformer.tile_sequences(401, 401), 1);
  EXPECT_GT(transformer.tile_sequences(21, 21), transformer.tile_sequences(401, 401));
  EXPECT_GE(transformer.tile_sequences(101, 1), transformer.tile_sequences(101, 101));
  spec.layers = {{"lstm", Json::object(), false}};
  const Program lstm(spec, blocks);
  EXPECT_GE(lstm.tile_sequences(401, 1), lstm.layers[0].block->lockstep());
}

}  // namespace
}  // namespace separatrix::test

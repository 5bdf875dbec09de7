#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "separatrix/lab/catalogue.h"
#include "separatrix/lab/models.h"
#include "separatrix/nn/model.h"

namespace separatrix {
namespace {

const TaskInfo kInfo{.vocab_size = 84, .n_classes = 64, .n_tokens = 21, .reference = ""};

TEST(Models, EveryFamilyResolvesAtSeveralSizes) {
  const Catalogue all = Catalogue::builtin();
  for (const ModelFamily& family : model_families())
    for (const Index layers : {1, 2})
      for (const Index d_model : {8, 24}) {
        const ModelSpec spec = resolve(
            named_model({family.name, {.layers = layers, .d_model = d_model}}, kInfo, all.blocks),
            all.blocks, family.name);
        EXPECT_EQ(spec.d_model, d_model);
        EXPECT_EQ(spec.vocab_size, 84);
        EXPECT_EQ(spec.n_classes, 64);
        EXPECT_GE(spec.max_length, 21);
        EXPECT_FALSE(family.parameters(all.blocks).empty());
        // A recurrent family has a state of fixed size, a transformer has none.
        EXPECT_EQ(state_bits(spec, all.blocks).has_value(),
                  family.model_class == ModelClass::recurrent);
      }
}

TEST(Models, TheTransformerIsTheOneOfThePaper) {
  const Catalogue all = Catalogue::builtin();
  const ModelSpec spec = resolve(
      named_model({"transformer", {.layers = 2, .d_model = 32, .heads = 4}}, kInfo, all.blocks),
      all.blocks);
  ASSERT_EQ(spec.layers.size(), 4u);
  EXPECT_EQ(spec.layers[2].config.at("n_heads"), 4);
  EXPECT_EQ(spec.layers[2].config.at("causal"), true);
  EXPECT_EQ(spec.layers[3].config.at("d_ff"), 128);
  EXPECT_EQ(spec.positions, "learned");
  EXPECT_EQ(spec.norm, "layer");
  EXPECT_TRUE(spec.layers[0].residual);
}

TEST(Models, AnLstmIsAPlainStack) {
  const Catalogue all = Catalogue::builtin();
  const ModelSpec spec = named_model({"lstm", {.layers = 3}}, kInfo, all.blocks);
  ASSERT_EQ(spec.layers.size(), 3u);
  EXPECT_FALSE(spec.layers[1].residual);
  EXPECT_EQ(spec.positions, "none");
  EXPECT_EQ(spec.norm, "none");
}

TEST(Models, TheFirstBlocksConfigIsTheFamilys) {
  const Catalogue all = Catalogue::builtin();
  const ModelSpec spec = named_model(
      {"rnn", {.layers = 2}, {{"activation", "relu"}, {"state_format", "bit"}}}, kInfo, all.blocks);
  for (const LayerSpec& layer : spec.layers) {
    EXPECT_EQ(layer.config.at("activation"), "relu");
    EXPECT_EQ(layer.config.at("state_format"), "bit");
  }
}

TEST(Models, EveryBlockOfALayerStoresItsStateAlike) {
  const Catalogue all = Catalogue::builtin();
  const ModelSpec spec = named_model({"rwkv", {}, {{"state_format", "int4"}}}, kInfo, all.blocks);
  ASSERT_EQ(spec.layers.size(), 2u);
  for (const LayerSpec& layer : spec.layers) EXPECT_EQ(layer.config.at("state_format"), "int4");
  const ModelSpec mlp = named_model({"retnet", {}, {{"state_format", "int4"}}}, kInfo, all.blocks);
  EXPECT_FALSE(mlp.layers[1].config.contains("state_format"));
  const auto bits = [&](const char* model, const Json& config) {
    return *state_bits(resolve(named_model({model, {}, config}, kInfo, all.blocks), all.blocks),
                       all.blocks);
  };
  for (const ModelFamily& family : model_families())
    if (family.model_class == ModelClass::recurrent) {
      EXPECT_EQ(bits(family.name.c_str(), {{"state_format", "int4"}}) * 8,
                bits(family.name.c_str(), Json::object()))
          << family.name;
    }
}

TEST(Models, CommasMakeHybrids) {
  const Catalogue all = Catalogue::builtin();
  const ModelSpec spec =
      named_model({"lstm,attention,mlp", {.layers = 2, .d_model = 16}}, kInfo, all.blocks);
  ASSERT_EQ(spec.layers.size(), 6u);
  EXPECT_EQ(spec.layers[4].block, "attention");
  EXPECT_EQ(spec.positions, "learned");
  EXPECT_FALSE(state_bits(resolve(spec, all.blocks), all.blocks).has_value());
  EXPECT_EQ(named_model({"rnn,mlp"}, kInfo, all.blocks).positions, "none");
  EXPECT_THROW(named_model({"rnn,mpl"}, kInfo, all.blocks), Error);
}

TEST(Models, RefusesWhatDoesNotFit) {
  const Catalogue all = Catalogue::builtin();
  const auto refuses = [&](const char* name, const ModelOptions& options) {
    EXPECT_THROW(named_model({name, options}, kInfo, all.blocks), Error) << name;
  };
  refuses("transfomer", {});
  refuses("transformer", {.d_model = 0});
  refuses("transformer", {.layers = -1});
  refuses("transformer", {.d_model = 10, .heads = 3});
  refuses("lstm", {.heads = 2});  // an option it does not have
  try {
    named_model({"transfomer"}, kInfo, all.blocks);
  } catch (const Error& error) {
    EXPECT_THAT(error.hint(), testing::HasSubstr("transformer"));
  }
}

}  // namespace
}  // namespace separatrix

// The model-wide starting values: ModelSpec::init.
#include <cmath>

#include <gtest/gtest.h>

#include "tests/support/models.h"

namespace separatrix::test {
namespace {

ModelSpec spec_of(const std::string& init, std::vector<LayerSpec> layers) {
  ModelSpec spec;
  spec.vocab_size = spec.n_classes = 500;
  spec.d_model = 64;
  spec.max_length = 40;
  spec.init = init;
  spec.layers = std::move(layers);
  return resolve(spec, all_blocks());
}
Weights start(const ModelSpec& spec) { return initialize(spec, all_blocks(), 3); }

double deviation(std::span<const float> values) {
  double sum = 0;
  for (const float v : values) sum += double(v) * double(v);
  return std::sqrt(sum / double(values.size()));
}
double largest(std::span<const float> values) {
  double most = 0;
  for (const float v : values) most = std::max(most, std::fabs(double(v)));
  return most;
}

TEST(Init, Gpt2IsNormalAndSmallerWhereProductsAreAdded) {
  const LayerSpec attention{"attention"}, identity{"identity"}, mlp{"mlp"};
  const Weights w = start(spec_of("gpt2", {attention, identity, attention, mlp}));
  for (const char* name : {"embedding", "positions", "head", "layers.0.attention.q",
                           "layers.2.attention.v", "layers.3.mlp.in"}) {
    EXPECT_NEAR(deviation(w[name]), 0.02, 0.0015) << name;
    EXPECT_GT(largest(w[name]), 0.05) << name << ": not uniform";
  }
  for (const char* name : {"layers.0.attention.o", "layers.2.attention.o", "layers.3.mlp.out"})
    EXPECT_NEAR(deviation(w[name]), 0.02 / 2, 0.0008) << name;  // four layers add to the stream
  for (const char* name : {"layers.3.mlp.in_bias", "layers.3.mlp.out_bias", "head_bias"})
    EXPECT_EQ(largest(w[name]), 0) << name;
  EXPECT_EQ(w["norm.gain"][0], 1);
}

TEST(Init, LinearIsUniformAsPyTorchsLinear) {
  const Weights w = start(spec_of("linear", {{"rwkv_time_mix"}, {"rwkv_channel_mix"}}));
  EXPECT_NEAR(deviation(w["embedding"]), 0.02, 0.001);
  for (const char* name : {"layers.0.rwkv_time_mix.key", "layers.0.rwkv_time_mix.value",
                           "layers.0.rwkv_time_mix.receptance", "layers.0.rwkv_time_mix.output",
                           "layers.1.rwkv_channel_mix.key", "head"}) {
    EXPECT_LE(largest(w[name]), 1.0 / 8) << name;
    EXPECT_NEAR(deviation(w[name]), 1 / 8.0 / std::sqrt(3.0), 0.003) << name;
  }
  EXPECT_LE(largest(w["layers.1.rwkv_channel_mix.value"]), 1.0 / 16);  // of 256 rows
}

TEST(Init, DepthTakesThePlaceOfTheNumberOfLayers) {
  ModelSpec spec = spec_of("blocks", {{"rwkv_time_mix"}, {"rwkv_time_mix"}});
  const auto decay = [&](Index i) {
    return start(spec)["layers.1.rwkv_time_mix.time_decay"][std::size_t(i)];
  };
  const double along = 32 / 63.0;
  EXPECT_NEAR(double(decay(32)), -5 + 8 * std::pow(along, 2.0), 1e-5);
  spec.init_depth = 12;  // layer 1 of 12
  EXPECT_NEAR(double(decay(32)), -5 + 8 * std::pow(along, 0.7 + 1.3 / 11), 1e-5);
  EXPECT_NEAR(double(start(spec)["layers.1.rwkv_time_mix.time_mix_k"][16]),
              std::pow(0.25, 11 / 12.0), 1e-6);
}

TEST(Init, WhatCannotBeIsAnError) {
  const auto place_of_error = [](const ModelSpec& spec) {
    try {
      resolve(spec, all_blocks(), "m");
    } catch (const Error& e) {
      return e.where();
    }
    return std::string("accepted");
  };
  ModelSpec spec = spec_of("blocks", {});
  spec.init = "gpt3";
  EXPECT_EQ(place_of_error(spec), "m/init");
  spec.init = "gpt2";
  spec.init_depth = -1;
  EXPECT_EQ(place_of_error(spec), "m/init_depth");
  spec.init_depth = 0;
  spec.head = "shared";
  EXPECT_EQ(place_of_error(spec), "m/head");
  spec.head = "tied";
  EXPECT_EQ(place_of_error(spec), "accepted");
  spec.n_classes = 499;
  EXPECT_EQ(place_of_error(spec), "m/head");
}

}  // namespace
}  // namespace separatrix::test

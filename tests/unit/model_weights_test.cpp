#include <functional>

#include <gtest/gtest.h>

#include "separatrix/model/weights.h"

namespace separatrix {
namespace {

Error thrown(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& e) {
    return e;
  }
  ADD_FAILURE() << "nothing was thrown";
  return {ErrorKind::usage, ""};
}
Error refusal(const std::string& json) {
  return thrown([&] { read_model_spec(Json::parse(json), "f#"); });
}

TEST(ModelSpec, ReadsFullAndShortLayers) {
  const ModelSpec spec = read_model_spec(
      Json::parse(R"({"vocab-size": 5, "n_classes": 3, "d_model": 8, "max_length": 20,
        "positions": "none", "norm": "rms", "embedding": "given",
        "layers": ["attention", {"block": "mlp", "config": {"d_ff": 32}, "residual": false}]})"),
      "f#");
  EXPECT_EQ(spec.vocab_size, 5);
  EXPECT_EQ(spec.norm, "rms");
  EXPECT_EQ(spec.embedding, "given");
  ASSERT_EQ(spec.layers.size(), 2U);
  EXPECT_EQ(spec.layers[0].block, "attention");
  EXPECT_TRUE(spec.layers[0].residual);
  EXPECT_EQ(spec.layers[0].config, Json::object());
  EXPECT_EQ(spec.layers[1].config, Json({{"d_ff", 32}}));
  EXPECT_FALSE(spec.layers[1].residual);
}

TEST(ModelSpec, WritingAndReadingIsTheIdentity) {
  ModelSpec spec;
  spec.vocab_size = 7;
  spec.layers = {{"lstm", {{"hidden", 4}}, false}, {"attention", {}, true}};
  spec.layers[1].config = Json::object();
  const Json json = write_model_spec(spec);
  EXPECT_EQ(json["layers"][0],
            Json({{"block", "lstm"}, {"config", {{"hidden", 4}}}, {"residual", false}}));
  EXPECT_EQ(json["positions"], "learned");
  EXPECT_EQ(write_model_spec(read_model_spec(json, "f#")), json);
}

/// Hashes and ids of specs from before these fields stay what they were.
TEST(ModelSpec, LaterFieldsAreWrittenOnlyWhereTheySaySomething) {
  ModelSpec spec;
  for (const char* field : {"head", "init", "init_depth"})
    EXPECT_FALSE(write_model_spec(spec).contains(field)) << field;
  spec.head = "tied";
  spec.init = "gpt2";
  spec.init_depth = 12;
  const Json json = write_model_spec(spec);
  EXPECT_EQ(json.at("head"), "tied");
  EXPECT_EQ(json.at("init"), "gpt2");
  EXPECT_EQ(json.at("init_depth"), 12);
  EXPECT_EQ(write_model_spec(read_model_spec(json, "f#")), json);
}

TEST(ModelSpec, ErrorsSayWhereAndWhatWasMeant) {
  Error e = refusal(R"({"vocab_sizes": 5})");
  EXPECT_STREQ(e.what(), "unknown key 'vocab_sizes'");
  EXPECT_EQ(e.where(), "f#/vocab_sizes");
  EXPECT_EQ(e.hint(), "did you mean 'vocab_size'?");
  EXPECT_EQ(refusal(R"({"layer": []})").hint(), "did you mean 'layers'?");
  e = refusal(R"({"layers": ["attention", {"block": "mlp", "confg": {}}]})");
  EXPECT_EQ(e.where(), "f#/layers/1/confg");
  EXPECT_EQ(e.hint(), "did you mean 'config'?");
  EXPECT_EQ(refusal(R"({"layers": [{"config": {}}]})").where(), "f#/layers/0");
  EXPECT_EQ(refusal(R"({"layers": [""]})").where(), "f#/layers/0");
  EXPECT_EQ(refusal(R"({"layers": [7]})").where(), "f#/layers/0");
  EXPECT_EQ(refusal(R"({"layers": {"block": "mlp"}})").where(), "f#/layers");
  EXPECT_EQ(refusal(R"({"layers": [{"block": "mlp", "config": [1]}]})").where(),
            "f#/layers/0/config");
  EXPECT_EQ(refusal(R"({"d_model": 2.5})").where(), "f#/d_model");
  EXPECT_EQ(refusal("[]").kind(), ErrorKind::spec);
}

Weights example() {
  Weights weights;
  weights.spec.d_model = 2;
  weights.params = {{"embedding", {3, 2}}, {"head_bias", {2}}, {"scale", {}}};
  weights.values = {0, 1, 2, 3, 4, 5, 6, 7, 8};
  return weights;
}

TEST(Weights, SlicesAreNamed) {
  Weights weights = example();
  EXPECT_EQ(weights["embedding"].size(), 6U);
  EXPECT_EQ(weights["head_bias"][1], 7);
  weights["scale"][0] = -1;
  EXPECT_EQ(weights.values[8], -1);
  const Weights& same = weights;
  EXPECT_EQ(same["head_bias"].data(), weights.values.data() + 6);
}

TEST(Weights, AnUnknownNameIsAnErrorThatNamesTheNearest) {
  const Error e = thrown([] { example()["head_bais"]; });
  EXPECT_EQ(e.kind(), ErrorKind::spec);
  EXPECT_EQ(e.hint(), "did you mean 'head_bias'?");
}

TEST(Weights, TheHashSeesEveryBitAndTheSpec) {
  const std::string hash = weights_sha256(example());
  EXPECT_EQ(hash.size(), 64U);
  EXPECT_EQ(weights_sha256(example()), hash);
  Weights changed = example();
  changed.values[0] = -0.0F;
  EXPECT_NE(weights_sha256(changed), hash);
  changed = example();
  changed.spec.norm = "rms";
  EXPECT_NE(weights_sha256(changed), hash);
}

}  // namespace
}  // namespace separatrix

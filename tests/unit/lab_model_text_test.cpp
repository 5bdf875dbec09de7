#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "separatrix/lab/model_text.h"
#include "tests/support/tiny_trial.h"

namespace separatrix {
namespace {

std::string canonical(const std::string& text) {
  return model_text(parse_model(text, all_blocks()));
}

TEST(ModelText, HasOneSpellingForEachModel) {
  EXPECT_EQ(canonical("lstm"), "lstm");
  EXPECT_EQ(canonical("mamba:layers=2"), "mamba:layers=2");
  EXPECT_EQ(canonical("mamba:layers=1"), "mamba");
  EXPECT_EQ(canonical("delta_net"), "delta-net");
  EXPECT_EQ(canonical("mamba:d-state=8:layers=2"), "mamba:layers=2:d_state=8");
  EXPECT_EQ(canonical("lstm:state-format=int4"), "lstm:state_format=int4");
  EXPECT_EQ(canonical("attention+mlp"), "attention+mlp");
  EXPECT_EQ(canonical("attention,mlp"), "attention+mlp");
  EXPECT_EQ(canonical("attention"), "attention");
  EXPECT_EQ(canonical("lstm+attention:layers=2"), "lstm+attention:layers=2");
  for (const ModelFamily& family : model_families()) EXPECT_EQ(canonical(family.name), family.name);
}

TEST(ModelText, OptionsReachTheModel) {
  const Registry<Block> blocks = all_blocks();
  const TaskInfo info{.vocab_size = 5, .n_classes = 4, .n_tokens = 6, .reference = ""};
  const auto spec = [&](const std::string& text) {
    return resolve(named_model(parse_model(text, blocks), info, blocks), blocks);
  };
  EXPECT_EQ(spec("mamba:layers=2:d_state=8").layers.size(), 2u);
  EXPECT_EQ(spec("mamba:layers=2:d_state=8").layers[1].config.at("d_state"), 8);
  EXPECT_EQ(spec("retnet:heads=4").layers[0].config.at("n_heads"), 4);
  EXPECT_EQ(spec("attention").layers.size(), 1u);
  EXPECT_EQ(spec("attention+mlp:layers=2").layers.size(), 4u);
}

TEST(ModelText, ErrorsNameTheNearest) {
  const auto hint = [](const std::string& text) {
    try {
      parse_model(text, all_blocks());
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::spec);
      return error.hint();
    }
    return std::string("accepted");
  };
  EXPECT_THAT(hint("lstn"), testing::HasSubstr("'lstm'"));
  EXPECT_THAT(hint("mamba:layer=2"), testing::HasSubstr("'layers'"));
  EXPECT_THAT(hint("attention+mpl"), testing::HasSubstr("'mlp'"));
  EXPECT_THAT(hint("mamba:2"), testing::HasSubstr("mamba:layers=2"));
  EXPECT_NE(hint("mamba:layers=two"), "accepted");
  EXPECT_NE(hint("mamba:layers=2.5"), "accepted");
  EXPECT_NE(hint(""), "accepted");
  EXPECT_THAT(hint("mlp"), testing::HasSubstr("attention+mlp"));  // of "attention,mlp", split
  EXPECT_NE(hint("lstm:heads=2"), "accepted");
}

}  // namespace
}  // namespace separatrix

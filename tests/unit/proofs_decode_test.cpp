#include <gtest/gtest.h>

#include "separatrix/proofs/decode.h"

namespace separatrix {
namespace {

std::string text(Slot::Code code, const std::vector<double>& entries) {
  const Slot slot{.name = "x", .begin = 0, .width = Index(entries.size()), .code = code};
  return to_text(decode(slot, entries), entries);
}

TEST(Decode, Signs) {
  EXPECT_EQ(text(Slot::Code::signs, {1, -1, 1, 1}), "13");
  EXPECT_EQ(text(Slot::Code::signs, {0.97, -0.96, 1.04, 1}), "13");
  EXPECT_EQ(text(Slot::Code::signs, {0.88, -1, 1, 1}), "~13 (0.12 off)");
  EXPECT_EQ(text(Slot::Code::signs, {0.4986, -0.4986, 0.4986}), "~5 (0.5 off)");
  EXPECT_EQ(text(Slot::Code::signs, {0.25, -1, 1, 1}), "-");
  EXPECT_EQ(text(Slot::Code::signs, {0, -1, 1, 1}), "-");
  EXPECT_EQ(text(Slot::Code::signs, {3, -1, 1, 1}), "-");
  EXPECT_EQ(text(Slot::Code::signs, {0, 0, 0, 0}), "");
  EXPECT_EQ(text(Slot::Code::signs, {1e-3, 0, -1e-3, 0}), "");
  EXPECT_EQ(text(Slot::Code::signs, {-1, -1}), "0");
}

TEST(Decode, BitsAndOneHot) {
  EXPECT_EQ(text(Slot::Code::bits, {1, 0, 1}), "5");
  EXPECT_EQ(text(Slot::Code::bits, {0, 0, 0}), "0");
  EXPECT_EQ(text(Slot::Code::bits, {0.9, 0, 1}), "~5 (0.1 off)");
  EXPECT_EQ(text(Slot::Code::bits, {1, 0.5, 0}), "-");
  EXPECT_EQ(text(Slot::Code::one_hot, {0, 0, 1}), "2");
  EXPECT_EQ(text(Slot::Code::one_hot, {0, 0, 0}), "");
  EXPECT_EQ(text(Slot::Code::one_hot, {0.2, 0, 0.8}), "~2 (0.2 off)");
  EXPECT_EQ(text(Slot::Code::one_hot, {1, 0, 1}), "-");
  EXPECT_EQ(text(Slot::Code::one_hot, {0.3, 0, 0.3}), "-");
}

TEST(Decode, NumbersSpeakForThemselves) {
  EXPECT_EQ(text(Slot::Code::number, {0.12345}), "0.123");
  EXPECT_EQ(text(Slot::Code::number, {-0.0}), "");
  EXPECT_EQ(text(Slot::Code::number, {0, 1, 1, 0}), "0110");
  EXPECT_EQ(text(Slot::Code::number, {0, 2.5, -1, 0}), "0 2.5 -1 0");
  EXPECT_EQ(text(Slot::Code::number, std::vector<double>(100, 1)), std::string(64, '1') + "...");
  // Too many digits for a whole number.
  std::vector<double> signs(63, 1);
  signs[1] = -1;
  EXPECT_EQ(text(Slot::Code::signs, signs).substr(0, 6), "1 -1 1");
}

TEST(Decode, JsonHoldsWhatTheTextRoundsAway) {
  const Slot slot{.name = "x", .begin = 0, .width = 2, .code = Slot::Code::signs};
  const std::vector<double> near{0.75, -1}, unclear{0.125, -1};
  const Json json = to_json(decode(slot, near), near);
  EXPECT_EQ(json.at("kind"), "whole");
  EXPECT_EQ(json.at("value"), 1);
  EXPECT_EQ(json.at("off"), 0.25);
  EXPECT_EQ(to_json(decode(slot, unclear), unclear).at("entries"), Json(unclear));
}

TEST(Decode, SlotsMustLieInsideTheWidthAndApart) {
  const Slot a{.name = "a", .begin = 0, .width = 2}, b{.name = "b", .begin = 2, .width = 3};
  EXPECT_NO_THROW(check_slots({b, a}, 5, ""));
  EXPECT_THROW(check_slots({a, b}, 4, ""), Error);
  EXPECT_THROW(check_slots({a, {.name = "c", .begin = 1, .width = 1}}, 5, ""), Error);
  EXPECT_THROW(check_slots({{.name = "c", .begin = -1, .width = 1}}, 5, ""), Error);
  EXPECT_THROW(check_slots({{.name = "c", .begin = 0, .width = 0}}, 5, ""), Error);
  constexpr Index kHuge = std::numeric_limits<Index>::max();
  EXPECT_THROW(check_slots({{.name = "c", .begin = kHuge, .width = kHuge}}, 5, ""), Error);
}

}  // namespace
}  // namespace separatrix

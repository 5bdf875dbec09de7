#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "separatrix/report/scaling.h"

namespace separatrix {
namespace {

using testing::HasSubstr;

/// ms = factor size^power + fixed.
ScalingSeries series(const char* model, const char* axis, double power, double fixed = 0) {
  ScalingSeries out{model, "all", axis, {}};
  for (const Index size : {20, 40, 80, 160, 320}) {
    const double ms = 0.25 * std::pow(double(size), power) + fixed;
    out.points.push_back({size, ms, 0.9 * ms, 1.1 * ms, 100});
  }
  return out;
}

Scaling example() {
  return {.peak_gflops = 240,
          .machine = {{"cpu", "a <cpu>"}},
          .series = {series("transformer", "length", 2), series("lstm", "length", 1),
                     series("lstm", "width", 2)}};
}

TEST(Scaling, ExponentsAreThoseOfThePower) {
  EXPECT_NEAR(series("a", "length", 2).exponent(), 2, 1e-12);
  EXPECT_NEAR(series("a", "length", 2).last_exponent(), 2, 1e-12);
  EXPECT_NEAR(series("a", "length", 0.5).exponent(), 0.5, 1e-12);
  const ScalingSeries slow_start = series("a", "length", 1, 50);
  EXPECT_LT(slow_start.exponent(), slow_start.last_exponent()) << "fixed costs weigh less later";
  EXPECT_LT(slow_start.last_exponent(), 1);
  ScalingSeries one = series("a", "length", 2);
  one.points.resize(1);
  EXPECT_EQ(one.exponent(), 0);
  EXPECT_EQ(one.last_exponent(), 0);
}

TEST(Scaling, TextJsonAndPageHoldEveryNumber) {
  const Scaling scaling = example();
  const std::string text = scaling_text(scaling), page = scaling_page(scaling, "2026-01-02");
  EXPECT_THAT(text, HasSubstr("length, ms per step (width 64, batch 64, layers 1, 1 thread)"));
  EXPECT_THAT(text, HasSubstr("width, ms per step (length 100,"));
  EXPECT_THAT(text, HasSubstr("2.00    2.00"));
  const Json json = scaling_json(scaling);
  ASSERT_EQ(json["series"].size(), 3u);
  EXPECT_EQ(json["series"][1]["points"][2]["ms_per_step"], 20.0);
  EXPECT_NEAR(json["series"][0]["exponent"].get<double>(), 2, 1e-12);
  for (const char* part : {"id=\"scaling-length\"", "id=\"scaling-width\"", "a &lt;cpu&gt;",
                           "2026-01-02", "20: 5, 40: 10, 80: 20"})
    EXPECT_THAT(page, HasSubstr(part));
  EXPECT_EQ(page.find("id=\"scaling-batch\""), std::string::npos) << "nothing was measured";
}

}  // namespace
}  // namespace separatrix

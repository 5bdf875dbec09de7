#include <gtest/gtest.h>

#include "separatrix/report/text.h"

namespace separatrix {
namespace {

TEST(ReportText, HtmlHoldsNoMarkup) {
  EXPECT_EQ(escape_html("<b class=\"x\">R&D's</b>"),
            "&lt;b class=&quot;x&quot;&gt;R&amp;D&#39;s&lt;/b&gt;");
}

TEST(ReportText, JsonCannotLeaveItsScript) {
  const Json json = {{"error", "</script><!-- <script>"}, {"bad utf-8", std::string("\xff")}};
  const std::string text = script_json(json);
  EXPECT_EQ(text.find('<'), std::string::npos);
  EXPECT_EQ(Json::parse(text).at("error"), json.at("error"));
}

TEST(ReportText, CsvQuotesWhatNeedsIt) {
  EXPECT_EQ(csv_field("plain"), "plain");
  EXPECT_EQ(csv_field("a,b"), "\"a,b\"");
  EXPECT_EQ(csv_field("say \"no\"\n"), "\"say \"\"no\"\"\n\"");
}

TEST(ReportText, NumbersAsPeopleWriteThem) {
  EXPECT_EQ(format_lr(1e-3), "1e-3");
  EXPECT_EQ(format_lr(3e-3), "3e-3");
  EXPECT_EQ(format_lr(2.5e-4), "2.5e-4");
  EXPECT_EQ(format_lr(0.5), "5e-1");
  EXPECT_EQ(format_lr(9.9999e-4), "1e-3");
  EXPECT_EQ(format_lr(0), "0");
  EXPECT_EQ(format_seconds(0.417), "0.42 s");
  EXPECT_EQ(format_seconds(12.3), "12 s");
  EXPECT_EQ(format_seconds(200), "3 min 20 s");
  EXPECT_EQ(format_seconds(7500), "2 h 05 min");
  EXPECT_EQ(format_count(8192), "8192");
  EXPECT_EQ(format_count(1234567), "1 234 567");
  EXPECT_EQ(dashed("index_lookup"), "index-lookup");
}

TEST(ReportText, RoundingNeverFlatters) {
  EXPECT_EQ(format_percent(0.995), "99.5 %");
  EXPECT_EQ(format_percent(0.99999), "99.9 %");
  EXPECT_EQ(format_percent(1), "100 %");
  EXPECT_EQ(format_percent(0), "0 %");
  EXPECT_EQ(format_margin(0.49), "0.49");
  EXPECT_EQ(format_margin(0.49999), "0.499");
  EXPECT_EQ(format_margin(1), "1");
  EXPECT_EQ(format_margin(12.97), "12.9");
  EXPECT_EQ(format_margin(-0.4901), "-0.491");
}

TEST(ReportText, AbsentMembersAreNull) {
  EXPECT_EQ(text_at(Json::object(), "x"), "");
  EXPECT_EQ(text_at(nullptr, "x"), "");
  EXPECT_EQ(number_at({{"x", "text"}}, "x", 7), 7);
  EXPECT_TRUE(member_at(Json::array(), "x").is_null());
}

}  // namespace
}  // namespace separatrix

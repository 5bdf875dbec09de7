#include <set>

#include <gtest/gtest.h>

#include "separatrix/base/file.h"
#include "separatrix/bounds/bound.h"
#include "separatrix/report/html.h"
#include "separatrix/report/report.h"

namespace separatrix {
namespace {

ReportTrial trial(const char* model, Index width, std::optional<Index> bits, double accuracy) {
  ReportTrial t;
  t.model = model;
  t.layers = 1;
  t.width = width;
  t.state_bits = bits;
  t.outcome = accuracy >= 0.99 ? "solved" : "unsolved";
  t.stored.id = std::string(model) + std::to_string(width);
  t.stored.spec.task = "index-lookup";
  t.stored.spec.length = 20;
  t.stored.status = TrialStatus::done;
  for (const Index step : {0, 100, 200})
    t.stored.curve.push_back({.step = step,
                              .train_loss = 1,
                              .token_accuracy = accuracy * double(step) / 200,
                              .sequence_accuracy = 0,
                              .lr = 1e-3});
  t.last = t.stored.curve.back();
  return t;
}

ReportData example() {
  ReportData data;
  data.experiment = "made up";
  data.task = "index-lookup";
  data.length = 20;
  data.trials = {trial("lstm", 8, 512, 0.4), trial("lstm", 16, 1024, 0.995),
                 trial("transformer", 16, std::nullopt, 1)};
  data.criterion = TrainConfig{};
  data.chance = 1.0 / 64;
  data.recall = RecallCeiling::of_symbols(20, 64);
  data.rows = {{"recurrent state", {{"bits", 120}, {"exact", true}}, nullptr, {}},
               {"transformer 1 layer", nullptr, nullptr, {}}};
  return data;
}

/// Every layer's values under the key `field`, over the whole specification.
std::vector<double> values_of(const Json& spec, const char* field) {
  std::vector<double> out;
  for (const Json& layer : spec.at("layer"))
    if (layer.contains("data"))
      for (const Json& value : layer.at("data").at("values"))
        if (value.contains(field) && value.at(field).is_number()) out.push_back(value.at(field));
  return out;
}

TEST(ReportCharts, EveryChartHasMarksAndData) {
  const std::vector<Chart> charts = make_charts(example());
  ASSERT_EQ(charts.size(), 4U);
  std::set<std::string> ids;
  for (const Chart& chart : charts) {
    ids.insert(chart.id);
    EXPECT_FALSE(chart.caption.empty());
    EXPECT_EQ(chart.spec.at("width"), "container");
    EXPECT_FALSE(chart.spec.at("layer").empty());
    for (const Json& layer : chart.spec.at("layer")) {
      EXPECT_TRUE(layer.at("mark").contains("type"));
      const Json& data = layer.contains("data") ? layer.at("data") : chart.spec.at("data");
      EXPECT_FALSE(data.at("values").empty()) << chart.id;
    }
    EXPECT_EQ(Json::parse(chart.spec.dump()), chart.spec);
  }
  EXPECT_EQ(ids.size(), charts.size());
}

TEST(ReportCharts, TheStateChartShowsTheTrialsTheBoundAndTheCeiling) {
  const std::optional<Chart> chart = state_chart(example());
  ASSERT_TRUE(chart);
  EXPECT_EQ(values_of(chart->spec, "state_bits"), (std::vector<double>{512, 1024}));
  EXPECT_EQ(values_of(chart->spec, "accuracy"), (std::vector<double>{0.4, 0.995}));
  const std::vector<double> bits = values_of(chart->spec, "bits");
  const std::vector<double> ceiling = values_of(chart->spec, "ceiling");
  EXPECT_EQ(bits.back(), 120);  // the bound, after the curve's points
  ASSERT_GT(ceiling.size(), 20U);
  for (size_t i = 0; i < ceiling.size(); ++i)
    EXPECT_DOUBLE_EQ(ceiling[i], RecallCeiling::of_symbols(20, 64).accuracy(bits[i]));
  EXPECT_EQ(ceiling.back(), 1);  // 120 bits hold 20 symbols of 6 bits
}

TEST(ReportCharts, NothingToShowIsNoChart) {
  EXPECT_TRUE(make_charts(ReportData{}).empty());
  ReportData pending = example();
  for (ReportTrial& t : pending.trials) {
    t.last.reset();
    t.stored.curve.clear();
  }
  pending.rows.clear();
  EXPECT_TRUE(make_charts(pending).empty());
}

TEST(ReportPage, UntrustedTextIsEscapedEverywhere) {
  const std::string evil = "</script><script>evil()</script>\"'<!--";
  ReportData data = example();
  data.task = data.experiment = data.description = data.command = evil;
  data.machine = {{evil, evil}};
  data.rows[0].label = "recurrent " + evil;
  data.rows[0].impossible_below["method"] = data.rows[0].impossible_below["theorem"] = evil;
  data.rows[0].certified_at = {{"construction", evil},
                               {"certificate", {{"verdict", evil}, {"reason", evil}}}};
  data.rows[0].learned_at = {{.solved = false,
                              .model = evil,
                              .width = 1,
                              .state_bits = {},
                              .seeds_solved = 0,
                              .seeds = 1,
                              .lr_min = 0,
                              .lr_max = 0,
                              .best_accuracy = 0,
                              .budget = evil}};
  data.trials[0].model = data.trials[0].outcome = data.trials[0].stored.error = evil;
  data.trials[0].stored.id = data.trials[0].stored.spec.task = evil;
  const std::string page = report_page(data, make_charts(data), "2000-01-01");
  EXPECT_EQ(page.find("<script>evil"), std::string::npos);
  EXPECT_EQ(page.find("<!--"), std::string::npos);
  // Exactly our scripts end: one for each chart and the three embedded files.
  size_t ends = 0;
  for (size_t at = page.find("</script"); at != std::string::npos;
       at = page.find("</script", at + 1))
    ++ends;
  EXPECT_EQ(ends, make_charts(data).size() + 3);
}

TEST(ReportPage, AsksTheNetworkForNothing) {
  const std::string page = report_page(example(), make_charts(example()), "2000-01-01");
  EXPECT_NE(page.find("default-src 'none'"), std::string::npos);
  EXPECT_EQ(page.find(" src="), std::string::npos);
  EXPECT_EQ(page.find("sourceMappingURL"), std::string::npos);
}

}  // namespace
}  // namespace separatrix

#include <algorithm>
#include <set>

#include <gtest/gtest.h>

#include "separatrix/base/file.h"
#include "separatrix/bounds/bound.h"
#include "separatrix/report/bands.h"
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
  data.trials = {trial("lstm", 8, 512, 0.4), trial("lstm", 16, 1024, 0.995),
                 trial("transformer", 16, std::nullopt, 1)};
  data.members.assign(3, {0});
  for (std::size_t i = 0; i < data.trials.size(); ++i) {
    const ReportTrial& t = data.trials[i];
    Setting s;
    s.task = s.task_label = "index-lookup";
    s.model = s.model_label = t.model;
    s.length = 20;
    s.width = t.width;
    s.lr = 1e-3;
    s.spec = t.stored.spec;
    s.trials = {i};
    s.seeds = 1;
    s.solved = t.solved() ? 1 : 0;
    s.state_bits = t.state_bits;
    if (s.solved > 0) s.median_steps = 200;
    s.lengths.push_back({.length = 20, .chance = 1.0 / 64, .metrics = {}});
    s.lengths.front().metrics["token_accuracy"].add(t.last->token_accuracy);
    data.cells.push_back({.settings = {s}, .lr_min = {}, .lr_max = {}});
  }
  data.limits[{"index-lookup", 20}] = {.recall = RecallCeiling::of_symbols(20, 64),
                                       .bound_bits = 120};
  ReportExperiment experiment;
  experiment.name = "made up";
  experiment.task = "index-lookup";
  experiment.length = 20;
  experiment.criterion = TrainConfig{};
  experiment.rows = {{"recurrent state", {{"bits", 120}, {"exact", true}}, nullptr, {}},
                     {"transformer 1 layer", nullptr, nullptr, {}}};
  data.experiments = {experiment};
  return data;
}

std::vector<Chart> charts_of(const ReportData& data) {
  return make_charts(data, make_page_data(data));
}

std::string page_of(const ReportData& data) {
  const PageData page = make_page_data(data);
  return report_page(data, page, make_charts(data, page), "2000-01-01");
}

TEST(ReportCharts, EveryChartStandsAloneWithItsRows) {
  const ReportData data = example();
  const PageData page = make_page_data(data);
  std::set<std::string> ids;
  for (const Chart& chart : make_charts(data, page)) {
    ids.insert(chart.id);
    EXPECT_FALSE(chart.caption.empty());
    EXPECT_FALSE(chart.spec.at("spec").at("layer").empty());
    const Json alone = standalone(chart, page);
    EXPECT_FALSE(alone.at("datasets").at(alone.at("data").at("name")).empty()) << chart.id;
    EXPECT_FALSE(chart.spec.contains("datasets")) << "the page has the rows once, for all charts";
    EXPECT_EQ(Json::parse(alone.dump()), alone);
  }
  EXPECT_EQ(ids,
            (std::set<std::string>{"accuracy-over-length-and-width", "accuracy-over-state",
                                   "accuracy-over-width", "learning-curves", "steps-over-width"}));
}

TEST(ReportCharts, TheStateChartShowsTheSettingsTheBoundAndTheCeiling) {
  const ReportData data = example();
  const PageData page = make_page_data(data);
  const std::vector<Chart> charts = make_charts(data, page);
  const auto chart = std::find_if(charts.begin(), charts.end(),
                                  [](const Chart& c) { return c.id == "accuracy-over-state"; });
  ASSERT_NE(chart, charts.end());
  const Json rows = standalone(*chart, page).at("datasets").at("measured");
  std::vector<double> bits, accuracies, bounds, ceilings;
  for (const Json& row : rows)
    if (!row.contains("mark")) {
      if (row.at("state_bits").is_number()) bits.push_back(row.at("state_bits"));
      accuracies.push_back(row.at("accuracy"));
    } else if (row.at("mark") == "bound") {
      bounds.push_back(row.at("value"));
    } else if (row.at("mark") == "ceiling") {
      ceilings.push_back(row.at("top"));
      EXPECT_NEAR(ceilings.back(),
                  RecallCeiling::of_symbols(20, 64).accuracy(row.at("value").get<double>()), 0.01);
    }
  EXPECT_EQ(bits, (std::vector<double>{512, 1024}));
  EXPECT_EQ(accuracies, (std::vector<double>{0.4, 0.995}));  // a transformer has no state bits
  EXPECT_EQ(bounds, std::vector<double>{120});
  ASSERT_GT(ceilings.size(), 15U);
  EXPECT_EQ(ceilings.back(), 1);  // 120 bits hold 20 symbols of 6 bits
}

TEST(ReportCharts, NothingToShowIsNoChart) {
  EXPECT_TRUE(charts_of(ReportData{}).empty());
  ReportData pending = example();
  for (ReportTrial& t : pending.trials) t.stored.curve.clear();
  for (Cell& cell : pending.cells) {
    Setting& s = cell.settings.front();
    s.lengths.front().metrics.clear();
    s.median_steps.reset();
    s.unfinished = s.seeds;
  }
  const std::vector<Chart> charts = charts_of(pending);
  ASSERT_EQ(charts.size(), 1U);  // the heatmap says what is not finished
  EXPECT_EQ(charts.front().id, "accuracy-over-length-and-width");
}

TEST(ReportCharts, TasksHaveTheirOwnChartsAndOneColourForAModel) {
  ReportData data = example();
  data.cells[2].settings.front().task_label = "bounded-dyck";
  const std::vector<TaskView> views = task_views(data, make_page_data(data));
  ASSERT_EQ(views.size(), 2U);
  EXPECT_EQ(views[0].models, views[1].models);
  std::set<std::string> ids;
  for (const Chart& chart : charts_of(data)) EXPECT_TRUE(ids.insert(chart.id).second) << chart.id;
}

TEST(PageData, SpecificationsComeBackFromTheirParts) {
  const ReportData data = example();
  const Json page = to_json(make_page_data(data));
  const Json& specs = page.at("specs");
  for (std::size_t i = 0; i < data.cells.size(); ++i) {
    const Json& of = specs.at("of").at(i);
    Json spec = specs.at("tasks").at(of.at(0).get<std::size_t>());
    spec["model"] = specs.at("models").at(of.at(1).get<std::size_t>());
    for (Json& layer : spec["model"]["layers"])
      layer = specs.at("layers").at(layer.get<std::size_t>());
    spec["train"] = specs.at("trains").at(of.at(2).get<std::size_t>());
    spec["train"]["lr"] = data.cells[i].best().lr;
    spec["seed"] = 0;
    EXPECT_EQ(spec, to_json(data.cells[i].best().spec));
  }
  EXPECT_EQ(specs.at("trains").size(), 1U) << "what is shared is stored once";
}

TEST(PageData, TextsAreNumbersIntoOneList) {
  DataTable table({"model", "width"});
  table.add({"lstm", 8});
  table.add({"gru", 8});
  table.add({"lstm", 16});
  const Json compact = table.compact();
  EXPECT_EQ(compact.at("words"), Json({"lstm", "gru"}));
  EXPECT_EQ(compact.at("text"), Json({"model"}));
  EXPECT_EQ(compact.at("rows"), Json::parse("[[0,8],[1,8],[0,16]]"));
  EXPECT_EQ(table.objects("model", {"gru"}), Json::parse(R"([{"model":"gru","width":8}])"));
}

TEST(SeedBand, ARunThatEndedCountsOn) {
  std::vector<ReportTrial> trials = {trial("lstm", 8, 1, 1), trial("lstm", 8, 1, 0.5)};
  trials[0].stored.curve.pop_back();  // 0, 0.5 at 100, ended
  trials.push_back(trials[1]);
  Setting setting;
  setting.trials = {0, 1, 2};
  const std::vector<BandPoint> band = seed_band(setting, trials, 80);
  ASSERT_EQ(band.size(), 3U);
  EXPECT_EQ(band[1].step, 100);
  EXPECT_EQ(band[1].median, 0.25);
  EXPECT_EQ(band[2].step, 200);
  EXPECT_EQ(band[2].min, 0.5);
  EXPECT_EQ(band[2].max, 0.5);
  const std::vector<BandPoint> thin = seed_band(setting, trials, 2);
  ASSERT_EQ(thin.size(), 2U);
  EXPECT_EQ(thin[1].step, 200);
  setting.trials.clear();
  EXPECT_TRUE(seed_band(setting, trials, 80).empty());
}

TEST(ReportPage, UntrustedTextIsEscapedEverywhere) {
  const std::string evil = "</script><script>evil()</script>\"'<!--";
  ReportData data = example();
  ReportExperiment& experiment = data.experiments.front();
  experiment.task = experiment.name = experiment.description = experiment.command = evil;
  experiment.title = experiment.source = experiment.budget = evil;
  experiment.machine = {{evil, evil}};
  experiment.rows[0].label = "recurrent " + evil;
  experiment.rows[0].impossible_below["method"] = evil;
  experiment.rows[0].impossible_below["theorem"] = evil;
  experiment.rows[0].certified_at = {{"construction", evil},
                                     {"certificate", {{"verdict", evil}, {"reason", evil}}}};
  experiment.rows[0].learned_at = {{.solved = false,
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
  Setting& setting = data.cells.front().settings.front();
  setting.task = setting.task_label = setting.model_label = setting.spec.task = evil;
  for (const bool several : {false, true}) {
    if (several) data.experiments.push_back(data.experiments.front());
    const std::string page = page_of(data);
    EXPECT_EQ(page.find("<script>evil"), std::string::npos);
    EXPECT_EQ(page.find("<!--"), std::string::npos);
    // Exactly our scripts end: one for each chart, the data, and the three embedded ones.
    size_t ends = 0;
    for (size_t at = page.find("</script"); at != std::string::npos;
         at = page.find("</script", at + 1))
      ++ends;
    EXPECT_EQ(ends, charts_of(data).size() + 4);
  }
}

TEST(ReportPage, AsksTheNetworkForNothing) {
  const std::string page = page_of(example());
  EXPECT_NE(page.find("default-src 'none'"), std::string::npos);
  EXPECT_EQ(page.find(" src="), std::string::npos);
  EXPECT_EQ(page.find("sourceMappingURL"), std::string::npos);
}

}  // namespace
}  // namespace separatrix

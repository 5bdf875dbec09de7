#include <gtest/gtest.h>

#include "separatrix/report/export.h"
#include "separatrix/report/latex.h"
#include "separatrix/report/results.h"
#include "separatrix/report/tensorboard.h"

namespace separatrix {
namespace {

Json judged(Index length, double token) {
  return {{"length", length},
          {"examples", 500},
          {"token_accuracy", token},
          {"sequence_accuracy", token / 2},
          {"chance", 0.25},
          {"scaled_accuracy", (token - 0.25) / 0.75},
          {"cross_entropy", 0.5},
          {"bits_recalled", 12.5},
          {"state_efficiency", nullptr}};
}

/// An LSTM of one layer on index lookup, judged at its length and the double.
StoredTrial trial(Index length, Index width, double lr, std::uint64_t seed, double accuracy) {
  StoredTrial t;
  t.spec.task = "index-lookup";
  t.spec.task_config = {{"alphabet", 4}, {"query", "last"}};
  t.spec.length = length;
  t.spec.model.d_model = width;
  t.spec.model.layers.push_back({.block = "lstm", .config = Json::object()});
  t.spec.train.lr = lr;
  t.spec.seed = seed;
  t.id = t.spec.id();
  t.status = TrialStatus::done;
  t.result = {
      {"outcome", accuracy > 0.99 ? "solved" : "unsolved"},
      {"step", 200},
      {"token_accuracy", accuracy},
      {"sequence_accuracy", accuracy / 2},
      {"parameters", 321},
      {"seconds", 8.0},
      {"metrics", Json::array({judged(length, accuracy), judged(2 * length, accuracy / 2)})}};
  t.curve = {{.step = 100, .train_loss = 1.5, .lr = lr},
             {.step = 200, .train_loss = 0.5, .lr = lr}};
  return t;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < text.size(); at = text.find('\n', at) + 1)
    lines.push_back(text.substr(at, text.find('\n', at) - at));
  return lines;
}

TEST(ReportCsv, OneLineForEachTrial) {
  ReportData data;
  data.experiments.emplace_back().name = "made up";
  data.members = {{0}, {0}};
  for (const std::uint64_t seed : {0U, 1U}) {
    data.trials.emplace_back();
    data.trials.back().stored = trial(8, 16, 1e-3, seed, 0.7);
  }
  StoredTrial& failed = data.trials[1].stored;
  failed.status = TrialStatus::failed;
  failed.error = "a \"quoted\", broken\nerror";
  failed.result = Json::object();
  failed.curve.clear();
  const std::string csv = results_csv(data);
  EXPECT_EQ(csv.substr(0, csv.find('\n')),
            "trial,task,length,model,layers,width,state_bits,lr,seed,batch_size,steps_limit,"
            "target_accuracy,status,outcome,step,train_loss,token_accuracy,sequence_accuracy,"
            "seconds,tokens_per_second,error,experiment,task_config,parameters,chance,"
            "scaled_accuracy,cross_entropy,bits_recalled,state_efficiency");
  EXPECT_NE(csv.find("\n" + data.trials[0].stored.id +
                     ",index-lookup,8,lstm,1,16,1024,0.001,0,64,20000,0.995,done,unsolved,200,0.5,"
                     "0.7,0.35,8.0,,,made up,"),
            std::string::npos)
      << csv;
  EXPECT_NE(csv.find(",failed,failed,,,,,,,\"a \"\"quoted\"\", broken\nerror\",made up,"),
            std::string::npos)
      << csv;
}

TEST(ReportCsv, MetricsStandInTheirColumns) {
  const Catalogue catalogue = Catalogue::builtin();
  const StoredTrial t = trial(8, 16, 1e-3, 3, 0.7);
  const std::string end = ",a b,\"{\"\"alphabet\"\":4,\"\"query\"\":\"\"last\"\"}\",321,0.25,";
  const std::string line = results_line("a b", t, catalogue.blocks);
  ASSERT_NE(line.find(end), std::string::npos) << line;
  EXPECT_EQ(line.substr(line.find(end) + end.size()),
            judged(8, 0.7)["scaled_accuracy"].dump() + ",0.5,12.5,\n");
}

TEST(ReportCsv, OneLineForEachLengthJudged) {
  EXPECT_EQ(lengths_header(),
            "trial,experiment,length,examples,token_accuracy,sequence_accuracy,chance,"
            "scaled_accuracy,cross_entropy,bits_recalled,state_efficiency\n");
  const StoredTrial t = trial(8, 16, 1e-3, 3, 0.75);
  const std::vector<std::string> lines = lines_of(lengths_lines("e,1", t));
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0].substr(64), ",\"e,1\",8,500,0.75,0.375,0.25,0.6666666666666666,0.5,12.5,");
  EXPECT_EQ(lines[1].substr(64), ",\"e,1\",16,500,0.375,0.1875,0.25,0.16666666666666666,0.5,12.5,");
  StoredTrial old = t;
  old.result.erase("metrics");
  EXPECT_EQ(lengths_lines("e", old), "");
}

TEST(Tensorboard, RunNamesAreFileNames) {
  StoredTrial t = trial(8, 16, 1e-3, 3, 0.7);
  t.id = "0123456789abcdef";
  EXPECT_EQ(tensorboard_run_name(t), "index-lookup-8-lstm-1x16-lr1e-3-seed3-0123456789ab");
  t.spec.task = "../a b/\n";
  EXPECT_EQ(tensorboard_run_name(t).find_first_of("/ \n"), std::string::npos);
}

TEST(Tensorboard, AFileBeginsWithItsVersion) {
  const std::string bytes = tensorboard_events(trial(8, 16, 1e-3, 3, 0.7));
  // 24 bytes: wall time 0, file_version = "brain.Event:2". tests/outside reads the rest.
  EXPECT_EQ(bytes.substr(0, 8), std::string("\x18\0\0\0\0\0\0\0", 8));
  EXPECT_EQ(bytes.substr(12, 24),
            std::string("\x09\0\0\0\0\0\0\0\0\x1a\x0d", 11) + "brain.Event:2");
}

TEST(Latex, SpecialsAreEscaped) {
  EXPECT_EQ(escape_latex("a_b & 5 % of $x #1 {y} ~ ^ \\ <|>\n"),
            "a\\_b \\& 5 \\% of \\$x \\#1 \\{y\\} \\textasciitilde{} \\textasciicircum{} "
            "\\textbackslash{} \\textless{}\\textbar{}\\textgreater{} ");
}

TEST(Latex, TheBestLearningRateOfEachCell) {
  const std::vector<StoredTrial> trials = {
      trial(8, 16, 1e-3, 0, 0.625), trial(8, 16, 1e-3, 1, 0.625), trial(8, 16, 3e-3, 0, 1),
      trial(8, 16, 3e-3, 1, 0.5),   trial(8, 32, 1e-3, 0, 1),     trial(20, 16, 1e-3, 0, 0.5)};
  const std::string text = latex_accuracy(cells_of(trials, Catalogue::builtin()), "tab:x");
  EXPECT_NE(text.find("\n & \\multicolumn{2}{c}{length 8} & \\multicolumn{1}{c}{length 20} \\\\\n"
                      "\\cmidrule(lr){2-3}\\cmidrule(lr){4-4}\n"
                      "Model & width 16 & width 32 & width 16 \\\\\n\\midrule\n"
                      "lstm & 75 (1/2) & 100 (1/1) & 50 (0/1) \\\\\n\\bottomrule"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("(1e-3, 3e-3), up to 2 seeds each; chance: 25\\,\\% at length 8, 25\\,\\% at "
                      "length 20."),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("\\label{tab:x-1}"), std::string::npos);
}

TEST(Latex, WideTablesAreSplitAndGapsAreDashes) {
  std::vector<StoredTrial> trials;
  for (const Index length : {4, 8, 12})
    for (const Index width : {8, 16, 32, 64}) trials.push_back(trial(length, width, 1e-3, 0, 0.5));
  trials.push_back(trial(4, 8, 1e-3, 0, 0.5));
  trials.back().spec.model.layers[0].block = "gru";
  const std::string text = latex_accuracy(cells_of(trials, Catalogue::builtin()), "t");
  EXPECT_NE(text.find("{lrrrrrrrr}"), std::string::npos) << text;  // lengths 4 and 8
  EXPECT_NE(text.find("{lrrrr}"), std::string::npos);              // length 12
  EXPECT_NE(text.find("gru & 50 (0/1) & -- & -- & -- & -- & -- & -- & -- \\\\"), std::string::npos)
      << text;
  EXPECT_EQ(text.find("t-3"), std::string::npos);
}

TEST(Latex, NoRowsNoTable) { EXPECT_EQ(latex_separation({}, "about", "t"), ""); }

}  // namespace
}  // namespace separatrix

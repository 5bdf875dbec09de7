#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "separatrix/report/data.h"
#include "separatrix/report/table.h"

namespace separatrix {
namespace {

Json certified(const Json& bits, Index width, const char* construction, double margin) {
  return {{"construction", construction},
          {"width", width},
          {"state_bits", bits},
          {"rechecked", true},
          {"certificate",
           {{"verdict", "proved"}, {"margin", margin}, {"claim", {{"arithmetic", "float32"}}}}}};
}

LearnedAt learned(bool solved, const char* model, Index width, std::optional<Index> bits) {
  return {.solved = solved,
          .model = model,
          .width = width,
          .state_bits = bits,
          .seeds_solved = solved ? 3 : 0,
          .seeds = 3,
          .lr_min = 1e-3,
          .lr_max = 3e-3,
          .best_accuracy = 0.431,
          .budget = "widths 8, 16; learning rates 1e-3, 3e-3; 3 seeds; 3000 steps"};
}

Separation example() {
  Separation separation{.experiment = "x",
                        .task = "index-lookup",
                        .description = "What is asked",
                        .length = 20,
                        .rows = {},
                        .interrupted = false};
  separation.rows = {{"recurrent state",
                      {{"bits", 120}, {"exact", true}, {"resource", "recurrent_state_bits"}},
                      certified(120, 120, "shift_register_rnn", 1),
                      {learned(true, "lstm", 32, 2048), learned(false, "gru", 16, 512)}},
                     {"transformer 1 layer",
                      nullptr,
                      certified(nullptr, 17, "index_lookup_transformer", 0.4951),
                      {learned(true, "transformer", 16, std::nullopt)}}};
  return separation;
}

TEST(ReportTable, LooksAsPromised) {
  const TrainConfig criterion{.final_examples = 5000, .target_accuracy = 0.99};
  EXPECT_EQ(separation_table(example(), criterion), R"(Index lookup: What is asked.

                     impossible below  certified at                              learned at (99 % of 5000 fresh inputs)
recurrent state      120 bits (exact)  120 bits, shift-register-rnn (proved)     lstm: 32 units = 2048 bits, 3/3 seeds, lr 1e-3..3e-3
                                                                                 gru: not solved up to 16 units = 512 bits, best 43.1 %
transformer 1 layer  -                 width 17, float32, margin 0.495 (proved)  width 16, 3/3 seeds, lr 1e-3..3e-3
(budget: widths 8, 16; learning rates 1e-3, 3e-3; 3 seeds; 3000 steps)
)");
}

TEST(ReportTable, SaysWhatIsMissing) {
  EXPECT_EQ(impossible_text(nullptr), "-");
  EXPECT_EQ(certified_text(nullptr), "-");
  EXPECT_EQ(impossible_text({{"bits", 9}, {"exact", false}}), "9 bits (lower bound)");
  Json undecided = certified(nullptr, 17, "c", 0.5);
  undecided["certificate"]["verdict"] = "undecided";
  EXPECT_EQ(certified_text(undecided), "width 17, float32 (undecided)");
  Json unchecked = certified(64, 8, "c", 0.5);
  unchecked["rechecked"] = false;
  EXPECT_EQ(certified_text(unchecked), "64 bits, c (proved, not rechecked)");
  EXPECT_EQ(learned_text(LearnedAt{}), "not tried");
  Separation interrupted = example();
  interrupted.interrupted = true;
  EXPECT_NE(separation_table(interrupted).find("interrupted"), std::string::npos);
}

TEST(ReportTable, SaysHowSureASuccessIsAndWhenOnlySomeSeedsSolve) {
  LearnedAt at = learned(true, "lstm", 32, 2048);
  at.tried = {{.width = 32, .rates = {{.lr = 1e-3, .seeds = 3, .solved = 3}}}};
  at.success_low = 0.4385;
  at.success_high = 1;
  at.steps_median = 1300;
  EXPECT_EQ(learned_text(at),
            "32 units = 2048 bits, 3/3 seeds (44..100 %), lr 1e-3..3e-3, 1300 steps");
  at.solved = false;
  at.tried[0].rates[0].solved = 1;
  EXPECT_EQ(learned_text(at),
            "not solved up to 32 units = 2048 bits, best 43.1 %, at most 1/3 seeds");
}

TEST(ReportTable, BudgetsThatDifferAreSaidWithTheirModels) {
  Separation two = example();
  two.rows[0].learned_at.push_back(learned(false, "rnn", 16, 512));
  two.rows[0].learned_at.back().budget += "; 2 trials failed";
  EXPECT_THAT(separation_table(two), testing::HasSubstr("(budget of gru: widths"));
  EXPECT_THAT(separation_table(two), testing::HasSubstr("(budget of rnn: widths"));
}

TEST(ReportTable, RowsSurviveTheStore) {
  const SeparationRow row = example().rows[0];
  EXPECT_EQ(to_json(read_separation_row(to_json(row))), to_json(row));
}

}  // namespace
}  // namespace separatrix

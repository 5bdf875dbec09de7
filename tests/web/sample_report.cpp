// Writes a report of made-up trials, for the page's test: sample_report FOLDER, and FOLDER large
// for ten thousand trials of two tasks. Every text says that the figures are synthetic; two of them
// try to break out of the page.
#include <cmath>
#include <cstdio>
#include <filesystem>

#include "separatrix/base/file.h"
#include "separatrix/lab/models.h"
#include "separatrix/lab/separate.h"
#include "separatrix/lab/sqlite.h"
#include "separatrix/report/report.h"
#include "separatrix/report/scaling.h"

namespace separatrix {
namespace {

constexpr const char* kExperiment = "synthetic";
constexpr Index kLength = 20, kAlphabet = 64, kSteps = 3000;

TrialSpec trial_spec(const std::string& model, Index width, double lr, std::uint64_t seed) {
  TrialSpec spec;
  spec.task = "index-lookup";
  spec.task_config = {{"alphabet", kAlphabet}, {"query", "last"}};
  spec.length = kLength;
  Registry<Block> blocks("block");
  register_blocks(blocks);
  spec.model = named_model({model, {.d_model = width}},
                           {.vocab_size = kAlphabet + kLength,
                            .n_classes = kAlphabet,
                            .n_tokens = kLength + 1,
                            .reference = ""},
                           blocks);
  spec.train.steps = kSteps;
  spec.train.lr = lr;
  spec.train.target_accuracy = 0.99;
  spec.seed = seed;
  return spec;
}

/// A made-up learning curve: wider and later is better.
double accuracy_at(const TrialSpec& spec, Index step) {
  const double width = double(spec.model.d_model);
  const bool lstm = spec.model.layers.front().block == "lstm";
  const double middle = (lstm ? 60'000.0 : 9'000.0) / width * (1e-3 / spec.train.lr + 0.4) *
                        (1 + 0.15 * double(spec.seed));
  const double top = lstm ? std::min(1.0, 0.25 + width / 40) : std::min(1.0, 0.6 + width / 40);
  return 1.0 / 64 + (top - 1.0 / 64) / (1 + std::exp(-(double(step) - middle) / (middle / 6)));
}

void run_made_up(Store& store, const TrialSpec& spec) {
  CurvePoint point;
  bool solved = false;
  for (Index step = 0; step <= spec.train.steps && !solved; step += spec.train.eval_every) {
    point = {.step = step,
             .train_loss = 4.2 * (1 - accuracy_at(spec, step)),
             .token_accuracy = accuracy_at(spec, step),
             .sequence_accuracy = accuracy_at(spec, step),
             .lr = spec.train.lr};
    store.record(spec.id(), point);
    solved = point.token_accuracy >= spec.train.target_accuracy;
  }
  store.finish(spec.id(), TrialStatus::done,
               {{"outcome", solved ? "solved" : "unsolved"},
                {"step", point.step},
                {"train_loss", point.train_loss},
                {"token_accuracy", point.token_accuracy},
                {"sequence_accuracy", point.sequence_accuracy},
                {"seconds", double(point.step) / 400},
                {"tokens_per_second", 5e5},
                {"parameters", 1000}});
}

void put_trials(Store& store) {
  std::vector<TrialSpec> specs;
  for (const Index width : {8, 16, 32, 64})
    for (const char* model : {"transformer", "lstm"})
      for (const double lr : {1e-3, 3e-3})
        for (std::uint64_t seed = 0; seed < 3; ++seed)
          if (width <= 16 || std::string(model) == "lstm")
            specs.push_back(trial_spec(model, width, lr, seed));
  store.enqueue(kExperiment, specs);
  for (Index i = 0; const std::optional<TrialSpec> spec = store.claim(kExperiment, "test"); ++i) {
    if (i == 3)
      store.finish(spec->id(), TrialStatus::failed, Json::object(),
                   "synthetic </script><script>window.hacked = true</script> & \"quotes\"");
    else if (i == 5)
      store.finish(spec->id(), TrialStatus::diverged,
                   {{"outcome", "diverged"}, {"step", 40}, {"token_accuracy", 0.0}});
    else
      run_made_up(store, *spec);
  }
}

Json certified(const char* construction, Index width, const Json& bits, double margin) {
  return {{"construction", construction},
          {"width", width},
          {"state_bits", bits},
          {"rechecked", true},
          {"certificate",
           {{"verdict", "proved"},
            {"method", "synthetic"},
            {"margin", margin},
            {"inputs", "26584559915698317458076141205606891520"},
            {"weights_sha256", std::string(64, 'a')},
            {"trusted_base", "synthetic: nothing was certified for this page"},
            {"claim", {{"arithmetic", "float32"}, {"theorem", "synthetic <b>theorem</b>"}}}}}};
}

void put_findings(Store& store) {
  SeparationRow recurrent{.label = "recurrent state",
                          .impossible_below = {{"resource", "recurrent_state_bits"},
                                               {"bits", 120},
                                               {"count", "1329227995784915872903807060280344576"},
                                               {"exact", true},
                                               {"method", "synthetic"},
                                               {"theorem", "synthetic"},
                                               {"checked", "synthetic: not checked"}},
                          .certified_at = certified("shift_register_rnn", 120, 120, 1),
                          .learned_at = {}};
  recurrent.learned_at.push_back({.solved = true,
                                  .model = "lstm",
                                  .width = 32,
                                  .state_bits = 2048,
                                  .seeds_solved = 3,
                                  .seeds = 3,
                                  .lr_min = 3e-3,
                                  .lr_max = 3e-3,
                                  .best_accuracy = 0.995,
                                  .budget = "synthetic"});
  SeparationRow transformer{
      .label = "transformer 1 layer",
      .impossible_below = nullptr,
      .certified_at = certified("index_lookup_transformer", 17, nullptr, 0.49),
      .learned_at = {}};
  transformer.learned_at.push_back(
      {.solved = false,
       .model = "transformer",
       .width = 16,
       .state_bits = {},
       .seeds_solved = 0,
       .seeds = 3,
       .lr_min = 0,
       .lr_max = 0,
       .best_accuracy = 0.97,
       .budget = "widths 8, 16; learning rates 1e-3, 3e-3; 3 seeds; 3000 steps"});
  store.put(kExperiment, "separation", "separation",
            {{"task", "index-lookup"},
             {"task_config", {{"alphabet", kAlphabet}, {"query", "last"}}},
             {"description",
              "synthetic data made by a test; nothing on this page was measured "
              "</script><script>window.hacked = true</script>"},
             {"length", kLength},
             {"command", "separatrix separate index-lookup --length 20 --budget quick"},
             {"rows", {to_json(recurrent), to_json(transformer)}},
             {"interrupted", false}});
  store.put(kExperiment, "machine", "machine",
            {{"cpu", "synthetic"}, {"cores", 2}, {"compiler", "synthetic"}, {"commit", "0000000"}});
}

/// 1000 cells of 5 rates and 2 seeds.
std::vector<TrialSpec> many_trials() {
  const Catalogue catalogue = Catalogue::builtin();
  std::vector<TrialSpec> specs;
  TrialSpec spec;
  spec.train.steps = kSteps;
  spec.eval_lengths = {512};
  for (const char* task : {"index-lookup", "bounded-dyck"})
    for (Index length = 10; length <= 100; length += 10) {
      spec.task = task;
      spec.task_config = catalogue.tasks.find(task).resolve(Json::object(), "");
      spec.length = length;
      const TaskInfo info = catalogue.tasks.make(task, spec.task_config)->info(length);
      for (const char* model : {"transformer", "lstm", "gru", "mamba", "retnet"})
        for (Index width = 8; width <= 80; width += 8) {
          spec.model = resolve(named_model({model, {.d_model = width}}, info, catalogue.blocks),
                               catalogue.blocks);
          for (const double lr : {1e-4, 3e-4, 1e-3, 3e-3, 1e-2})
            for (spec.seed = 0; spec.seed < 2; ++spec.seed) {
              spec.train.lr = lr;
              specs.push_back(spec);
            }
        }
    }
  return specs;
}

Json made_up_result(const TrialSpec& spec, double accuracy, Index step) {
  Json metrics = Json::array();
  for (const Index length : {spec.length, Index(512)})
    metrics.push_back({{"length", length},
                       {"token_accuracy", length == spec.length ? accuracy : accuracy / 2},
                       {"chance", 1.0 / 64}});
  return {{"outcome", accuracy >= 0.99 ? "solved" : "unsolved"},
          {"step", step},
          {"token_accuracy", accuracy},
          {"sequence_accuracy", accuracy},
          {"metrics", metrics},
          {"state_bits", spec.model.d_model * 32},
          {"seconds", 12.5},
          {"parameters", 12345}};
}

/// Past Store, whose every point is a transaction, as one: 300 000 of them would take a minute.
void put_many(Store& store) {
  const std::vector<TrialSpec> specs = many_trials();
  store.enqueue("synthetic-large", specs);
  sqlite::Database db(store.path(), 1000);
  sqlite::Transaction transaction(db);
  sqlite::Statement record(db, "INSERT INTO points (trial, step, point) VALUES (?1, ?2, ?3)");
  sqlite::Statement finish(db, "UPDATE trials SET status = 'done', result = ?2 WHERE id = ?1");
  for (const TrialSpec& spec : specs) {
    const std::string id = spec.id();
    CurvePoint point;
    for (Index step = 0; step < kSteps; step += 100) {
      const double accuracy =
          std::min(1.0, accuracy_at(spec, step) * (1.2 - double(spec.length) / 200));
      point = {.step = step,
               .train_loss = 4 * (1 - accuracy),
               .token_accuracy = accuracy,
               .sequence_accuracy = accuracy,
               .lr = spec.train.lr};
      record.bind(id, step, to_json(point).dump()).run();
    }
    finish.bind(id, made_up_result(spec, point.token_accuracy, point.step).dump()).run();
  }
  transaction.commit();
}

std::string write_scaling(const std::filesystem::path& folder) {
  Scaling scaling;
  scaling.machine = {{"cpu", "synthetic"}};
  for (const char* model : {"lstm", "gru"})
    scaling.series.push_back({.model = model,
                              .live = "last",
                              .axis = "length",
                              .points = {{.size = 20, .ms = 1, .ms_min = 1, .ms_max = 2},
                                         {.size = 40, .ms = 2, .ms_min = 2, .ms_max = 3}}});
  const std::string path = (folder / "scaling.html").string();
  write_file_atomic(path, scaling_page(scaling, "2000-01-01"));
  return path;
}

}  // namespace
}  // namespace separatrix

int main(int argc, char** argv) {
  using namespace separatrix;  // NOLINT(google-build-using-namespace)
  const std::string_view kind = argc == 3 ? argv[2] : "";
  const bool large = kind == "large";
  if (argc != 2 && !large && kind != "scaling") return 2;
  try {
    const std::filesystem::path folder(argv[1]);
    std::filesystem::create_directories(folder);
    if (kind == "scaling") {
      std::puts(write_scaling(folder).c_str());
      return 0;
    }
    for (const char* suffix : {"", "-wal", "-shm"})
      std::filesystem::remove(folder / (std::string("sample.db") + suffix));
    Store store((folder / "sample.db").string());
    if (large) {
      put_many(store);
    } else {
      put_trials(store);
      put_findings(store);
    }
    std::puts(write_report(store, /*experiment=*/{}, folder.string()).html.c_str());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}

#include <algorithm>
#include <ctime>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "separatrix/base/file.h"
#include "separatrix/cli/session.h"
#include "separatrix/cli/step_timer.h"
#include "separatrix/lab/machine.h"
#include "separatrix/lab/models.h"
#include "separatrix/report/scaling.h"

namespace separatrix {
namespace {

using Names = std::vector<std::string>;

struct ScalingOptions {
  Names models = {"transformer", "lstm"}, live = {"last", "all"};
  Names lengths = {"20", "50", "100", "200", "400", "800", "1600", "3200"};
  Names widths = {"16", "32", "64", "128", "256", "512"};
  Names batches = {"1", "4", "16", "64", "256"}, layers = {"1", "2", "4", "8"};
  Index length = 100, d_model = 64, batch = 64, depth = 1;
  Index threads = 1, repetitions = 3;
  std::string output;
};

std::vector<Index> sizes(const Names& words, const char* flag) {
  std::vector<Index> out;
  for (const std::string& word : words) {
    const Index size = parse_flag(word, detail::type_name<Index>(), flag).get<Index>();
    check_positive(size, flag);
    out.push_back(size);
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

/// One step at these sizes.
StepTime time_at(const ScalingSeries& series, const Scaling& at, const ScalingOptions& o,
                 const Session& session) {
  TaskInfo info;
  const Batch batch =
      make_bench_batch({.length = at.length, .batch = at.batch, .all = series.live == "all"},
                       session.catalogue.tasks, info);
  const NamedModel model{series.model, {.layers = at.layers, .d_model = at.width}};
  const ModelSpec spec =
      resolve(named_model(model, info, session.catalogue.blocks), session.catalogue.blocks);
  return time_step(spec, session.catalogue.blocks, batch,
                   {o.threads, o.repetitions, &session.stop});
}

void measure(Scaling& scaling, const ScalingOptions& o, const Session& session) {
  struct Axis {
    const char* name;
    Index Scaling::*size;
    std::vector<Index> values;
  };
  const Axis axes[] = {{"length", &Scaling::length, sizes(o.lengths, "--lengths")},
                       {"width", &Scaling::width, sizes(o.widths, "--widths")},
                       {"batch", &Scaling::batch, sizes(o.batches, "--batches")},
                       {"layers", &Scaling::layers, sizes(o.layers, "--layers")}};
  for (const Axis& axis : axes)
    for (const std::string& model : o.models)
      for (const std::string& live : o.live) {
        ScalingSeries series{
            find_model_family(model, session.catalogue.blocks).name, live, axis.name, {}};
        Scaling at = scaling;
        for (const Index value : axis.values) {
          if (session.stop) break;
          at.*axis.size = value;
          const StepTime t = time_at(series, at, o, session);
          series.points.push_back({value, t.ms, t.ms_min, t.ms_max, t.gflops});
        }
        if (!series.points.empty()) scaling.series.push_back(std::move(series));
      }
}

void check(const ScalingOptions& o, const Session& session) {
  for (const std::string& model : o.models) find_model_family(model, session.catalogue.blocks);
  for (const std::string& live : o.live) check_live(live);
  check_positive(o.length, "--length");
  check_positive(o.d_model, "--d-model");
  check_positive(o.batch, "--batch");
  check_positive(o.depth, "--depth");
  check_positive(o.threads, "--threads");
  check_positive(o.repetitions, "--repetitions");
}

}  // namespace

/// `separatrix bench scaling`: one size grows, the others stay.
void add_bench_scaling(Command command, Session& session) {
  auto o = std::make_shared<ScalingOptions>();
  command.list("models", o->models, "families to time");
  command.list("live", o->live, "positions that are read: last, all");
  command.list("lengths", o->lengths, "N of index lookup, N + 1 tokens");
  command.list("widths", o->widths, "d_model");
  command.list("batches", o->batches, "sequences per step");
  command.list("layers", o->layers, "numbers of layers");
  command.option("length", o->length, "N while something else grows");
  command.option("d-model", o->d_model, "width while something else grows");
  command.option("batch", o->batch, "sequences while something else grows");
  command.option("depth", o->depth, "layers while something else grows");
  command.option("threads", o->threads, "as many shards and threads");
  command.option("repetitions", o->repetitions, "the median of so many is reported");
  command.output(o->output, "also writes a page with the charts");
  command.run([o, &session] {
    check(*o, session);
    Scaling scaling{.length = o->length,
                    .width = o->d_model,
                    .batch = o->batch,
                    .layers = o->depth,
                    .threads = o->threads,
                    .peak_gflops = measure_peak() * double(o->threads),
                    .machine = describe_machine(),
                    .series = {}};
    measure(scaling, *o, session);
    const std::string today = fmt::format("{:%Y-%m-%d}", fmt::gmtime(std::time(nullptr)));
    if (!o->output.empty()) write_file_atomic(o->output, scaling_page(scaling, today));
    session.print(scaling_json(scaling), scaling_text(scaling));
  });
}

}  // namespace separatrix

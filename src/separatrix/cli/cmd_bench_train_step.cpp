#include <fmt/format.h>

#include "separatrix/cli/model_arguments.h"
#include "separatrix/cli/session.h"
#include "separatrix/cli/step_timer.h"

namespace separatrix {
namespace {

struct BenchOptions {
  ModelArguments model;
  BenchBatch batch;
  Index threads = 1, repetitions = 9;
  std::string live = "last";
};

void check(const BenchOptions& o) {
  check_positive(o.batch.batch, "--batch");
  check_positive(o.repetitions, "--repetitions");
  check_positive(o.threads, "--threads");
  check_live(o.live);
}

}  // namespace

/// `separatrix bench train-step`: forward, backward, clipping and AdamW on one batch.
void add_bench_train_step(Command command, Session& session) {
  auto o = std::make_shared<BenchOptions>();
  command.option("length", o->batch.length, "N of index lookup, N + 1 tokens");
  command.option("alphabet", o->batch.alphabet, "symbols of index lookup");
  command.option("batch", o->batch.batch, "sequences per step");
  command.option("live", o->live, "positions that are read: last or all");
  command.option("threads", o->threads, "as many shards and threads");
  command.option("repetitions", o->repetitions, "the median of so many is reported");
  o->model.add(command, session);  // last: its flags give way
  command.run([o, &session] {
    check(*o);
    o->batch.all = o->live == "all";
    TaskInfo info;
    const Batch batch = make_bench_batch(o->batch, session.catalogue.tasks, info);
    const ModelSpec spec = o->model.make(session, info);
    const StepTime time = time_step(spec, session.catalogue.blocks, batch,
                                    {o->threads, o->repetitions, &session.stop});
    const double peak = measure_peak() * double(o->threads);
    const double tokens = double(batch.B * batch.T) / time.ms * 1e3;
    session.print({{"ms_per_step", time.ms},
                   {"ms_min", time.ms_min},
                   {"ms_max", time.ms_max},
                   {"tokens_per_second", tokens},
                   {"gflops", time.gflops},
                   {"peak_gflops", peak},
                   {"fraction_of_peak", time.gflops / peak},
                   {"threads", o->threads},
                   {"parameters", Index(zeros(spec, session.catalogue.blocks).values.size())}},
                  fmt::format("{:.3f} ms per step ({:.3f} to {:.3f} over {} repetitions), {:.3g} "
                              "tokens/s, {:.0f} useful GFLOP/s = {:.0f} % of {:.0f} measured\n",
                              time.ms, time.ms_min, time.ms_max, time.repetitions, tokens,
                              time.gflops, 100 * time.gflops / peak, peak));
  });
}

}  // namespace separatrix

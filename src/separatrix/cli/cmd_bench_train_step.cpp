#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "separatrix/cli/model_arguments.h"
#include "separatrix/cli/session.h"
#include "separatrix/kernels/kernels.h"
#include "separatrix/train/optimizer.h"
#include "separatrix/train/shards.h"

namespace separatrix {
namespace {

using Clock = std::chrono::steady_clock;

struct BenchOptions {
  ModelArguments model;
  Index length = 100, batch = 64, alphabet = 64, threads = 1, repetitions = 9;
  std::string live = "last";
};

double seconds_of(const std::function<void()>& work) {
  const auto start = Clock::now();
  work();
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// GFLOP/s of one core on a product that fits its cache: what fractions are measured against.
double measure_peak() {
  constexpr Index kSize = 256;
  constexpr double kFlops = 2.0 * kSize * kSize * kSize;
  std::vector<float> a(kSize * kSize, 1.0f), b(kSize * kSize, 1.0f), c(kSize * kSize);
  double best = 0;
  for (int i = 0; i < 40; ++i) {
    const double seconds = seconds_of([&] {
      gemm({.M = kSize, .N = kSize, .K = kSize}, a.data(), kSize, b.data(), kSize, c.data(), kSize);
    });
    best = std::max(best, kFlops / seconds * 1e-9);
  }
  return best;
}

/// An index-lookup batch; live = "all" asks every position instead of the last.
Batch make_batch(const BenchOptions& o, const Session& session, TaskInfo& info) {
  const auto task = session.catalogue.tasks.make("index-lookup", {{"alphabet", o.alphabet}});
  task->check_length(o.length);
  info = task->info(o.length);
  Rng rng(0, RngUse::train);
  Batch batch;
  sample_batch(*task, o.length, o.batch, Portion::any, 0, rng, batch);
  if (o.live == "all")
    for (std::size_t i = 0; i < batch.targets.size(); ++i)
      batch.targets[i] = batch.tokens[i] % Token(info.n_classes);
  return batch;
}

void check(const BenchOptions& o) {
  const auto positive = [](Index value, const char* flag) {
    if (value < 1) throw Error(ErrorKind::usage, "must be at least 1", flag);
  };
  positive(o.batch, "--batch");
  positive(o.repetitions, "--repetitions");
  positive(o.threads, "--threads");
  if (o.live != "all" && o.live != "last")
    throw Error(ErrorKind::usage, "unknown choice '" + o.live + "'", "--live", "one of: last, all");
}

}  // namespace

/// `separatrix bench train-step`: forward, backward, clipping and AdamW on one batch.
void add_bench_train_step(Command command, Session& session) {
  auto o = std::make_shared<BenchOptions>();
  o->model.add(command, session);
  command.option("length", o->length, "N of index lookup, N + 1 tokens");
  command.option("alphabet", o->alphabet, "symbols of index lookup");
  command.option("batch", o->batch, "sequences per step");
  command.option("live", o->live, "positions that are read: last or all");
  command.option("threads", o->threads, "as many shards and threads");
  command.option("repetitions", o->repetitions, "the median of so many is reported");
  command.run([o, &session] {
    check(*o);
    TaskInfo info;
    const Batch batch = make_batch(*o, session, info);
    const ModelSpec spec = o->model.make(session, info);
    Weights weights = initialize(spec, session.catalogue.blocks, 0);
    std::vector<float> m(weights.values.size()), v(weights.values.size());
    ShardedGradient gradient(spec, session.catalogue.blocks, o->threads, int(o->threads));
    const TrainConfig config{.lr = 1e-5};
    Index step = 0;
    const auto one_step = [&] {
      gradient.compute(weights.values, batch);
      optimizer_step(config, step++, {weights.values, m, v, gradient.gradient()});
    };
    one_step();
    // As many steps per repetition as fill a twentieth of a second.
    const auto inner = Index(std::max(1.0, 0.05 / std::max(seconds_of(one_step), 1e-6)));
    std::vector<double> ms;
    for (Index r = 0; r < o->repetitions && !session.stop; ++r)
      ms.push_back(1e3 / double(inner) * seconds_of([&] {
                     for (Index i = 0; i < inner; ++i) one_step();
                   }));
    std::sort(ms.begin(), ms.end());
    const double median = ms[ms.size() / 2];
    const double flops = training_flops(spec, session.catalogue.blocks, batch);
    const double gflops = flops / median * 1e-6;
    const double peak = measure_peak() * double(o->threads);
    const double tokens = double(batch.B * batch.T) / median * 1e3;
    session.print({{"ms_per_step", median},
                   {"ms_min", ms.front()},
                   {"ms_max", ms.back()},
                   {"tokens_per_second", tokens},
                   {"gflops", gflops},
                   {"peak_gflops", peak},
                   {"fraction_of_peak", gflops / peak},
                   {"threads", o->threads}},
                  fmt::format("{:.3f} ms per step ({:.3f} to {:.3f} over {} repetitions), {:.3g} "
                              "tokens/s, {:.0f} useful GFLOP/s = {:.0f} % of {:.0f} measured\n",
                              median, ms.front(), ms.back(), ms.size(), tokens, gflops,
                              100 * gflops / peak, peak));
  });
}

}  // namespace separatrix

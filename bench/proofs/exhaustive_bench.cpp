#include <benchmark/benchmark.h>

#include "separatrix/nn/model.h"
#include "separatrix/proofs/certificate.h"

// Inputs per second of the exhaustive certificate: index lookup at N = 16 over two symbols, 2^16 *
// 16 inputs. Argument: threads. A model that is right on every input, so that none ends the run
// early.

namespace separatrix {
namespace {

struct Registries {
  Registry<Task> tasks{"task"};
  Registry<Block> blocks{"block"};
  Registry<CertificateMethod> methods{"certificate"};
  Registries() {
    register_tasks(tasks);
    register_blocks(blocks);
    register_certificates(methods);
  }
};

/// Width 32, as a theorem writes it: embedding and positions one-hot, attention sharp. The layers
/// behind it are there to be paid for: a zero MLP, and norms that change nothing that is compared.
Weights lookup_model(const Registries& r, const TaskInfo& info, bool with_mlp) {
  ModelSpec spec;
  spec.vocab_size = info.vocab_size;
  spec.n_classes = info.n_classes;
  spec.d_model = 32;
  spec.max_length = info.n_tokens;
  spec.norm = with_mlp ? "rms" : "none";
  spec.layers = {{.block = "attention", .config = {{"scale", "none"}}}};
  if (with_mlp) spec.layers.push_back({.block = "mlp"});
  Weights w = zeros(resolve(spec, r.blocks), r.blocks);
  const Index D = spec.d_model, n = info.n_tokens - 1;
  const auto set = [&](const std::string& name, Index i, Index j, float value) {
    w[name][std::size_t(i * D + j)] = value;
  };
  for (Index p = 0; p < n; ++p) {
    set("positions", p, p, 1);
    set("embedding", 2 + p, p, 1);
    set("layers.0.attention.q", p, p, with_mlp ? 4.0F : 16.0F);
    set("layers.0.attention.k", p, p, 1);
  }
  for (Index s = 0; s < 2; ++s) {
    set("embedding", s, 16 + s, 1);
    set("layers.0.attention.v", 16 + s, s, 1);
    set("layers.0.attention.o", s, 18 + s, 1);
    w["head"][std::size_t((18 + s) * 2 + s)] = 1;
  }
  for (const char* gain : {"layers.0.norm.gain", "layers.1.norm.gain", "norm.gain"})
    if (with_mlp) std::fill(w[gain].begin(), w[gain].end(), 1.0F);
  return w;
}

void exhaustive(benchmark::State& state, bool with_mlp) {
  const Registries r;
  const Json config = r.tasks.find("index-lookup").resolve({{"alphabet", 2}}, "");
  const auto task = r.tasks.make("index-lookup", config);
  const Weights weights = lookup_model(r, task->info(16), with_mlp);
  const Claim claim{"index-lookup", config, 16, 0, Arithmetic::float32, "none"};
  const auto method = r.methods.make("exhaustive");
  for (auto _ : state) {
    const Certificate c = method->certify(claim, {*task, weights, r.blocks, int(state.range(0))});
    if (c.verdict != Verdict::proved) return state.SkipWithError("not proved");
  }
  state.counters["inputs/s"] =
      benchmark::Counter(double(state.iterations()) * 0x1p20, benchmark::Counter::kIsRate);
}
BENCHMARK_CAPTURE(exhaustive, attention_and_mlp, true)
    ->Arg(1)
    ->Arg(2)
    ->Unit(benchmark::kMillisecond)
    ->MeasureProcessCPUTime()
    ->UseRealTime();
BENCHMARK_CAPTURE(exhaustive, attention_only, false)
    ->Arg(1)
    ->Arg(2)
    ->Unit(benchmark::kMillisecond)
    ->MeasureProcessCPUTime()
    ->UseRealTime();

}  // namespace
}  // namespace separatrix

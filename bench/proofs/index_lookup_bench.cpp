// Index lookup from the theorem to a rechecked certificate: positions, arithmetic (1 float32,
// 2 bfloat16, 3 float16).

#include <benchmark/benchmark.h>

#include "separatrix/nn/model.h"
#include "separatrix/proofs/certificate.h"

namespace separatrix {
namespace {

struct Setting {
  Registry<Task> tasks{"task"};
  Registry<Block> blocks{"block"};
  Registry<Construction> constructions{"construction"};
  Registry<CertificateMethod> methods{"certificate"};
  std::unique_ptr<Task> task;
  std::unique_ptr<Construction> construction;
  ConstructionRequest request;
  explicit Setting(const benchmark::State& state) {
    register_tasks(tasks);
    register_blocks(blocks);
    register_constructions(constructions);
    register_certificates(methods);
    task = tasks.make("index-lookup");
    construction = constructions.make("index-lookup-transformer");
    request = {tasks.find("index-lookup").resolve(Json::object(), "index-lookup"), state.range(0),
               kArithmetics.at(std::size_t(state.range(1)))};
  }
};

void construct(benchmark::State& state) {
  const Setting s(state);
  for (auto _ : state) {
    const auto claim = s.construction->claim(s.request);
    benchmark::DoNotOptimize(s.construction->build(s.request, s.blocks).weights.values.data());
    state.counters["claim"] = claim->margin;
  }
}
void certify(benchmark::State& state) {
  const Setting s(state);
  const Claim claim = *s.construction->claim(s.request);
  const Weights weights = s.construction->build(s.request, s.blocks).weights;
  for (auto _ : state) {
    const Certificate c =
        separatrix::certify(claim, {*s.task, weights, s.blocks}, s.methods, "position-only");
    if (c.verdict != Verdict::proved) state.SkipWithError(c.reason.c_str());
    state.counters["margin"] = c.margin;
  }
}
void recheck(benchmark::State& state) {
  const Setting s(state);
  const Claim claim = *s.construction->claim(s.request);
  const Weights weights = s.construction->build(s.request, s.blocks).weights;
  const Subject subject{*s.task, weights, s.blocks};
  const Certificate c = separatrix::certify(claim, subject, s.methods, "position-only");
  for (auto _ : state)
    if (const std::string wrong = separatrix::recheck(c, subject, s.methods); !wrong.empty())
      state.SkipWithError(wrong.c_str());
}
void sizes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"N", "arithmetic"})->ArgsProduct({{10'000, 1'000'000}, {1, 2, 3}})->Iterations(1);
  b->Unit(benchmark::kMillisecond)->UseRealTime();
}
BENCHMARK(construct)->Apply(sizes);
BENCHMARK(certify)->Apply(sizes);
BENCHMARK(recheck)->Apply(sizes);

}  // namespace
}  // namespace separatrix

#include "separatrix/train/shards.h"

#include <algorithm>
#include <barrier>
#include <exception>
#include <thread>
#include <vector>

namespace separatrix {

struct ShardedGradient::State {
  std::vector<Model> models;                  ///< one per shard
  std::vector<std::vector<float>> gradients;  ///< one per shard; the first becomes the sum
  std::vector<double> losses;
  std::vector<std::exception_ptr> failures;  ///< one per thread
  int threads = 1;

  // The step being computed: set by compute() before the threads are let in.
  std::span<const float> w;
  const Batch* batch = nullptr;
  float scale = 0;
  ModelDropout dropout;
  bool quit = false;
  std::unique_ptr<std::barrier<>> gate;  ///< passed twice a step: in, and out
  std::vector<std::thread> workers;      ///< threads 1 .. threads-1

  /// Shards thread, thread + threads, ...: which thread runs a shard does not matter to its bits.
  void run_thread(int thread) noexcept {
    try {
      for (std::size_t s = std::size_t(thread); s < models.size(); s += std::size_t(threads)) {
        const Index begin = batch->B * Index(s) / Index(models.size());
        const Index end = batch->B * Index(s + 1) / Index(models.size());
        std::fill(gradients[s].begin(), gradients[s].end(), 0.0f);
        losses[s] =
            models[s].forward_backward(w, *batch, {begin, end, scale, dropout}, gradients[s]);
      }
    } catch (...) {
      failures[std::size_t(thread)] = std::current_exception();
    }
  }
  void work(int thread) {
    for (;;) {
      gate->arrive_and_wait();
      if (quit) return;
      run_thread(thread);
      gate->arrive_and_wait();
    }
  }
};

ShardedGradient::ShardedGradient(const ModelSpec& spec, const Registry<Block>& blocks, Index shards,
                                 int threads)
    : state_(std::make_unique<State>()) {
  State& s = *state_;
  for (Index i = 0; i < shards; ++i) s.models.emplace_back(spec, blocks);
  s.gradients.assign(std::size_t(shards), std::vector<float>(std::size_t(model().n_parameters())));
  s.losses.resize(std::size_t(shards));
  s.threads = int(std::clamp<Index>(threads, 1, shards));
  s.failures.resize(std::size_t(s.threads));
  s.gate = std::make_unique<std::barrier<>>(s.threads);
  for (int t = 1; t < s.threads; ++t) s.workers.emplace_back([&s, t] { s.work(t); });
}

ShardedGradient::~ShardedGradient() {
  if (state_->workers.empty()) return;
  state_->quit = true;
  state_->gate->arrive_and_wait();
  for (std::thread& worker : state_->workers) worker.join();
}

ShardedGradient::Loss ShardedGradient::compute(std::span<const float> w, const Batch& batch,
                                               const ModelDropout& dropout) {
  State& s = *state_;
  Loss loss;
  loss.asked =
      Index(batch.targets.size()) - std::count(batch.targets.begin(), batch.targets.end(), kIgnore);
  s.w = w;
  s.batch = &batch;
  s.dropout = dropout;
  s.scale = loss.asked > 0 ? float(1.0 / double(loss.asked)) : 0.0f;
  if (s.threads > 1) s.gate->arrive_and_wait();
  s.run_thread(0);
  if (s.threads > 1) s.gate->arrive_and_wait();
  for (std::exception_ptr& failure : s.failures)
    if (failure) std::rethrow_exception(std::exchange(failure, nullptr));

  for (std::size_t i = 0; i < s.models.size(); ++i) loss.sum += s.losses[i];
  for (std::size_t i = 1; i < s.models.size(); ++i)
    std::transform(s.gradients[i].begin(), s.gradients[i].end(), s.gradients[0].begin(),
                   s.gradients[0].begin(), [](float part, float sum) { return sum + part; });
  return loss;
}

std::span<float> ShardedGradient::gradient() { return state_->gradients[0]; }
Model& ShardedGradient::model() { return state_->models[0]; }

}  // namespace separatrix

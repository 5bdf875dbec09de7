#include "separatrix/train/trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "separatrix/train/batches.h"
#include "separatrix/train/checkpoint.h"
#include "separatrix/train/optimizer.h"
#include "separatrix/train/shards.h"

namespace separatrix {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Streams of evaluations that are no step's: every curve point's where the inputs are fixed, and
/// from kFinalStreams on those of the last evaluations.
constexpr std::uint64_t kFixedStream = std::uint64_t(1) << 63;
constexpr std::uint64_t kFinalStreams = std::uint64_t(1) << 62;

/// One run from a state to its end. Every random choice is a function of (seed, step), so the state
/// is all that a resumed run needs.
class Run {
 public:
  Run(const TrialSpec& spec, const Task& task, const Registry<Block>& blocks, const TrainRun& how)
      : spec_(spec),
        task_(task),
        blocks_(blocks),
        how_(how),
        id_(spec.id()),
        initial_(initialize(spec.model, blocks, spec.seed)),
        gradient_(spec.model, blocks, spec.train.shards, how.threads),
        state_(load_or_start()),
        batches_(spec, task) {}

  TrialResult run() {
    const bool was_finished = state_.end.has_value();
    while (!state_.end && state_.step < spec_.train.steps) {
      if (how_.stop && how_.stop->load(std::memory_order_relaxed)) return interrupt();
      if (!step()) break;
      if (state_.step % spec_.train.eval_every == 0 || state_.step == spec_.train.steps) look();
      if (!state_.end && seconds_since(last_save_) >= how_.checkpoint_seconds) save();
    }
    if (!state_.end) end(Outcome::unsolved, final_point());
    if (!was_finished) save();
    return result(*state_.end);
  }

 private:
  TrainState load_or_start() {
    if (!how_.checkpoint.empty())
      if (auto saved = load_checkpoint(how_.checkpoint, id_, Index(initial_.values.size())))
        return *std::move(saved);
    TrainState fresh;
    fresh.weights = initial_.values;
    fresh.first_moment.assign(fresh.weights.size(), 0.0f);
    fresh.second_moment.assign(fresh.weights.size(), 0.0f);
    return fresh;
  }

  /// One optimiser step; false when it diverged (and the weights are left alone).
  bool step() {
    const auto loss = gradient_.compute(state_.weights, batches_.at(state_.step), dropout());
    if (!std::isfinite(loss.sum) || !optimizer_step(spec_.train, state_.step, buffers())) {
      CurvePoint last = point();
      if (!state_.curve.empty()) {
        last.token_accuracy = state_.curve.back().token_accuracy;
        last.sequence_accuracy = state_.curve.back().sequence_accuracy;
      }
      end(Outcome::diverged, last);
      return false;
    }
    state_.loss_sum += loss.sum;
    state_.loss_count += loss.asked;
    ++state_.step;
    if (how_.on_step) how_.on_step(state_.step, loss.asked > 0 ? loss.sum / double(loss.asked) : 0);
    return true;
  }

  ModelDropout dropout() const {
    return {.embedding = spec_.train.dropout,
            .attention = spec_.train.attention_dropout,
            .key = Rng(spec_.seed, RngUse::dropout, std::uint64_t(state_.step)).bits()};
  }

  /// Evaluates, adds a point to the curve, and ends the run when the target has been held over
  /// enough evaluations and a last, larger one agrees or need not.
  void look() {
    CurvePoint now = measured(spec_.train.eval_examples,
                              spec_.train.eval_fixed ? kFixedStream : std::uint64_t(state_.step));
    state_.curve.push_back(now);
    state_.loss_sum = 0;
    state_.loss_count = 0;
    if (how_.on_point) how_.on_point(now);
    const double target = spec_.train.target_accuracy;
    state_.held = target > 0 && now.token_accuracy >= target ? state_.held + 1 : 0;
    if (state_.held < spec_.train.hold_evaluations) {
      if (is_hopeless()) end(Outcome::unsolved, final_point());
      return;
    }
    const CurvePoint last = final_point();
    if (!spec_.train.confirm || last.token_accuracy >= target) end(Outcome::solved, last);
  }

  /// The rule of TrainConfig::give_up_after, which looks once and at the curve only: a resumed run
  /// decides the same.
  bool is_hopeless() const {
    const TrainConfig& c = spec_.train;
    const bool is_time = c.give_up_after > 0 && state_.step >= c.give_up_after &&
                         state_.step < c.give_up_after + c.eval_every && state_.step < c.steps;
    if (!is_time) return false;
    const double chance = task_.chance(spec_.length);
    return std::none_of(state_.curve.begin(), state_.curve.end(), [&](const CurvePoint& point) {
      return point.token_accuracy - chance >= c.give_up_below * (1 - chance);
    });
  }

  /// A given embedding is not trained, not even decayed: it lies at the front of the buffer.
  OptimizerBuffers buffers() {
    std::size_t frozen = 0;
    if (spec_.model.embedding == "given")
      for (const ParamSpec& p : initial_.params)
        if (p.name == "embedding" || p.name == "positions") frozen += std::size_t(p.size());
    const auto trained = [&](std::span<float> all) { return all.subspan(frozen); };
    return {trained(state_.weights), trained(state_.first_moment), trained(state_.second_moment),
            trained(gradient_.gradient())};
  }
  CurvePoint point() const {
    return {.step = state_.step,
            .train_loss = state_.loss_count > 0 ? state_.loss_sum / double(state_.loss_count) : 0,
            .lr = learning_rate(spec_.train, std::max<Index>(state_.step - 1, 0))};
  }
  CurvePoint measured(Index examples, std::uint64_t stream) {
    CurvePoint p = point();
    const Accuracy accuracy = evaluate(gradient_.model(), state_.weights, task_,
                                       {.length = spec_.length,
                                        .examples = examples,
                                        .holdout = spec_.train.holdout,
                                        .seed = spec_.seed,
                                        .index = stream});
    p.token_accuracy = accuracy.token;
    p.sequence_accuracy = accuracy.sequence;
    return p;
  }
  /// A stream that no curve point used.
  std::uint64_t final_stream() const { return kFinalStreams + std::uint64_t(state_.step); }
  /// At the trained length on the inputs of final_point, so that the two agree.
  std::vector<Metrics> judge() {
    const std::optional<Index> bits = state_bits(spec_.model, blocks_);
    std::vector<Index> lengths = {spec_.length};
    lengths.insert(lengths.end(), spec_.eval_lengths.begin(), spec_.eval_lengths.end());
    std::vector<Metrics> metrics;
    metrics.reserve(lengths.size());
    for (const Index length : lengths)
      metrics.push_back(make_metrics(evaluate(gradient_.model(), state_.weights, task_,
                                              {.length = length,
                                               .examples = spec_.train.final_examples,
                                               .holdout = spec_.train.holdout,
                                               .seed = spec_.seed,
                                               .index = final_stream(),
                                               .cross_entropy = true}),
                                     task_, spec_.task, spec_.task_config, length, bits));
    return metrics;
  }
  CurvePoint final_point() {
    CurvePoint p = measured(spec_.train.final_examples, final_stream());
    if (!state_.curve.empty()) p.train_loss = state_.curve.back().train_loss;
    return p;
  }

  void end(Outcome outcome, const CurvePoint& last) {
    state_.end = outcome;
    state_.last = last;
  }
  TrialResult interrupt() {
    if (!state_.curve.empty()) state_.last = state_.curve.back();
    save();
    return result(Outcome::interrupted);
  }
  void save() {
    if (how_.checkpoint.empty()) return;
    TrainState now = state_;
    now.seconds += seconds_since(start_);
    save_checkpoint(how_.checkpoint, id_, now);
    last_save_ = Clock::now();
  }
  TrialResult result(Outcome outcome) {
    const double seconds = state_.seconds + seconds_since(start_);
    const double tokens =
        double(inputs_seen(spec_.train, state_.step)) * double(task_.info(spec_.length).n_tokens);
    Weights weights = initial_;
    weights.values = state_.weights;
    return {.outcome = outcome,
            .last = state_.last,
            .curve = state_.curve,
            .metrics = outcome == Outcome::solved || outcome == Outcome::unsolved
                           ? judge()
                           : std::vector<Metrics>{},
            .seconds = seconds,
            .tokens_per_second = seconds > 0 ? tokens / seconds : 0,
            .weights = std::move(weights),
            .gave_up = outcome == Outcome::unsolved && state_.step < spec_.train.steps};
  }

  const TrialSpec& spec_;
  const Task& task_;
  const Registry<Block>& blocks_;
  const TrainRun& how_;
  const Clock::time_point start_ = Clock::now();
  Clock::time_point last_save_ = start_;
  const std::string id_;
  const Weights initial_;
  ShardedGradient gradient_;
  TrainState state_;
  TrainingBatches batches_;
};

/// The model must be able to read every input of the task and to name every answer.
void check_fit(const TrialSpec& spec, const TaskInfo& info) {
  if (const auto misfit = find_misfit(spec.model, info)) {
    const std::string field = misfit->field;
    throw Error(ErrorKind::spec,
                "the model's " + field + " is " + std::to_string(misfit->have) +
                    ", the task needs " + std::to_string(misfit->need),
                "model/" + field, "raise " + field);
  }
}

}  // namespace

TrialResult train(const TrialSpec& spec, const Task& task, const Registry<Block>& blocks,
                  const TrainRun& run) {
  task.check_length(spec.length);
  check_fit(spec, task.info(spec.length));
  for (const Index length : spec.eval_lengths) {
    task.check_length(length);
    check_fit(spec, task.info(length));
  }
  TrialSpec resolved = spec;
  resolved.model = resolve(spec.model, blocks);
  return Run(resolved, task, blocks, run).run();
}

}  // namespace separatrix

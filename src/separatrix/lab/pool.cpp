#include "separatrix/lab/pool.h"

#include <chrono>
#include <cmath>
#include <system_error>
#include <thread>
#include <vector>

#include "separatrix/base/file.h"
#include "separatrix/model/model_file.h"
#include "separatrix/nn/model.h"

namespace separatrix {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kHeartbeatEvery = std::chrono::seconds(5);
constexpr auto kProgressEvery = std::chrono::milliseconds(200);
constexpr auto kLookAgainAfter = std::chrono::milliseconds(100);  ///< for stop, when idle

/// What the store keeps of a finished trial. Equal on every machine of one instruction set, but
/// for the two times.
Json result_json(const TrialSpec& spec, const TrialResult& result, const Catalogue& catalogue) {
  const auto finite = [](double x) { return std::isfinite(x) ? Json(x) : Json(nullptr); };
  const std::optional<Index> bits = state_bits(spec.model, catalogue.blocks);
  Json metrics = Json::array();
  for (const Metrics& each : result.metrics) metrics.push_back(to_json(each));
  return {{"outcome", to_string(result.outcome)},
          {"solved", result.outcome == Outcome::solved},
          {"gave_up", result.gave_up},
          {"step", result.last.step},
          {"train_loss", finite(result.last.train_loss)},
          {"token_accuracy", finite(result.last.token_accuracy)},
          {"sequence_accuracy", finite(result.last.sequence_accuracy)},
          {"metrics", metrics},
          {"seconds", result.seconds},
          {"tokens_per_second", finite(result.tokens_per_second)},
          {"state_bits", bits ? Json(*bits) : Json(nullptr)},
          {"parameters", result.weights.values.size()},
          {"weights_sha256", weights_sha256(result.weights)},
          {"width", spec.model.d_model}};
}

}  // namespace

void Pool::run() {
  std::thread pulse([this] { guarded([this] { keep_beating(); }); });
  std::vector<std::thread> workers;
  for (int i = 0; i < std::max(1, config_.threads); ++i) {
    try {
      workers.emplace_back([this, i] { guarded([this, i] { work(i); }); });
    } catch (const std::system_error&) {  // the system allows no more threads: use those we have
      if (workers.empty()) abandon(std::current_exception());
      break;
    }
  }
  for (std::thread& worker : workers) worker.join();
  {
    const std::lock_guard lock(mutex_);
    all_done_ = true;
  }
  changed_.notify_all();
  pulse.join();
  if (error_) std::rethrow_exception(error_);
}

/// Keeps exceptions inside the thread: the first stops everybody and is thrown by run().
template <class Body>
void Pool::guarded(const Body& body) {
  try {
    body();
  } catch (...) {
    abandon(std::current_exception());
  }
}

void Pool::abandon(const std::exception_ptr& error) {
  {
    const std::lock_guard lock(mutex_);
    if (!error_) error_ = error;
  }
  halt();
}

void Pool::halt() {
  halt_ = true;
  changed_.notify_all();
}

/// Passes the caller's wish on to the trials, which watch halt_.
bool Pool::halted() {
  if (config_.stop != nullptr && config_.stop->load()) halt_ = true;
  return halt_;
}

bool Pool::busy() const {
  const std::lock_guard lock(mutex_);
  return busy_ > 0;
}

std::exception_ptr Pool::error() const {
  const std::lock_guard lock(mutex_);
  return error_;
}

/// claim -> train -> finish until the queue is empty and cannot grow any more.
void Pool::work(int worker) {
  const std::unique_ptr<TrialQueue> queue = config_.open_queue();
  for (;;) {
    if (halted()) return;
    std::unique_lock lock(mutex_);
    const std::optional<TrialSpec> spec = queue->claim(worker);
    if (!spec) {
      if (busy_ == 0 && !queue->worth_waiting()) return;
      changed_.wait_for(lock, kLookAgainAfter);
      continue;
    }
    ++busy_;
    held_.emplace(spec->id(), worker);
    lock.unlock();
    guarded([&] { run_trial(*queue, *spec, worker); });
    lock.lock();
    --busy_;
    held_.erase({spec->id(), worker});
    lock.unlock();
    changed_.notify_all();
  }
}

/// One trial from claim to finish or release. Error(io) is nobody's trial's fault (the disk is
/// full, the store is gone) and would fail every other one as well: it gives the trial back and
/// ends the run. Anything else is stored as this trial's failure.
void Pool::run_trial(TrialQueue& queue, const TrialSpec& spec, int worker) {
  RunProgress progress{.trial_id = spec.id(), .spec = &spec, .worker = worker};
  std::exception_ptr outside;  // thrown by the store or a callback while the trial ran
  std::optional<TrialResult> result;
  try {
    result = train_one(queue, progress, outside);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::io && !outside) outside = std::current_exception();
    progress.error = error.what() + (error.where().empty() ? "" : " (in " + error.where() + ")");
  } catch (const std::exception& error) {
    progress.error = error.what();
  } catch (...) {
    progress.error = "unknown exception";
  }
  if (outside || (result && result->outcome == Outcome::interrupted)) {
    give_back(queue, progress.trial_id, outside);
    return;
  }
  if (result) {
    progress.status = save(queue, spec, progress.trial_id, *result);
    progress.point = result->last;
  } else {
    progress.status = TrialStatus::failed;
    if (progress.error.empty()) progress.error = "failed";
    queue.finish(progress.trial_id, progress.status, Json::object(), progress.error);
  }
  progress.finished = true;
  if (config_.progress) config_.progress(progress);
  if (config_.ended) config_.ended();
}

TrialResult Pool::train_one(TrialQueue& queue, const RunProgress& start,
                            std::exception_ptr& outside) {
  const TrialSpec& spec = *start.spec;
  const std::string& id = start.trial_id;
  const std::unique_ptr<Task> task = catalogue_.tasks.make(spec.task, spec.task_config);
  if (task->fingerprint() != spec.task_fingerprint)
    throw Error(ErrorKind::spec, "what the task reads has changed since the trial was planned",
                spec.task, "start the command again");
  make_folder(queue.folder(id));
  Clock::time_point reported = Clock::now();
  // The trainer need not know which of its caller's errors are whose.
  const auto shielded = [&](const auto& body) {
    try {
      body();
    } catch (...) {
      if (!outside) outside = std::current_exception();
      halt_ = true;
    }
  };
  const auto report = [&](const CurvePoint& point) {
    RunProgress progress = start;
    progress.point = point;
    if (config_.progress) config_.progress(progress);
  };
  TrainRun run;
  run.checkpoint = queue.folder(id) + "/checkpoint.safetensors";
  run.stop = &halt_;
  run.on_point = [&](const CurvePoint& point) {
    shielded([&] {
      queue.record(id, point);
      report(point);
    });
  };
  run.on_step = [&](Index step, double loss) {
    halted();
    if (Clock::now() - reported < kProgressEvery) return;
    reported = Clock::now();
    CurvePoint point;
    point.step = step;
    point.train_loss = loss;
    shielded([&] { report(point); });
  };
  return train(spec, *task, catalogue_.blocks, run);
}

/// Weights first, then the row that names them, then the checkpoint goes: a kill in between
/// repeats the last steps and ends in the same bits.
TrialStatus Pool::save(TrialQueue& queue, const TrialSpec& spec, const std::string& id,
                       const TrialResult& result) {
  // A point may have been drawn but not recorded when an earlier run was cut off.
  for (const CurvePoint& point : result.curve) queue.record(id, point);
  save_model(queue.folder(id) + "/model.safetensors",
             {result.weights, {{"trial", to_json(spec)}, {"outcome", to_string(result.outcome)}}});
  const TrialStatus status =
      result.outcome == Outcome::diverged ? TrialStatus::diverged : TrialStatus::done;
  queue.finish(id, status, result_json(spec, result, catalogue_), {});
  return status;
}

void Pool::give_back(TrialQueue& queue, const std::string& id, const std::exception_ptr& outside) {
  if (outside) abandon(outside);
  try {
    queue.release(id);
  } catch (const Error&) {
    // The store is what failed; the trial returns to pending when this process has ended.
    if (!outside) throw;
  }
}

/// Beats for every trial held: one step or evaluation may take longer than a heartbeat lasts.
void Pool::keep_beating() {
  const std::unique_ptr<TrialQueue> queue = config_.open_queue();
  std::unique_lock lock(mutex_);
  while (!changed_.wait_for(lock, kHeartbeatEvery, [this] { return all_done_; })) {
    const auto held = held_;
    lock.unlock();
    for (const auto& [id, worker] : held) queue->heartbeat(id, worker);
    if (config_.pulse) config_.pulse();
    lock.lock();
  }
}

}  // namespace separatrix

#include "separatrix/lab/runner.h"

#include <chrono>
#include <cmath>
#include <condition_variable>
#include <exception>
#include <filesystem>
#include <mutex>
#include <set>
#include <system_error>
#include <thread>
#include <vector>

#include "separatrix/base/file.h"
#include "separatrix/lab/machine.h"
#include "separatrix/lab/pool.h"
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

/// The state that the workers of one call share.
class Pool {
 public:
  Pool(const std::string& store_path, const std::string& experiment, const Catalogue& catalogue,
       const RunOptions& options, const std::function<void(Store&)>& refill)
      : store_path_(store_path),
        experiment_(experiment),
        catalogue_(catalogue),
        options_(options),
        refill_(refill) {}

  void run() {
    {
      Store store(store_path_,
                  options_.store);  // so that a store that cannot be opened is reported once
      refill_(store);
    }
    std::thread pulse([this] { guarded([this] { keep_beating(); }); });
    std::vector<std::thread> workers;
    for (int i = 0; i < std::max(1, options_.threads); ++i) {
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

 private:
  /// Keeps exceptions inside the thread: the first stops everybody and is thrown by run().
  template <class Body>
  void guarded(const Body& body) {
    try {
      body();
    } catch (...) {
      abandon(std::current_exception());
    }
  }

  void abandon(const std::exception_ptr& error) {
    {
      const std::lock_guard lock(mutex_);
      if (!error_) error_ = error;
      halt_ = true;
    }
    changed_.notify_all();
  }

  /// Whether to stop; passes the caller's wish on to the trials, which watch halt_.
  bool halted() {
    if (options_.stop != nullptr && options_.stop->load()) halt_ = true;
    return halt_;
  }

  /// claim -> train -> finish until the queue is empty and cannot grow any more.
  void work(int thread) {
    Store store(store_path_, options_.store);
    const std::string worker = this_process() + "/" + std::to_string(thread);
    for (;;) {
      if (halted()) return;
      std::unique_lock lock(mutex_);
      const std::optional<TrialSpec> spec = store.claim(experiment_, worker);
      if (!spec) {
        if (busy_ == 0) return;
        changed_.wait_for(lock, kLookAgainAfter);
        continue;
      }
      ++busy_;
      held_.emplace(spec->id(), worker);
      lock.unlock();
      guarded([&] { run_trial(store, *spec); });
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
  void run_trial(Store& store, const TrialSpec& spec) {
    const std::string id = spec.id();
    std::exception_ptr outside;  // thrown by the store or a callback while the trial ran
    std::string failure;
    std::optional<TrialResult> result;
    try {
      result = train_one(store, spec, id, outside);
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::io && !outside) outside = std::current_exception();
      failure = error.what() + (error.where().empty() ? "" : " (in " + error.where() + ")");
    } catch (const std::exception& error) {
      failure = error.what();
    } catch (...) {
      failure = "unknown exception";
    }
    if (outside || (result && result->outcome == Outcome::interrupted)) {
      give_back(store, id, outside);
      return;
    }
    if (result)
      save(store, spec, id, *result);
    else
      store.finish(id, TrialStatus::failed, Json::object(), failure.empty() ? "failed" : failure);
    report(spec, id, result ? result->last : CurvePoint{}, true);
    const std::lock_guard lock(callback_mutex_);
    refill_(store);
  }

  TrialResult train_one(Store& store, const TrialSpec& spec, const std::string& id,
                        std::exception_ptr& outside) {
    const std::unique_ptr<Task> task = catalogue_.tasks.make(spec.task, spec.task_config);
    if (task->fingerprint() != spec.task_fingerprint)
      throw Error(ErrorKind::spec, "what the task reads has changed since the trial was planned",
                  spec.task, "start the command again");
    make_folder(store.folder(id));
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
    TrainRun run;
    run.checkpoint = store.folder(id) + "/checkpoint.safetensors";
    run.stop = &halt_;
    run.on_point = [&](const CurvePoint& point) {
      shielded([&] {
        store.record(id, point);
        report(spec, id, point, false);
      });
    };
    run.on_step = [&](Index step, double loss) {
      halted();
      if (Clock::now() - reported < kProgressEvery) return;
      reported = Clock::now();
      CurvePoint point;
      point.step = step;
      point.train_loss = loss;
      shielded([&] { report(spec, id, point, false); });
    };
    return train(spec, *task, catalogue_.blocks, run);
  }

  /// Weights first, then the row that names them, then the checkpoint goes: a kill in between
  /// repeats the last steps and ends in the same bits.
  void save(Store& store, const TrialSpec& spec, const std::string& id, const TrialResult& result) {
    const std::string folder = store.folder(id);
    // A point may have been drawn but not recorded when an earlier run was cut off.
    for (const CurvePoint& point : result.curve) store.record(id, point);
    save_model(
        folder + "/model.safetensors",
        {result.weights, {{"trial", to_json(spec)}, {"outcome", to_string(result.outcome)}}});
    store.finish(id,
                 result.outcome == Outcome::diverged ? TrialStatus::diverged : TrialStatus::done,
                 result_json(spec, result, catalogue_));
    std::error_code ignored;
    std::filesystem::remove(folder + "/checkpoint.safetensors", ignored);
  }

  void give_back(Store& store, const std::string& id, const std::exception_ptr& outside) {
    if (outside) abandon(outside);
    try {
      store.release(id);
    } catch (const Error&) {
      // The store is what failed; the trial returns to pending when this process has ended.
      if (!outside) throw;
    }
  }

  void report(const TrialSpec& spec, const std::string& id, const CurvePoint& point,
              bool finished) {
    if (!options_.on_progress) return;
    const std::lock_guard lock(callback_mutex_);
    options_.on_progress({id, &spec, point, finished});
  }

  /// Beats for every trial held: one step or evaluation may take longer than a heartbeat lasts.
  void keep_beating() {
    Store store(store_path_, options_.store);
    std::unique_lock lock(mutex_);
    while (!changed_.wait_for(lock, kHeartbeatEvery, [this] { return all_done_; })) {
      const auto held = held_;
      lock.unlock();
      for (const auto& [id, worker] : held) store.heartbeat(id, worker);
      lock.lock();
    }
  }

  const std::string &store_path_, &experiment_;
  const Catalogue& catalogue_;
  const RunOptions& options_;
  const std::function<void(Store&)>& refill_;

  std::atomic<bool> halt_ = false;
  std::mutex mutex_, callback_mutex_;  ///< never both at once
  std::condition_variable changed_;
  // Guarded by mutex_:
  int busy_ = 0;
  bool all_done_ = false;
  std::set<std::pair<std::string, std::string>> held_;  ///< trial, worker
  std::exception_ptr error_;
};

}  // namespace

void run_queue(const std::string& store_path, const std::string& experiment,
               const Catalogue& catalogue, const RunOptions& options,
               const std::function<void(Store&)>& refill) {
  Pool(store_path, experiment, catalogue, options, refill).run();
}

void run_pending(const std::string& store_path, const std::string& experiment,
                 const Catalogue& catalogue, const RunOptions& options) {
  run_queue(store_path, experiment, catalogue, options, [](Store&) {});
}

}  // namespace separatrix

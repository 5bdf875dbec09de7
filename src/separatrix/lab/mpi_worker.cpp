// The side of a job's other ranks: trials come from rank 0 by message, what becomes of them goes
// back.

#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <map>

#include "separatrix/base/file.h"
#include "separatrix/lab/mpi_link.h"

namespace separatrix {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kAskAgainAfter = std::chrono::milliseconds(300);
constexpr auto kTellEvery = std::chrono::seconds(1);  ///< progress of a trial, to rank 0

/// What the workers of one of the other ranks share: the way to rank 0.
struct Line {
  MpiJob::Link& link;
  Pool* pool = nullptr;
  std::atomic<bool> ended = false;  ///< rank 0 has sent us home
  std::string scratch = {};

  Line(MpiJob::Link& to, std::string folder) : link(to), scratch(std::move(folder)) {}

  Json ask(const Json& request, std::string_view weights = {}) {
    const std::lock_guard lock(link.mutex);
    send_mpi(0, MpiTag::request, request.dump());
    send_chunks(0, weights);
    // No limit: between two experiments rank 0 is silent, and when it dies mpirun ends the job.
    auto message = poll_mpi(0, MpiTag::answer);
    while (!message) {
      wait_for_mpi();
      message = poll_mpi(0, MpiTag::answer);
    }
    const Json answer = Json::parse(message->bytes);
    if (answer.value("end", false)) ended = true;
    if (ended || answer.value("halt", false)) pool->halt();
    return answer;
  }
};

class RemoteQueue : public TrialQueue {
 public:
  explicit RemoteQueue(Line& line) : line_(line) {}

  std::optional<TrialSpec> claim(int worker) override {
    const auto now = Clock::now();
    if (now - asked_ < kAskAgainAfter) return std::nullopt;
    asked_ = now;
    const Json answer = line_.ask({{"do", "claim"}, {"worker", worker}});
    if (!answer.contains("spec")) return std::nullopt;
    asked_ = {};
    worker_ = worker;
    return read_trial_spec(answer.at("spec"), "rank 0");
  }
  bool worth_waiting() const override { return !line_.ended; }
  void heartbeat(const std::string& trial_id, int worker) override {
    line_.ask({{"do", "beat"}, {"worker", worker}, {"trial", trial_id}});
  }
  void record(const std::string& trial_id, const CurvePoint& point) override {
    tell("record", trial_id, {{"point", to_json(point)}});
  }
  std::string folder(const std::string& trial_id) const override {
    return line_.scratch + "/" + trial_id;
  }
  void finish(const std::string& trial_id, TrialStatus status, const Json& result,
              const std::string& error) override {
    std::string weights;
    if (status != TrialStatus::failed) weights = read_file(folder(trial_id) + "/model.safetensors");
    const Json answer = line_.ask({{"do", "finish"},
                                   {"worker", worker_},
                                   {"trial", trial_id},
                                   {"status", to_string(status)},
                                   {"result", result},
                                   {"error", error},
                                   {"bytes", weights.size()}},
                                  weights);
    if (answer.contains("error")) return;  // rank 0 says it; what lies here shortens the next run
    std::error_code ignored;
    if (status != TrialStatus::failed) std::filesystem::remove_all(folder(trial_id), ignored);
  }
  void release(const std::string& trial_id) override { tell("release", trial_id, {}); }

 private:
  void tell(const char* what, const std::string& trial_id, const Json& rest) {
    Json request = {{"do", what}, {"worker", worker_}, {"trial", trial_id}};
    if (rest.is_object()) request.update(rest);
    line_.ask(request);
  }

  Line& line_;
  Clock::time_point asked_ = {};
  int worker_ = 0;
};

/// A folder for each user, by trial: the checkpoint of a job that was ended serves the next one
/// that gives this machine the same trial.
std::string scratch_folder() {
  if (const char* const given = std::getenv("SEPARATRIX_SCRATCH"); given != nullptr && *given != 0)
    return given;
  const char* const user = std::getenv("USER");
  return (std::filesystem::temp_directory_path() /
          ("separatrix-scratch-" + std::string(user == nullptr ? "nobody" : user)))
      .string();
}

}  // namespace

bool started_by_mpirun() {
  const char* const size = std::getenv("OMPI_COMM_WORLD_SIZE");
  return size != nullptr && std::atoi(size) > 1;
}

void work_for_rank_zero(const MpiJob& job, const Catalogue& catalogue, const RunOptions& options) {
  Line line(*job.link(), scratch_folder());
  std::map<int, Clock::time_point> told;
  std::mutex told_mutex;
  const auto progress = [&](const RunProgress& event) {
    if (event.finished || !std::isfinite(event.point.train_loss)) return;
    {
      const std::lock_guard lock(told_mutex);
      if (Clock::now() - told[event.worker] < kTellEvery) return;
      told[event.worker] = Clock::now();
    }
    line.ask({{"do", "progress"}, {"worker", event.worker}, {"point", to_json(event.point)}});
  };
  Pool pool(catalogue, {.open_queue = [&] { return std::make_unique<RemoteQueue>(line); },
                        .threads = options.threads,
                        .stop = options.stop,
                        .progress = progress,
                        .ended = {},
                        .pulse = {}});
  line.pool = &pool;
  Json bye = {{"do", "bye"}};
  std::exception_ptr error;
  try {
    pool.run();
  } catch (const std::exception& reason) {
    bye["error"] = reason.what();
    error = std::current_exception();
  }
  line.ask(bye);
  if (error) std::rethrow_exception(error);
}

}  // namespace separatrix

// Rank 0's side of a job: hands out trials and takes in what comes of them.

#include <atomic>
#include <chrono>
#include <map>

#include "separatrix/base/file.h"
#include "separatrix/lab/machine.h"
#include "separatrix/lab/mpi_link.h"

namespace separatrix {
namespace {

using Clock = std::chrono::steady_clock;

Json error_json(const Error& error) {
  return {{"what", error.what()}, {"where", error.where()}, {"hint", error.hint()}};
}

}  // namespace

struct MpiService::State {
  struct Held {
    TrialSpec spec;
    int source = 0, worker = 0;
    Clock::time_point heard;
  };

  MpiJob::Link& link;
  StoreQueue from;
  Desk& desk;
  Pool& pool;
  std::atomic<bool> closed = false;
  std::atomic<int> held_count = 0;
  std::map<std::pair<int, int>, Held> held = {};  ///< by rank and its worker
  std::unique_ptr<Store> store = {};

  State(MpiJob::Link& to, const StoreQueue& queue, Desk& of, Pool& with)
      : link(to), from(queue), desk(of), pool(with) {}

  void serve();
  void forget_silent();
  Json answer(const MpiMessage& message);
  Json handle(int source, const Json& request, std::string weights);
  Json claim(int source, int worker);
  void finish(const Held& trial, const Json& request, const std::string& weights);
  /// Of this process, since a kill of any rank ends the job and with it this process.
  std::string name(int source, int worker) const {
    return this_process() + "/" + std::to_string(source) + "." + std::to_string(worker);
  }
  /// Distinct on the board; rank 0's own workers come first.
  int number(int source, int worker) const { return 1024 * source + worker; }
};

MpiService::MpiService(const MpiJob& job, const StoreQueue& store, Desk& desk, Pool& pool)
    : state_(std::make_unique<State>(*job.link(), store, desk, pool)) {}
MpiService::~MpiService() = default;
bool MpiService::busy() const { return state_->held_count > 0; }
void MpiService::close() { state_->closed = true; }

void MpiService::run() {
  try {
    state_->store = std::make_unique<Store>(state_->from.path, state_->from.options);
    state_->serve();
  } catch (...) {
    state_->pool.abandon(std::current_exception());
  }
  state_->held.clear();
  state_->held_count = 0;
}

void MpiService::State::serve() {
  for (;;) {
    if (closed && held.empty()) return;
    if (const auto message = poll_mpi(kAnyRank, MpiTag::request)) {
      const Json reply = answer(*message);
      held_count = int(held.size());
      send_mpi(message->source, MpiTag::answer, reply.dump());
      continue;
    }
    forget_silent();
    wait_for_mpi();
  }
}

/// Their trials return to pending by the heartbeat, as those of any dead process.
void MpiService::State::forget_silent() {
  const auto limit = std::chrono::seconds(from.options.expiry_seconds);
  for (auto it = held.begin(); it != held.end();) {
    if (Clock::now() - it->second.heard <= limit) {
      ++it;
      continue;
    }
    desk.note("rank " + std::to_string(it->second.source) +
              " has fallen silent; its trial goes to another");
    link.lost.insert(it->second.source);
    it = held.erase(it);
  }
  held_count = int(held.size());
}

/// Never throws for what the request asked: a store that fails ends the run for everybody.
Json MpiService::State::answer(const MpiMessage& message) {
  Json reply = Json::object();
  link.lost.erase(message.source);
  try {
    const Json request = Json::parse(message.bytes);
    std::string weights;
    if (const std::size_t bytes = request.value("bytes", std::size_t(0)); bytes > 0) {
      auto received = receive_chunks(message.source, bytes);
      if (!received) return reply;
      weights = *std::move(received);
    }
    reply = handle(message.source, request, std::move(weights));
  } catch (const Error& error) {
    pool.abandon(std::current_exception());
    reply["error"] = error_json(error);
  } catch (...) {
    pool.abandon(std::current_exception());
  }
  reply["halt"] = pool.halted();
  return reply;
}

Json MpiService::State::handle(int source, const Json& request, std::string weights) {
  const std::string what = request.at("do");
  if (what == "bye") {
    link.left.insert(source);
    if (request.contains("error"))
      desk.note("rank " + std::to_string(source) +
                " has given up: " + request.at("error").get<std::string>());
    return Json::object();
  }
  const int worker = request.at("worker");
  if (what == "claim") return claim(source, worker);
  const auto found = held.find({source, worker});
  if (found == held.end()) return Json::object();  // taken from it, or of an earlier run
  Held& trial = found->second;
  const std::string id = trial.spec.id();
  trial.heard = Clock::now();
  if (what == "beat") {
    store->heartbeat(id, name(source, worker));
  } else if (what == "record") {
    store->record(id, read_curve_point(request.at("point")));
  } else if (what == "progress") {
    desk.progress({.trial_id = id,
                   .spec = &trial.spec,
                   .point = read_curve_point(request.at("point")),
                   .worker = number(source, worker)});
  } else if (what == "finish") {
    // Out of our hands even if the store fails now: it is claimed again when this process has
    // ended.
    const Held ended = std::move(trial);
    held.erase(found);
    finish(ended, request, weights);
  } else if (what == "release") {
    held.erase(found);
    store->release(id);
  }
  return Json::object();
}

Json MpiService::State::claim(int source, int worker) {
  if (pool.halted()) return Json::object();
  auto spec = store->claim(from.experiment, name(source, worker), from.shard);
  if (!spec) return Json::object();
  const Json reply = {{"spec", to_json(*spec)}};
  held[{source, worker}] = {*std::move(spec), source, worker, Clock::now()};
  return reply;
}

/// Weights first, then the row that names them, as Pool does.
void MpiService::State::finish(const Held& trial, const Json& request, const std::string& weights) {
  const std::string id = trial.spec.id(), folder = store->folder(id);
  const auto status = read_trial_status(request.at("status"));
  if (!weights.empty()) {
    make_folder(folder);
    write_file_atomic(folder + "/model.safetensors", weights);
  }
  RunProgress event{.trial_id = id,
                    .spec = &trial.spec,
                    .finished = true,
                    .worker = number(trial.source, trial.worker),
                    .status = status,
                    .error = request.at("error")};
  store->finish(id, status, request.at("result"), event.error);
  if (status != TrialStatus::failed) remove_checkpoint(folder);  // one that rank 0 left behind
  desk.progress(std::move(event));
  desk.ended();
}

}  // namespace separatrix

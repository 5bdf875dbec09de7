#include "separatrix/lab/runner.h"

#include <optional>
#include <thread>

#include "separatrix/lab/desk.h"
#include "separatrix/lab/mpi_queue.h"
#include "separatrix/lab/pool.h"

namespace separatrix {
namespace {

/// The queue of rank 0's own workers: they wait while other ranks are at work.
class SharedQueue : public TrialQueue {
 public:
  SharedQueue(std::unique_ptr<TrialQueue> queue, const MpiService& service)
      : queue_(std::move(queue)), service_(service) {}

  std::optional<TrialSpec> claim(int worker) override { return queue_->claim(worker); }
  bool worth_waiting() const override { return service_.busy(); }
  void heartbeat(const std::string& id, int worker) override { queue_->heartbeat(id, worker); }
  void record(const std::string& id, const CurvePoint& point) override {
    queue_->record(id, point);
  }
  std::string folder(const std::string& id) const override { return queue_->folder(id); }
  void finish(const std::string& id, TrialStatus status, const Json& result,
              const std::string& error) override {
    queue_->finish(id, status, result, error);
  }
  void release(const std::string& id) override { queue_->release(id); }

 private:
  std::unique_ptr<TrialQueue> queue_;
  const MpiService& service_;
};

}  // namespace

void run_queue(const std::string& store_path, const std::string& experiment,
               const Catalogue& catalogue, const RunOptions& options,
               const std::function<void(Store&)>& refill) {
  const Shard shard = options.shard;
  if (shard.index < 1 || shard.index > shard.count)
    throw Error(
        ErrorKind::usage,
        "there is no shard " + std::to_string(shard.index) + " of " + std::to_string(shard.count),
        "--shard", "name one as in 1/4, 2/4, 3/4 or 4/4");
  // Opens the store once before every worker does, so that one that cannot be is reported once.
  Desk desk(store_path, experiment, options, refill);
  const StoreQueue store{store_path, experiment, options.store, shard};
  const bool several = options.job != nullptr && options.job->size() > 1;
  std::optional<MpiService> service;
  Pool pool(catalogue, {.open_queue =
                            [&] {
                              auto queue = open_queue(store);
                              if (service)
                                queue = std::make_unique<SharedQueue>(std::move(queue), *service);
                              return queue;
                            },
                        .threads = options.threads,
                        .stop = options.stop,
                        .progress = [&](const RunProgress& event) { desk.progress(event); },
                        .ended = [&] { desk.ended(); },
                        .pulse = [&] { desk.refresh(); }});
  if (!several) return pool.run();
  service.emplace(*options.job, store, desk, pool);
  std::thread answering([&] { service->run(); });
  std::exception_ptr error;
  try {
    pool.run();
  } catch (...) {
    error = std::current_exception();
  }
  service->close();
  answering.join();
  if (!error) error = pool.error();  // the service met it after the workers had ended
  if (error) std::rethrow_exception(error);
}

void run_pending(const std::string& store_path, const std::string& experiment,
                 const Catalogue& catalogue, const RunOptions& options) {
  run_queue(store_path, experiment, catalogue, options, [](Store&) {});
}

}  // namespace separatrix

#include "separatrix/lab/trial_queue.h"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>

#include "separatrix/lab/machine.h"

namespace separatrix {
namespace {

class LocalQueue : public TrialQueue {
 public:
  explicit LocalQueue(const StoreQueue& from) : from_(from), store_(from.path, from.options) {}

  std::optional<TrialSpec> claim(int worker) override {
    return store_.claim(from_.experiment, name(worker), from_.shard);
  }
  bool worth_waiting() const override { return false; }
  void heartbeat(const std::string& trial_id, int worker) override {
    store_.heartbeat(trial_id, name(worker));
  }
  void record(const std::string& trial_id, const CurvePoint& point) override {
    store_.record(trial_id, point);
  }
  std::string folder(const std::string& trial_id) const override { return store_.folder(trial_id); }
  void finish(const std::string& trial_id, TrialStatus status, const Json& result,
              const std::string& error) override {
    store_.finish(trial_id, status, result, error);
    if (status != TrialStatus::failed) remove_checkpoint(folder(trial_id));
  }
  void release(const std::string& trial_id) override { store_.release(trial_id); }

 private:
  std::string name(int worker) const { return process_ + "/" + std::to_string(worker); }

  StoreQueue from_;
  Store store_;
  std::string process_ = this_process();
};

}  // namespace

std::unique_ptr<TrialQueue> open_queue(const StoreQueue& store) {
  return std::make_unique<LocalQueue>(store);
}

void remove_checkpoint(const std::string& folder) {
  const std::string name = "checkpoint.safetensors", temporary = name + ".tmp";
  std::error_code ignored;
  std::filesystem::remove(folder + "/" + name, ignored);
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
    const std::string file = entry.path().filename().string();
    if (!file.starts_with(temporary)) continue;
    // Another process that still runs the trial may be writing its own.
    const int process = std::atoi(file.substr(temporary.size()).c_str());
    if (process > 0 && ::kill(process, 0) != 0 && errno == ESRCH)
      std::filesystem::remove(entry.path(), ignored);
  }
}

}  // namespace separatrix

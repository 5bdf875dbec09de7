#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "separatrix/train/trainer.h"

namespace separatrix {

enum class TrialStatus { pending, running, done, diverged, failed };
std::string to_string(TrialStatus status);

/// One trial as it stands in the store.
struct StoredTrial {
  std::string id;
  TrialSpec spec;
  TrialStatus status = TrialStatus::pending;
  Json result = Json::object();  ///< outcome, step, accuracies, seconds, ... (empty until done)
  std::string error;             ///< text, iff failed
  std::vector<CurvePoint> curve;
};

/// The only code that speaks SQL. One file, WAL, any number of processes; safe to kill at any
/// point. A trial is stored once, under its id, however many experiments name it. Throws Error(io):
/// cannot open, locked beyond a minute, disk full, not a store, or a store of a newer version.
class Store {
 public:
  explicit Store(const std::string& path);
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  /// Adds the trials that are not there yet and links all to the experiment.
  void enqueue(const std::string& experiment, std::span<const TrialSpec> trials);
  /// Atomically turns one pending trial of the experiment into running (oldest first). A running
  /// trial whose heartbeat is older than a minute counts as pending.
  std::optional<TrialSpec> claim(const std::string& experiment, const std::string& worker);
  void heartbeat(const std::string& trial_id, const std::string& worker);
  void record(const std::string& trial_id, const CurvePoint& point);
  void finish(const std::string& trial_id, TrialStatus status, const Json& result,
              const std::string& error = {});
  /// Gives a running trial back (interrupted): pending again.
  void release(const std::string& trial_id);

  std::map<TrialStatus, Index> counts(const std::string& experiment) const;
  /// In the order of enqueueing, with curves.
  std::vector<StoredTrial> trials(const std::string& experiment) const;
  std::vector<std::string> experiments() const;

  /// Findings that are no trials: kind "bound", "construction", "certificate", "separation",
  /// "machine"; one JSON per (experiment, kind, name), replaced when put again.
  void put(const std::string& experiment, const std::string& kind, const std::string& name,
           const Json& finding);
  std::vector<Json> findings(const std::string& experiment, const std::string& kind) const;

  /// <store path>.d/<trial id>: where checkpoints and weights of a trial live.
  std::string folder(const std::string& trial_id) const;

 private:
  struct Connection;
  std::unique_ptr<Connection> db_;
  std::string path_;
};

}  // namespace separatrix

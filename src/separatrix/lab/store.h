#pragma once

#include <cstdint>
#include <functional>
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
TrialStatus read_trial_status(const std::string& text);  ///< throws Error(io)

/// One trial as it stands in the store.
struct StoredTrial {
  std::string id;
  TrialSpec spec;
  TrialStatus status = TrialStatus::pending;
  Json result = Json::object();  ///< outcome, step, accuracies, seconds, ... (empty until done)
  std::string error;             ///< text, iff failed
  std::vector<CurvePoint> curve;
};

/// One part of an experiment that was divided among machines: the trials whose position in it
/// (order of enqueueing, from 0; it never changes) is index - 1 modulo count.
struct Shard {
  Index index = 1, count = 1;
};

/// How much of an experiment, or of a shard of it, has ended.
struct QueueTotals {
  Index trials = 0, ended = 0;      ///< ended: done, diverged or failed
  Index failed = 0;                 ///< part of ended
  double cost = 0, cost_ended = 0;  ///< operations, of the trials whose cost is known
};

/// What an experiment knows beside its trials.
struct Finding {
  std::string kind, name;
  Json value;
};

struct StoreOptions {
  int busy_ms = 60'000;                         ///< how long to wait for another process's lock
  std::int64_t expiry_seconds = 60;             ///< a heartbeat older than this is a dead worker's
  std::function<std::int64_t()> now_seconds{};  ///< since 1970; default: the system's clock
};

/// The only code that speaks SQL. One file, WAL, any number of processes; safe to kill at any
/// point. A trial is stored once, under its id, however many experiments name it. One Store serves
/// one thread. Throws Error(io): cannot open, locked beyond a minute, disk full, read-only, not a
/// store, or a store of a newer version. docs/store.md has the schema and the guarantees.
class Store {
 public:
  explicit Store(const std::string& path, StoreOptions options = {});
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  /// Adds the trials that are not there yet and links all to the experiment. `costs`: operations of
  /// each trial, or empty; a known cost replaces the one stored.
  void enqueue(const std::string& experiment, std::span<const TrialSpec> trials,
               std::span<const double> costs = {});
  /// Atomically turns one pending trial of the experiment's shard into running: the one of the
  /// highest cost, among equals the oldest. A running trial whose heartbeat is older than a minute,
  /// or whose process is known to have ended (lab/machine.h), counts as pending.
  std::optional<TrialSpec> claim(const std::string& experiment, const std::string& worker,
                                 Shard shard = {});
  void heartbeat(const std::string& trial_id, const std::string& worker);
  /// A point of the learning curve; one per step, replaced when recorded again.
  void record(const std::string& trial_id, const CurvePoint& point);
  /// Ends a trial as done, diverged or failed. What is done or diverged stays: a second worker's
  /// finish (its bits are the same) changes nothing. A failed trial may still become done.
  void finish(const std::string& trial_id, TrialStatus status, const Json& result,
              const std::string& error = {});
  /// Gives a running trial back (interrupted): pending again, unless another worker took it over.
  void release(const std::string& trial_id);
  /// Makes the failed trials of the experiment pending: what failed them (a full disk, a bug since
  /// mended) may be gone. Returns how many.
  Index retry_failed(const std::string& experiment);

  std::map<TrialStatus, Index> counts(const std::string& experiment) const;
  QueueTotals totals(const std::string& experiment, Shard shard = {}) const;
  /// In the order of enqueueing, with curves.
  std::vector<StoredTrial> trials(const std::string& experiment) const;
  /// One trial with its curve; nullopt when the store has none of that id.
  std::optional<StoredTrial> trial(const std::string& trial_id) const;
  std::vector<std::string> experiments() const;

  /// Findings that are no trials: kind "bound", "construction", "certificate", "separation",
  /// "machine"; one JSON per (experiment, kind, name), replaced when put again.
  void put(const std::string& experiment, const std::string& kind, const std::string& name,
           const Json& finding);
  /// In the order in which they were first put.
  std::vector<Json> findings(const std::string& experiment, const std::string& kind) const;
  std::vector<Finding> all_findings(const std::string& experiment) const;
  std::optional<Json> finding(const std::string& experiment, const std::string& kind,
                              const std::string& name) const;

  /// <store path>.d/<trial id>: where checkpoints and weights of a trial live.
  std::string folder(const std::string& trial_id) const;
  const std::string& path() const { return path_; }

 private:
  struct Connection;
  std::unique_ptr<Connection> db_;
  std::string path_;
};

}  // namespace separatrix

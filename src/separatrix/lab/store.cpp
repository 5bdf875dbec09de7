#include "separatrix/lab/store.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <chrono>

#include "separatrix/lab/machine.h"
#include "separatrix/lab/sqlite.h"
#include "separatrix/lab/store_schema.h"

namespace separatrix {
namespace {

using sqlite::Database;
using sqlite::Statement;
using sqlite::Transaction;

constexpr std::array kStatuses = {TrialStatus::pending, TrialStatus::running, TrialStatus::done,
                                  TrialStatus::diverged, TrialStatus::failed};

/// From a row of id, spec, status, result, error; without the curve.
StoredTrial read_stored_trial(const Statement& row, const std::string& path) {
  StoredTrial trial;
  trial.id = row.text(0);
  trial.spec = read_trial_spec(Json::parse(row.text(1)), path + "#" + trial.id);
  trial.status = read_trial_status(row.text(2));
  trial.result = Json::parse(row.text(3));
  trial.error = row.text(4);
  return trial;
}

std::int64_t system_seconds() {
  using std::chrono::duration_cast, std::chrono::seconds, std::chrono::system_clock;
  return duration_cast<seconds>(system_clock::now().time_since_epoch()).count();
}

}  // namespace

std::string to_string(TrialStatus status) {
  switch (status) {
    case TrialStatus::pending:
      return "pending";
    case TrialStatus::running:
      return "running";
    case TrialStatus::done:
      return "done";
    case TrialStatus::diverged:
      return "diverged";
    case TrialStatus::failed:
      return "failed";
  }
  return {};
}

TrialStatus read_trial_status(const std::string& text) {
  for (TrialStatus status : kStatuses)
    if (to_string(status) == text) return status;
  throw Error(ErrorKind::io, "the store holds the unknown status '" + text + "'");
}

struct Store::Connection {
  Database db;
  StoreOptions options;
  std::string file;                           ///< which one, on this machine
  std::map<std::string, std::string> claims;  ///< trial -> the worker that this Store took it for

  Connection(const std::string& path, StoreOptions given)
      : db(path, given.busy_ms), options(std::move(given)) {
    if (!options.now_seconds) options.now_seconds = system_seconds;
    open_schema(db, options.busy_ms);
    file = file_identity(path);
  }

  std::int64_t now() const { return options.now_seconds(); }

  /// A worker's name as this file keeps it. A copy of the store that was made while trials ran says
  /// that they are running, and their processes do live; but they work on the other file.
  std::string signed_name(const std::string& worker) const { return worker + "@" + file; }

  /// Whether nobody works on a trial of this store under that name any more.
  bool is_orphan(const std::string& signed_worker) const {
    if (process_has_ended(signed_worker)) return true;
    const std::size_t at = signed_worker.rfind('@');
    return at != std::string::npos && process_is_here(signed_worker) &&
           signed_worker.substr(at + 1) != file;
  }

  /// The row of an experiment, created if absent; call within a transaction.
  std::int64_t experiment(const std::string& name) {
    Statement(db, "INSERT OR IGNORE INTO experiments (name, created) VALUES (?1, ?2)")
        .bind(name, now())
        .run();
    Statement find(db, "SELECT id FROM experiments WHERE name = ?1");
    find.bind(name).step();
    return find.integer(0);
  }

  /// Takes the longest trial of the experiment's shard that nobody works on; {id, spec}.
  std::optional<std::pair<std::string, std::string>> take(const std::string& experiment,
                                                          const std::string& worker, Shard shard) {
    const std::int64_t time = now();
    Statement(db, R"(UPDATE trials SET status = 'pending', worker = NULL, heartbeat = NULL
                     WHERE status = 'running' AND heartbeat < ?1)")
        .bind(time - options.expiry_seconds)
        .run();
    // In the order of the index, so that a queue of thousands is not read through for each claim.
    Statement claim(db, R"(
        UPDATE trials SET status = 'running', worker = ?2, heartbeat = ?3
        WHERE id = (SELECT t.id FROM trials t INDEXED BY trials_to_do
                    CROSS JOIN members m ON t.id = m.trial
                    WHERE t.status = 'pending'
                      AND m.experiment = (SELECT id FROM experiments WHERE name = ?1)
                      AND m.position % ?5 = ?4 - 1
                    ORDER BY t.cost DESC, m.position LIMIT 1)
        RETURNING id, spec)");
    claim.bind(experiment, signed_name(worker), time, shard.index, shard.count);
    if (!claim.step()) return std::nullopt;
    std::pair<std::string, std::string> taken{claim.text(0), claim.text(1)};
    claim.run();
    return taken;
  }

  /// Makes trials of ended processes pending, so that `run` after a kill need not wait out the
  /// heartbeat. Returns whether there were any.
  bool reclaim(const std::string& experiment) {
    std::vector<std::pair<std::string, std::string>> running;
    Statement list(db, R"(
        SELECT t.id, t.worker FROM trials t INDEXED BY trials_to_do
        CROSS JOIN members m ON t.id = m.trial
        WHERE m.experiment = (SELECT id FROM experiments WHERE name = ?1)
          AND t.status = 'running')");
    list.bind(experiment);
    while (list.step()) running.emplace_back(list.text(0), list.text(1));
    bool any = false;
    for (const auto& [id, worker] : running) {
      if (!is_orphan(worker)) continue;
      Statement(db, R"(UPDATE trials SET status = 'pending', worker = NULL, heartbeat = NULL
                       WHERE id = ?1 AND status = 'running' AND worker = ?2)")
          .bind(id, worker)
          .run();
      any = true;
    }
    return any;
  }
};

Store::Store(const std::string& path, StoreOptions options)
    : db_(std::make_unique<Connection>(path, std::move(options))), path_(path) {}

Store::~Store() = default;

void Store::enqueue(const std::string& experiment, std::span<const TrialSpec> trials,
                    std::span<const double> costs) {
  assert(costs.empty() || costs.size() == trials.size());
  Transaction transaction(db_->db);
  const std::int64_t row = db_->experiment(experiment);
  Statement add(db_->db, R"(
      INSERT INTO trials (id, spec, created, cost) VALUES (?1, ?2, ?3, ?4)
      ON CONFLICT DO UPDATE SET cost = excluded.cost WHERE excluded.cost > 0 AND cost <> excluded.cost
      )");
  Statement link(db_->db, R"(
      INSERT OR IGNORE INTO members (experiment, trial, position)
      VALUES (?1, ?2, (SELECT coalesce(max(position), -1) + 1 FROM members WHERE experiment = ?1))
      )");
  for (std::size_t i = 0; i < trials.size(); ++i) {
    const std::string id = trials[i].id();
    const double cost = costs.empty() ? 0 : costs[i];
    add.bind(id, to_json(trials[i]).dump(), db_->now(), cost).run();
    link.bind(row, id).run();
  }
  transaction.commit();
}

std::optional<TrialSpec> Store::claim(const std::string& experiment, const std::string& worker,
                                      Shard shard) {
  assert(1 <= shard.index && shard.index <= shard.count);
  for (;;) {
    auto taken = db_->take(experiment, worker, shard);
    if (!taken && db_->reclaim(experiment)) taken = db_->take(experiment, worker, shard);
    if (!taken) return std::nullopt;
    const auto& [id, spec] = *taken;
    db_->claims[id] = db_->signed_name(worker);
    try {
      return read_trial_spec(Json::parse(spec), path_ + "#" + id);
    } catch (const std::exception& unreadable) {  // of another version of the spec: skip it
      finish(id, TrialStatus::failed, Json::object(), unreadable.what());
    }
  }
}

void Store::heartbeat(const std::string& trial_id, const std::string& worker) {
  Statement(db_->db, R"(UPDATE trials SET heartbeat = ?3
                        WHERE id = ?1 AND worker = ?2 AND status = 'running')")
      .bind(trial_id, db_->signed_name(worker), db_->now())
      .run();
}

void Store::record(const std::string& trial_id, const CurvePoint& point) {
  Statement(db_->db, R"(INSERT INTO points (trial, step, point) VALUES (?1, ?2, ?3)
                        ON CONFLICT DO UPDATE SET point = excluded.point)")
      .bind(trial_id, point.step, to_json(point).dump())
      .run();
}

void Store::finish(const std::string& trial_id, TrialStatus status, const Json& result,
                   const std::string& error) {
  assert(status != TrialStatus::pending && status != TrialStatus::running);
  // A failure neither replaces a result nor ends what another worker has taken over.
  const auto claim = db_->claims.find(trial_id);
  Statement(db_->db, R"(
      UPDATE trials SET status = ?2, result = ?3, error = ?4, worker = NULL, heartbeat = NULL
      WHERE id = ?1 AND status NOT IN ('done', 'diverged')
        AND (?2 <> 'failed' OR status = 'pending' OR
             (status = 'running' AND (?5 = '' OR worker = ?5))))")
      .bind(trial_id, to_string(status), result.dump(), error,
            claim == db_->claims.end() ? std::string() : claim->second)
      .run();
  db_->claims.erase(trial_id);
}

void Store::release(const std::string& trial_id) {
  const auto claim = db_->claims.find(trial_id);
  Statement(db_->db, R"(UPDATE trials SET status = 'pending', worker = NULL, heartbeat = NULL
                        WHERE id = ?1 AND status = 'running' AND (?2 = '' OR worker = ?2))")
      .bind(trial_id, claim == db_->claims.end() ? std::string() : claim->second)
      .run();
  db_->claims.erase(trial_id);
}

Index Store::retry_failed(const std::string& experiment) {
  Statement(db_->db, R"(
      UPDATE trials SET status = 'pending', error = ''
      WHERE status = 'failed' AND id IN (
        SELECT trial FROM members
        WHERE experiment = (SELECT id FROM experiments WHERE name = ?1)))")
      .bind(experiment)
      .run();
  return db_->db.changes();
}

std::map<TrialStatus, Index> Store::counts(const std::string& experiment) const {
  std::map<TrialStatus, Index> counts;
  for (TrialStatus status : kStatuses) counts[status] = 0;
  Statement query(db_->db, R"(
      SELECT t.status, count(*) FROM trials t INDEXED BY trials_to_do
      CROSS JOIN members m ON t.id = m.trial
      WHERE m.experiment = (SELECT id FROM experiments WHERE name = ?1) GROUP BY t.status)");
  query.bind(experiment);
  while (query.step()) counts[read_trial_status(query.text(0))] = query.integer(1);
  return counts;
}

QueueTotals Store::totals(const std::string& experiment, Shard shard) const {
  Statement query(db_->db, R"(
      SELECT t.status, count(*), total(t.cost) FROM trials t INDEXED BY trials_to_do
      CROSS JOIN members m ON t.id = m.trial
      WHERE m.experiment = (SELECT id FROM experiments WHERE name = ?1)
        AND m.position % ?3 = ?2 - 1 GROUP BY t.status)");
  query.bind(experiment, shard.index, shard.count);
  QueueTotals totals;
  while (query.step()) {
    const TrialStatus status = read_trial_status(query.text(0));
    totals.trials += query.integer(1);
    totals.cost += query.real(2);
    if (status == TrialStatus::failed) totals.failed += query.integer(1);
    if (status == TrialStatus::pending || status == TrialStatus::running) continue;
    totals.ended += query.integer(1);
    totals.cost_ended += query.real(2);
  }
  return totals;
}

std::vector<StoredTrial> Store::trials(const std::string& experiment) const {
  // Two queries however many trials there are: one for each would take a report most of its time.
  std::vector<StoredTrial> trials;
  Statement query(db_->db, R"(
      SELECT t.id, t.spec, t.status, t.result, t.error FROM members m JOIN trials t ON t.id = m.trial
      WHERE m.experiment = (SELECT id FROM experiments WHERE name = ?1) ORDER BY m.position)");
  query.bind(experiment);
  while (query.step()) trials.push_back(read_stored_trial(query, path_));
  Statement points(db_->db, R"(
      SELECT p.trial, p.point FROM members m JOIN points p ON p.trial = m.trial
      WHERE m.experiment = (SELECT id FROM experiments WHERE name = ?1)
      ORDER BY m.position, p.step)");
  points.bind(experiment);
  auto at = trials.begin();
  while (points.step()) {
    const std::string id = points.text(0);
    at = std::find_if(at, trials.end(), [&](const StoredTrial& trial) { return trial.id == id; });
    if (at == trials.end()) break;  // enqueued by another process since the first query
    at->curve.push_back(read_curve_point(Json::parse(points.text(1))));
  }
  return trials;
}

std::optional<StoredTrial> Store::trial(const std::string& trial_id) const {
  Statement query(db_->db, "SELECT id, spec, status, result, error FROM trials WHERE id = ?1");
  query.bind(trial_id);
  if (!query.step()) return std::nullopt;
  StoredTrial trial = read_stored_trial(query, path_);
  Statement curve(db_->db, "SELECT point FROM points WHERE trial = ?1 ORDER BY step");
  curve.bind(trial_id);
  while (curve.step()) trial.curve.push_back(read_curve_point(Json::parse(curve.text(0))));
  return trial;
}

std::vector<std::string> Store::experiments() const {
  std::vector<std::string> names;
  Statement query(db_->db, "SELECT name FROM experiments ORDER BY id");
  while (query.step()) names.push_back(query.text(0));
  return names;
}

void Store::put(const std::string& experiment, const std::string& kind, const std::string& name,
                const Json& finding) {
  Transaction transaction(db_->db);
  Statement(db_->db, R"(INSERT INTO findings (experiment, kind, name, finding)
                        VALUES (?1, ?2, ?3, ?4)
                        ON CONFLICT DO UPDATE SET finding = excluded.finding)")
      .bind(db_->experiment(experiment), kind, name, finding.dump())
      .run();
  transaction.commit();
}

std::vector<Json> Store::findings(const std::string& experiment, const std::string& kind) const {
  std::vector<Json> findings;
  Statement query(db_->db, R"(
      SELECT finding FROM findings
      WHERE experiment = (SELECT id FROM experiments WHERE name = ?1) AND kind = ?2 ORDER BY id)");
  query.bind(experiment, kind);
  while (query.step()) findings.push_back(Json::parse(query.text(0)));
  return findings;
}

std::vector<Finding> Store::all_findings(const std::string& experiment) const {
  std::vector<Finding> findings;
  Statement query(db_->db, R"(
      SELECT kind, name, finding FROM findings
      WHERE experiment = (SELECT id FROM experiments WHERE name = ?1) ORDER BY id)");
  query.bind(experiment);
  while (query.step())
    findings.push_back({query.text(0), query.text(1), Json::parse(query.text(2))});
  return findings;
}

std::optional<Json> Store::finding(const std::string& experiment, const std::string& kind,
                                   const std::string& name) const {
  Statement query(db_->db, R"(
      SELECT finding FROM findings
      WHERE experiment = (SELECT id FROM experiments WHERE name = ?1) AND kind = ?2 AND name = ?3)");
  query.bind(experiment, kind, name);
  if (!query.step()) return std::nullopt;
  return Json::parse(query.text(0));
}

std::string Store::folder(const std::string& trial_id) const { return path_ + ".d/" + trial_id; }

}  // namespace separatrix

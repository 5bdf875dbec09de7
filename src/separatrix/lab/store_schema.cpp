#include "separatrix/lab/store_schema.h"

#include <array>
#include <chrono>
#include <thread>

#include "separatrix/base/error.h"

namespace separatrix {
namespace {

using sqlite::Database;
using sqlite::Statement;
using sqlite::Transaction;

/// Marks a file as ours ("SpTx"), so that another program's database is never written to.
constexpr std::int64_t kApplicationId = 0x53705478;

/// Migration i takes a store from version i to i + 1. Append only: old stores exist.
constexpr const char* kSchema =
#include "separatrix/lab/schema.sql.inc"
    ;
constexpr const char* kSchema2 =
#include "separatrix/lab/schema-2.sql.inc"
    ;
constexpr std::array kMigrations = {kSchema, kSchema2};
constexpr auto kVersion = std::int64_t(kMigrations.size());

/// Every column that the program reads or writes, and the index that it asks for by name.
constexpr std::array kColumns = {
    "SELECT id, spec, status, worker, heartbeat, result, error, created, cost FROM trials",
    "SELECT id FROM trials INDEXED BY trials_to_do WHERE status = ''",
    "SELECT id, name, created FROM experiments",
    "SELECT experiment, trial, position FROM members",
    "SELECT trial, step, point FROM points",
    "SELECT id, experiment, kind, name, finding FROM findings",
};

/// Throws unless the file is empty or a store that this code can read.
void check_identity(Database& db) {
  const std::int64_t version = db.number("PRAGMA user_version").value_or(0);
  const bool empty = db.number("SELECT count(*) FROM sqlite_master").value_or(0) == 0;
  // Last, because another process may be making the store right now, in one transaction: whatever
  // of it the lines above have seen, this one then sees the mark.
  const std::int64_t application = db.number("PRAGMA application_id").value_or(0);
  if (application != kApplicationId && !(application == 0 && version == 0 && empty))
    throw Error(ErrorKind::io, "not a store (another program's database)", db.path(),
                "name another file, or one that does not exist yet");
  if (version > kVersion)
    throw Error(ErrorKind::io,
                "the store has version " + std::to_string(version) +
                    ", and this program reads up to " + std::to_string(kVersion),
                db.path(), "use the newer program that wrote it, or another store");
  if (db.read_only())
    throw Error(ErrorKind::io, "the store is read-only", db.path(),
                "choose a file and folder you may write to");
}

/// Preparing a statement fails in SQLite's words ("no such table: points") where one is missing.
void check_columns(Database& db) {
  for (const char* const sql : kColumns) Statement(db, sql);
}

/// Creates the tables or brings an older store up to date, in one transaction: a process killed
/// here, or two at once, leave the old version or the new one.
void migrate(Database& db) {
  if (db.number("PRAGMA user_version") == kVersion) {
    check_columns(db);
    return;
  }
  Transaction transaction(db);
  check_identity(db);  // again: another process may have been faster
  const std::int64_t from = db.number("PRAGMA user_version").value_or(0);
  for (std::int64_t version = from; version < kVersion; ++version)
    db.execute(kMigrations[std::size_t(version)]);
  check_columns(db);
  db.execute("PRAGMA application_id = " + std::to_string(kApplicationId));
  db.execute("PRAGMA user_version = " + std::to_string(kVersion));
  transaction.commit();
}

/// Readers never wait for the writer in this mode. Entering it needs the file for a moment, and
/// SQLite does not wait for that by itself.
void enter_wal(Database& db, int busy_ms) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(busy_ms);
  for (;;) {
    try {
      db.execute("PRAGMA journal_mode = WAL");
      return;
    } catch (const Error&) {
      if (!db.was_locked() || std::chrono::steady_clock::now() >= deadline) throw;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

}  // namespace

void open_schema(Database& db, int busy_ms) {
  check_identity(db);
  enter_wal(db, busy_ms);
  // WAL with NORMAL: whole at every moment; a power cut may undo the last few transactions,
  // which training again from the checkpoint restores bit for bit.
  db.execute("PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON");
  migrate(db);
}

}  // namespace separatrix

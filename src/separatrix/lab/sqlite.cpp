#include "separatrix/lab/sqlite.h"

#include <cerrno>
#include <system_error>

#include <sqlite3.h>
#include <unistd.h>

#include "separatrix/base/error.h"

namespace separatrix::sqlite {

// --- Statement ---------------------------------------------------------------------------------

Statement::Statement(Database& database, std::string_view sql) : database_(&database) {
  check(sqlite3_prepare_v2(database.handle(), sql.data(), int(sql.size()), &statement_, nullptr));
}

Statement::~Statement() { sqlite3_finalize(statement_); }

Statement::Statement(Statement&& other) noexcept
    : database_(other.database_), statement_(other.statement_) {
  other.statement_ = nullptr;
}

void Statement::check(int code) {
  if (code != SQLITE_OK) database_->fail(code);
}

void Statement::rewind() {
  sqlite3_reset(statement_);  // repeats the code of the last step, which has been reported already
  check(sqlite3_clear_bindings(statement_));
}

void Statement::bind_one(int position, std::string_view text) {
  check(sqlite3_bind_text(statement_, position, text.data(), int(text.size()), SQLITE_TRANSIENT));
}

void Statement::bind_one(int position, std::int64_t number) {
  check(sqlite3_bind_int64(statement_, position, number));
}

void Statement::bind_one(int position, double number) {
  check(sqlite3_bind_double(statement_, position, number));
}

bool Statement::step() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  // An unfinished statement would keep its lock and fail the rollback. Its message outlives the
  // reset, which returns the same code again.
  sqlite3_reset(statement_);
  database_->fail(code);
}

void Statement::run() {
  while (step()) {
  }
  sqlite3_reset(statement_);
}

std::string Statement::text(int column) const {
  const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  if (bytes == nullptr) return {};
  return {bytes, std::size_t(sqlite3_column_bytes(statement_, column))};
}

std::int64_t Statement::integer(int column) const {
  return sqlite3_column_int64(statement_, column);
}

double Statement::real(int column) const { return sqlite3_column_double(statement_, column); }

bool Statement::is_null(int column) const {
  return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

// --- Database ----------------------------------------------------------------------------------

Database::Database(const std::string& path, int busy_ms) : path_(path) {
  // No symbolic names such as ":memory:" or "file:" URIs: a store is a file.
  const std::string file = path.empty() || path.front() == ':' ? "./" + path : path;
  const int code =
      sqlite3_open_v2(file.c_str(), &handle_,
                      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  if (code != SQLITE_OK) {
    try {
      fail(code);
    } catch (...) {
      sqlite3_close(handle_);
      throw;
    }
  }
  sqlite3_extended_result_codes(handle_, 1);
  sqlite3_busy_timeout(handle_, busy_ms);
}

Database::~Database() { sqlite3_close(handle_); }

void Database::execute(const std::string& sql) {
  const int code = sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) fail(code);
}

std::optional<std::int64_t> Database::number(std::string_view sql) {
  Statement query(*this, sql);
  if (!query.step()) return std::nullopt;
  return query.integer(0);
}

std::int64_t Database::changes() const { return sqlite3_changes64(handle_); }

bool Database::read_only() const { return sqlite3_db_readonly(handle_, "main") == 1; }

bool Database::was_locked() const {
  const int code = sqlite3_errcode(handle_) & 0xff;
  return code == SQLITE_BUSY || code == SQLITE_LOCKED;
}

void Database::fail(int code) const {
  std::string reason = handle_ != nullptr ? sqlite3_errmsg(handle_) : sqlite3_errstr(code);
  // SQLite says nothing more than that; mostly it is the folder, which the WAL needs, too.
  const std::size_t slash = path_.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path_.substr(0, slash + 1);
  if ((code & 0xff) == SQLITE_CANTOPEN && ::access(folder.c_str(), W_OK) != 0)
    reason = std::generic_category().message(errno);
  switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      throw Error(ErrorKind::io, "the store is locked by another process", path_,
                  "wait for that process or end it, then run this again");
    case SQLITE_FULL:
      throw Error(ErrorKind::io, "no space left for the store", path_,
                  "free some space; everything recorded so far is safe");
    case SQLITE_NOTADB:
      throw Error(ErrorKind::io, "not a store (not an SQLite database)", path_,
                  "name another file, or one that does not exist yet");
    case SQLITE_CORRUPT:
      throw Error(ErrorKind::io, "the store is damaged: " + reason, path_,
                  "restore it from a copy, or start a new store");
    case SQLITE_READONLY:
      throw Error(ErrorKind::io, "the store is read-only", path_,
                  "choose a file and folder you may write to");
    case SQLITE_CANTOPEN:
      throw Error(ErrorKind::io, "cannot open the store: " + reason, path_,
                  "check the path and that you may write to its folder");
    case SQLITE_ERROR:
      if (reason.starts_with("no such "))
        throw Error(ErrorKind::io, "the store is incomplete: " + reason, path_,
                    "restore it from a copy, or start a new store");
      [[fallthrough]];
    default:
      throw Error(ErrorKind::io, "the store cannot be used: " + reason, path_,
                  "check the disk; everything recorded so far is safe");
  }
}

// --- Transaction -------------------------------------------------------------------------------

Transaction::Transaction(Database& database) : database_(database) {
  database_.execute("BEGIN IMMEDIATE");
}

Transaction::~Transaction() {
  // SQLite rolls back by itself after some errors; a second rollback then only says so.
  if (open_) sqlite3_exec(database_.handle(), "ROLLBACK", nullptr, nullptr, nullptr);
}

void Transaction::commit() {
  database_.execute("COMMIT");
  open_ = false;
}

}  // namespace separatrix::sqlite

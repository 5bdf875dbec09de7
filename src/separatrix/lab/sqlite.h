#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

struct sqlite3;
struct sqlite3_stmt;

namespace separatrix::sqlite {

class Database;

/// One prepared statement. Parameters and columns are numbered from 1 and 0, as SQLite does.
/// Every failure throws Error(io) in the words of Database.
class Statement {
 public:
  Statement(Database& database, std::string_view sql);
  ~Statement();
  Statement(Statement&& other) noexcept;
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;
  Statement& operator=(Statement&&) = delete;

  /// Binds the values to ?1, ?2, ... and rewinds.
  template <class... Values>
  Statement& bind(const Values&... values) {
    rewind();
    int position = 0;
    (bind_one(++position, values), ...);
    return *this;
  }
  bool step();  ///< true when there is a row to read
  void run();   ///< steps to the end
  std::string text(int column) const;
  std::int64_t integer(int column) const;
  double real(int column) const;
  bool is_null(int column) const;

 private:
  void rewind();
  void bind_one(int position, std::string_view text);
  void bind_one(int position, std::int64_t number);
  void bind_one(int position, double number);
  void check(int code);

  Database* database_;
  sqlite3_stmt* statement_ = nullptr;
};

/// One connection to one file, for one thread at a time.
class Database {
 public:
  /// Opens for reading and writing and creates the file if absent. Waits up to `busy_ms` for
  /// another process's lock. Throws Error(io) with where = path.
  Database(const std::string& path, int busy_ms);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  /// Runs a script of statements without parameters.
  void execute(const std::string& sql);
  /// First column of the first row, if there is one.
  std::optional<std::int64_t> number(std::string_view sql);
  std::int64_t changes() const;  ///< rows changed by the last statement
  bool read_only() const;
  const std::string& path() const { return path_; }
  sqlite3* handle() const { return handle_; }

  /// Throws what a result code means to the person at the keyboard: busy, full, not a database...
  [[noreturn]] void fail(int code) const;

 private:
  std::string path_;
  sqlite3* handle_ = nullptr;
};

/// BEGIN IMMEDIATE .. COMMIT; rolls back unless commit() was reached.
class Transaction {
 public:
  explicit Transaction(Database& database);
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  void commit();

 private:
  Database& database_;
  bool open_ = true;
};

}  // namespace separatrix::sqlite

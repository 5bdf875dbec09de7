#pragma once

#include <string>

#include <gtest/gtest.h>
#include <sqlite3.h>

#include "separatrix/base/error.h"

namespace separatrix {

/// Runs a script on a database file without going through Store.
inline void raw(const std::string& path, const std::string& sql) {
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &db), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
      << sqlite3_errmsg(db);
  sqlite3_close(db);
}

inline int user_version(const std::string& path) {
  sqlite3* db = nullptr;
  int version = -1;
  sqlite3_open(path.c_str(), &db);
  sqlite3_exec(
      db, "PRAGMA user_version",
      [](void* out, int, char** row, char**) {
        *static_cast<int*>(out) = std::stoi(row[0]);
        return 0;
      },
      &version, nullptr);
  sqlite3_close(db);
  return version;
}

/// The text of the Error(io) that body throws; empty, and a failure, when it throws none.
template <class Body>
std::string io_error(const Body& body) {
  try {
    body();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::io);
    EXPECT_FALSE(error.where().empty());
    EXPECT_FALSE(error.hint().empty());
    return error.what();
  }
  ADD_FAILURE() << "no Error";
  return {};
}

}  // namespace separatrix

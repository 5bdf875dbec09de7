#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "separatrix/lab/machine.h"
#include "separatrix/lab/store.h"
#include "tests/support/raw_store.h"
#include "tests/support/temp_dir.h"
#include "tests/support/trials.h"

namespace separatrix {
namespace {

using testing::HasSubstr;

/// Whatever is missing is said, and an older store that lacks it is left as it is.
TEST(StoreFiles, RefusesAStoreThatLacksATableOrColumn) {
  const TempDir dir;
  { Store store(dir / "whole.db"); }
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open((dir / "whole.db").c_str(), &db), SQLITE_OK);
  std::vector<std::pair<std::string, std::string>> columns;
  const auto add = [](void* out, int, char** row, char**) {
    static_cast<decltype(columns)*>(out)->emplace_back(row[0], row[1]);
    return 0;
  };
  sqlite3_exec(db,
               "SELECT m.name, c.name FROM sqlite_master m, pragma_table_info(m.name) c "
               "WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%'",
               add, &columns, nullptr);
  sqlite3_close(db);
  ASSERT_EQ(columns.size(), 23u);
  for (const auto& [table, column] : columns) {
    for (const bool whole_table : {true, false}) {
      std::filesystem::remove(dir / "s.db");
      { Store store(dir / "s.db"); }
      raw(dir / "s.db", whole_table ? "DROP TABLE " + table
                                    : "ALTER TABLE " + table + " RENAME COLUMN " + column +
                                          " TO other_" + column);
      const std::string text = io_error([&] { Store(dir / "s.db"); });
      EXPECT_THAT(text, HasSubstr("the store is incomplete: no such ")) << table << "." << column;
      EXPECT_THAT(text, HasSubstr(": " + (whole_table ? table : column)));
    }
  }
  std::filesystem::remove(dir / "s.db");
  { Store store(dir / "s.db"); }
  raw(dir / "s.db", "DROP INDEX trials_to_do");
  EXPECT_THAT(io_error([&] { Store(dir / "s.db"); }), HasSubstr("no such index: trials_to_do"));
  for (const std::string table : {"trials", "findings"}) {
    const std::string path = dir / (table + ".db");
    std::filesystem::copy_file(SEPARATRIX_SOURCE "/tests/golden/store-v1.db", path);
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
    raw(path, "DROP TABLE " + table);
    EXPECT_THAT(io_error([&] { Store store(path); }), HasSubstr("no such table: " + table));
    EXPECT_EQ(user_version(path), 1);
  }
}

/// The processes of the original live, but they do not work on the copy.
TEST(StoreFiles, ACopyDoesNotWaitForTheOriginalsWorkers) {
  const TempDir dir;
  Store store(dir / "s.db");
  store.enqueue("e", stored_trials(1));
  ASSERT_TRUE(store.claim("e", this_process() + "/0"));
  raw(dir / "s.db", "VACUUM INTO '" + dir / "copy.db" + "'");
  EXPECT_EQ(Store(dir / "copy.db").counts("e")[TrialStatus::running], 1);
  EXPECT_TRUE(Store(dir / "copy.db").claim("e", this_process() + "/0"));
  EXPECT_FALSE(Store(dir / "s.db").claim("e", this_process() + "/1"));
}

/// Version 1 as the first release wrote it must open for ever (tests/golden/README-store.md).
TEST(StoreFiles, OpensEveryOlderStore) {
  for (const std::string version : {"1", "2"}) {
    SCOPED_TRACE(version);
    const TempDir dir;
    std::filesystem::copy_file(SEPARATRIX_SOURCE "/tests/golden/store-v" + version + ".db",
                               dir / "s.db");
    std::filesystem::permissions(dir / "s.db", std::filesystem::perms::owner_all);
    Store store(dir / "s.db");
    EXPECT_THAT(store.experiments(), testing::ElementsAre("golden"));
    const auto trials = store.trials("golden");
    ASSERT_EQ(trials.size(), 3u);
    EXPECT_EQ(trials[0].status, TrialStatus::done);
    EXPECT_EQ(trials[0].result, Json({{"solved", true}, {"token_accuracy", 0.995}}));
    ASSERT_EQ(trials[0].curve.size(), 2u);
    EXPECT_EQ(trials[0].curve[1].token_accuracy, 0.75);
    EXPECT_EQ(trials[1].status, TrialStatus::failed);
    EXPECT_EQ(trials[1].error, "text of the failure");
    EXPECT_EQ(trials[2].status, TrialStatus::pending);
    EXPECT_EQ(store.findings("golden", "bound"), (std::vector<Json>{{{"bits", 120}}}));
    EXPECT_EQ(store.totals("golden").cost, version == "1" ? 0 : 6e12);
    EXPECT_TRUE(store.claim("golden", "w"));
  }
}

/// Not a test: writes the golden file anew when asked to by name. Run once per version.
TEST(StoreFiles, DISABLED_WriteGolden) {
  const std::string path = SEPARATRIX_SOURCE "/tests/golden/store-v2.db";
  ASSERT_FALSE(std::filesystem::exists(path)) << "old stores are kept, not rewritten";
  {
    Store store(path, {.now_seconds = [] { return 1'700'000'000; }});
    const auto trials = stored_trials(3);
    store.enqueue("golden", trials, std::vector<double>{3e12, 2e12, 1e12});
    store.claim("golden", "w");
    store.record(trials[0].id(), {.step = 100, .token_accuracy = 0.5});
    store.record(trials[0].id(), {.step = 200, .token_accuracy = 0.75});
    store.finish(trials[0].id(), TrialStatus::done, {{"solved", true}, {"token_accuracy", 0.995}});
    store.claim("golden", "w");
    store.finish(trials[1].id(), TrialStatus::failed, Json::object(), "text of the failure");
    store.put("golden", "bound", "index_lookup", {{"bits", 120}});
  }
  raw(path, "PRAGMA journal_mode = DELETE; PRAGMA page_size = 512; VACUUM");  // small, and one file
}

}  // namespace
}  // namespace separatrix

#include <filesystem>

#include <gtest/gtest.h>

#include "separatrix/base/error.h"
#include "separatrix/base/file.h"
#include "tests/support/temp_dir.h"

namespace separatrix {
namespace {

namespace fs = std::filesystem;

TEST(File, IsReplacedWhole) {
  const TempDir dir;
  write_file_atomic(dir / "a", "old");
  write_file_atomic(dir / "a", std::string("new\0bytes", 9));
  EXPECT_EQ(read_file(dir / "a"), std::string("new\0bytes", 9));
  EXPECT_EQ(std::distance(fs::directory_iterator(dir / "."), {}), 1);  // no temporary left
}

TEST(File, ALinkIsFollowed) {
  const TempDir dir;
  write_file_atomic(dir / "target", "old");
  fs::create_symlink("target", dir / "link");
  write_file_atomic(dir / "link", "new");
  EXPECT_TRUE(fs::is_symlink(dir / "link"));
  EXPECT_EQ(read_file(dir / "target"), "new");
}

TEST(File, DevicesAndFoldersAreNotReplaced) {
  const TempDir dir;
  for (const std::string& path : {std::string("/dev/null"), dir / "."}) {
    try {
      write_file_atomic(path, "bytes");
      ADD_FAILURE() << path;
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::io);
    }
  }
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
}

TEST(File, StandsUnderItsNameOnlyWhenCommitted) {
  const TempDir dir;
  write_file_atomic(dir / "a", "old");
  {
    AtomicFile abandoned(dir / "a");
    abandoned.append("half");
  }
  EXPECT_EQ(read_file(dir / "a"), "old");
  AtomicFile file(dir / "a");
  file.reserve(9);
  file.write_at(6, "end");
  file.append("be");
  file.append("gin-");
  EXPECT_EQ(read_file(dir / "a"), "old");
  file.commit();
  EXPECT_EQ(read_file(dir / "a"), "begin-end");
  EXPECT_EQ(std::distance(fs::directory_iterator(dir / "."), {}), 1);  // no temporary left
}

TEST(File, AFileThatNoDiskHoldsIsAnErrorAtOnce) {
  const TempDir dir;
  AtomicFile file(dir / "a");
  EXPECT_THROW(file.reserve(std::uint64_t{1} << 63), Error);
  EXPECT_TRUE(fs::is_empty(dir / "."));
}

TEST(File, WhatCannotBeReadOrMadeIsAnError) {
  const TempDir dir;
  write_file_atomic(dir / "a", "");
  EXPECT_THROW(read_file(dir / "absent"), Error);
  EXPECT_THROW(read_file(dir / "."), Error);
  EXPECT_THROW(write_file_atomic(dir / "absent/b", "x"), Error);
  EXPECT_THROW(make_folder(dir / "a/b"), Error);  // below a file
}

}  // namespace
}  // namespace separatrix

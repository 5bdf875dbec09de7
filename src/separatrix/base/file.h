#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace separatrix {

/// The whole file. Throws Error(io) naming the path and the system's reason.
std::string read_file(const std::string& path);

/// A file that has its name only once it is complete. The bytes go to a temporary name in the same
/// folder; commit() syncs, renames and syncs the folder, so that after a crash the path holds
/// either the old bytes or the new ones. Every member throws Error(io) (folder absent or read-only,
/// disk full, the path is no regular file) and leaves what stood at the path untouched; the
/// temporary goes with the object.
class AtomicFile {
 public:
  explicit AtomicFile(const std::string& name);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  /// Makes the file so long, zeros; a disk too small says so now, not after hours of writing.
  void reserve(std::uint64_t bytes);
  void append(std::string_view bytes);
  void write_at(std::uint64_t offset, std::string_view bytes);
  /// Not `durable`: leaves it to the system when the bytes reach the disk, so that a power failure
  /// soon after may leave an empty file; for thousands of files that one command writes again.
  void commit(bool durable = true);

 private:
  [[noreturn]] void abandon(const char* action, int error);

  std::string path_, temporary_;
  int fd_ = -1;
  std::uint64_t end_ = 0;  ///< where append goes on
};

/// An AtomicFile of these bytes.
void write_file_atomic(const std::string& path, std::string_view bytes);

/// Creates the folder and its parents if absent. Throws Error(io).
void make_folder(const std::string& path);

}  // namespace separatrix

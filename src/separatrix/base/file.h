#pragma once

#include <string>
#include <string_view>

namespace separatrix {

/// The whole file. Throws Error(io) naming the path and the system's reason.
std::string read_file(const std::string& path);

/// Writes to a temporary name in the same folder, syncs, renames, syncs the folder: after a crash
/// the path holds either the old bytes or the new ones. Throws Error(io) (folder absent or
/// read-only, disk full; the path is no regular file) and then leaves the old file untouched and no temporary behind.
void write_file_atomic(const std::string& path, std::string_view bytes);

/// Creates the folder and its parents if absent. Throws Error(io).
void make_folder(const std::string& path);

}  // namespace separatrix

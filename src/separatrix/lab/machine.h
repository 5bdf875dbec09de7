#pragma once

#include <string>

#include "separatrix/base/fields.h"

namespace separatrix {

/// What results are reported with: {"cpu", "cores", "compiler", "simd", "version", "commit"}.
/// "commit" ends in "+" when the sources had changes beyond it, and is "unknown" outside git.
Json describe_machine();

/// This process, told apart from every other one that may share a store: host and boot, process
/// namespace, process number and start time. A worker's name is this, "/", and its thread.
std::string this_process();

/// Whether the process of a worker has certainly ended: it ran on this host, in this boot and
/// namespace, and is no longer there. False when that cannot be told.
bool process_has_ended(const std::string& worker);

/// Whether a worker's process ran or runs on this host, in this boot and namespace.
bool process_is_here(const std::string& worker);

/// Tells a file from every other one of this machine, whatever its names; stays when it is moved
/// within its disk. Empty when there is no such file.
std::string file_identity(const std::string& path);

}  // namespace separatrix

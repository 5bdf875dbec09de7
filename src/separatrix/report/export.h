#pragma once

#include <span>
#include <string>
#include <vector>

#include "separatrix/lab/catalogue.h"
#include "separatrix/lab/store.h"

namespace separatrix {

/// One experiment with its trials.
struct ExportedExperiment {
  std::string name;
  std::vector<StoredTrial> trials;
};
using ExportedExperiments = std::span<const ExportedExperiment>;

/// A way to hand results to other programs; docs/data.md describes the files.
struct ExportFormat {
  const char *name, *summary;
  /// The whole as one text; such a format may go to standard output.
  std::string (*text)(ExportedExperiments experiments, const Registry<Block>& blocks) = nullptr;
  /// Writes to `path`, a file or a folder, and returns the files. Throws Error(io).
  std::vector<std::string> (*write)(ExportedExperiments experiments, const Registry<Block>& blocks,
                                    const std::string& path) = nullptr;
};
std::span<const ExportFormat> export_formats();

/// Throws Error(usage) that names the formats there are.
const ExportFormat& find_export_format(const std::string& name);

}  // namespace separatrix

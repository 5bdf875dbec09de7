#pragma once

#include <string>
#include <vector>

#include "separatrix/lab/store.h"

namespace separatrix {

struct ReportFiles {
  std::string html, csv;
  std::vector<std::string> charts;  ///< Vega-Lite specifications, one JSON file each
};

/// Writes <folder>/index.html (self-contained: no request leaves the page), results.csv and
/// charts/*.json from what the store holds of one experiment, or of all when the name is empty.
/// Reads only. Throws Error(io); Error(spec) when there is no such experiment.
ReportFiles write_report(const Store& store, const std::string& experiment,
                         const std::string& folder);

}  // namespace separatrix

#pragma once

#include <vector>

#include "separatrix/lab/summary.h"
#include "separatrix/report/data.h"

namespace separatrix {

/// What the seeds of one setting have reached at one step.
struct BandPoint {
  Index step = 0;
  double median = 0, min = 0, max = 0;  ///< of token accuracy
};

/// The seeds' curves as one band, at no more than `most` steps (at least 2), first and last among
/// them. A run that ended earlier, because it solved the task or diverged, counts on with the last
/// accuracy it had. Empty when no seed has a curve.
std::vector<BandPoint> seed_band(const Setting& setting, const std::vector<ReportTrial>& trials,
                                 std::size_t most);

}  // namespace separatrix

#pragma once

#include <string>
#include <vector>

#include "separatrix/base/fields.h"

namespace separatrix {

/// Time of one training step of one model while one size grows and the others stay.
struct ScalingSeries {
  std::string model, live;  ///< "transformer", "last" or "all": which positions are read
  std::string axis;         ///< "length", "width", "batch" or "layers"
  struct Point {
    Index size = 0;
    double ms = 0, ms_min = 0, ms_max = 0;  ///< median, fastest, slowest
    double gflops = 0;                      ///< useful operations per second, 10^9
  };
  std::vector<Point> points;  ///< sizes ascend

  /// p of ms ~ size^p: least squares through all points in logarithms, or through the last two,
  /// where fixed costs weigh least. 0 with fewer than two points.
  double exponent() const;
  double last_exponent() const;
};

struct Scaling {
  Index length = 100, width = 64, batch = 64, layers = 1;  ///< of what does not grow
  Index threads = 1;
  double peak_gflops = 0;  ///< of a matrix product on as many threads
  Json machine;
  std::vector<ScalingSeries> series;
};

Json scaling_json(const Scaling& scaling);
std::string scaling_text(const Scaling& scaling);
/// One self-contained page: a chart for each axis, the exponents, and every number in a table.
std::string scaling_page(const Scaling& scaling, const std::string& date);

}  // namespace separatrix

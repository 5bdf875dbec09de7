#include "separatrix/report/bands.h"

#include <algorithm>
#include <set>

namespace separatrix {
namespace {

/// The accuracy at the last point not after `step`; the first point's before that.
double accuracy_at(const std::vector<CurvePoint>& curve, Index step) {
  const auto after =
      std::upper_bound(curve.begin(), curve.end(), step,
                       [](Index wanted, const CurvePoint& point) { return wanted < point.step; });
  return after == curve.begin() ? curve.front().token_accuracy : std::prev(after)->token_accuracy;
}

/// At most `most` of the steps, evenly chosen, the first and the last among them.
std::vector<Index> thinned(const std::set<Index>& steps, std::size_t most) {
  const std::vector<Index> all(steps.begin(), steps.end());
  if (all.size() <= most) return all;
  std::vector<Index> kept;
  for (std::size_t i = 0; i < most; ++i) kept.push_back(all[i * (all.size() - 1) / (most - 1)]);
  return kept;
}

double median_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

}  // namespace

std::vector<BandPoint> seed_band(const Setting& setting, const std::vector<ReportTrial>& trials,
                                 std::size_t most) {
  std::vector<const std::vector<CurvePoint>*> curves;
  std::set<Index> steps;
  for (const std::size_t i : setting.trials) {
    const std::vector<CurvePoint>& curve = trials[i].stored.curve;
    if (curve.empty()) continue;
    curves.push_back(&curve);
    for (const CurvePoint& point : curve) steps.insert(point.step);
  }
  std::vector<BandPoint> band;
  for (const Index step : thinned(steps, most)) {
    std::vector<double> values;
    for (const auto* curve : curves) values.push_back(accuracy_at(*curve, step));
    const auto [low, high] = std::minmax_element(values.begin(), values.end());
    band.push_back({.step = step, .median = 0, .min = *low, .max = *high});
    band.back().median = median_of(std::move(values));
  }
  return band;
}

}  // namespace separatrix

#pragma once

#include <string>
#include <vector>

#include "separatrix/lab/summary.h"

namespace separatrix {

/// One result of an experiment beside what was published of it.
struct ComparedSetting {
  const Cell* cell = nullptr;
  Index length = 0;  ///< at which it is judged
  std::string metric;
  Spread ours;            ///< over the seeds at the best learning rate
  std::string published;  ///< a value or words; empty: nothing published
};

/// An ordering of the experiment file at one length.
struct OrderingAt {
  Index length = 0;
  std::string ahead, behind;  ///< labels of the best on each side
  double ahead_value = 0, behind_value = 0;
  int verdict = 0;  ///< 1: ahead is ahead, 0: level within half a percent point, -1: behind
};
const char* verdict_words(const OrderingAt& at);  ///< "is ahead of", "is level with", "is behind"
struct CheckedOrdering {
  std::string text, metric;
  std::vector<OrderingAt> at;  ///< empty: one side has no results
  bool holds() const;          ///< ahead at one length at least, behind at none
};

/// Every cell at its trained length, with what is published of it; then the published values at
/// other lengths. `published` and `orderings` are those of an experiment file (lab/experiment.h).
std::vector<ComparedSetting> compare(const Json& published, const std::vector<Cell>& cells);
std::vector<CheckedOrdering> check_orderings(const Json& orderings, const std::vector<Cell>& cells);

std::string label(const Cell& cell);  ///< "lstm, width 64, N = 20"
Json to_json(const ComparedSetting& setting, const std::string& source);
/// {"setting": its text, "ours": whether it is seen, "published": true, "source", "at": [...]}
Json to_json(const CheckedOrdering& ordering, const std::string& source);

}  // namespace separatrix

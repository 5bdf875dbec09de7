#pragma once

#include <set>
#include <string>
#include <vector>

#include "separatrix/report/page_data.h"

namespace separatrix {

/// One figure: a Vega-Lite specification in light colours, and its words. Its data is inline, or
/// named: tables of PageData, which the page hands over filtered.
struct Chart {
  std::string id;       ///< file name without ".json", and the element's id
  std::string title;    ///< what is over what
  std::string caption;  ///< how to read it, one paragraph of plain text
  Json spec;
  std::string task = {};  ///< task_label of what it shows
};

/// What there is to show of one task.
struct TaskView {
  std::string task;                 ///< task_label
  std::vector<const Cell*> cells;   ///< of this task
  std::set<Index> lengths, widths;  ///< of these cells
  std::vector<std::string> models;  ///< of the whole page: a model has one colour on it
  bool has_bound = false, has_ceiling = false, has_certified = false;
};
std::vector<TaskView> task_views(const ReportData& data, const PageData& page);

/// Every chart for which the task has something to show. A chart is one function of one file; a
/// new one is an entry of the table in charts.cpp.
std::vector<Chart> make_charts(const ReportData& data, const PageData& page);

std::optional<Chart> heatmap_chart(const TaskView& view);
std::optional<Chart> state_chart(const TaskView& view);
std::optional<Chart> width_chart(const TaskView& view);
std::optional<Chart> length_chart(const TaskView& view);
std::optional<Chart> further_lengths_chart(const TaskView& view);
std::optional<Chart> curves_chart(const TaskView& view);
std::optional<Chart> steps_over_width_chart(const TaskView& view);
std::optional<Chart> steps_over_length_chart(const TaskView& view);
std::optional<Chart> rates_chart(const TaskView& view);

/// The specification of a chart of make_charts with the rows it shows in it, for files that stand
/// alone.
Json standalone(const Chart& chart, const PageData& page);

}  // namespace separatrix

#pragma once

#include <string>
#include <vector>

#include "separatrix/report/data.h"

namespace separatrix {

/// One figure: a self-contained Vega-Lite specification (inline data, light colours) and its words.
struct Chart {
  std::string id;       ///< file name without ".json", and the element's id
  std::string title;    ///< what is over what
  std::string caption;  ///< how to read it, one paragraph of plain text
  Json spec;
};

/// Token accuracy over bits of recurrent state, width, and steps: the charts for which the data has
/// something to show, in the order of the page.
std::vector<Chart> make_charts(const ReportData& data);

// The parts, for make_charts.
std::optional<Chart> state_chart(const ReportData& data);
std::optional<Chart> width_chart(const ReportData& data);
std::vector<Chart> curve_charts(const ReportData& data);  ///< one for each model

// Shared by the charts.
Json chart_frame(const std::string& description, Index height);  ///< schema, size, colours
Json percent_axis(const std::string& title);                     ///< y channel, 0 to 100 %
/// Colour by model, the same in every chart; the legend lists only those in `shown`.
Json model_color(const ReportData& data, const std::vector<std::string>& shown);
struct TooltipField {
  const char* field;
  const char* title;
  const char* format = nullptr;  ///< of a number; text otherwise
};
Json tooltip_fields(const std::vector<TooltipField>& fields);
/// A trial as chart data: model, width, state_bits, lr ("1e-3"), seed, accuracy, outcome, ...
Json trial_datum(const ReportTrial& trial);

}  // namespace separatrix

#pragma once

#include <string>
#include <vector>

#include "separatrix/report/charts.h"

namespace separatrix {

// What the charts share. Specifications are Vega-Lite; web/report.js replaces the colours by those
// of web/report.css, and sets the panels' columns and sizes for the width of the screen.

Json chart_config();                                             ///< colours and fonts, light
Json chart_frame(const std::string& description, Index height);  ///< of a chart without panels

struct TooltipField {
  const char* field;
  const char* title;
  const char* format = nullptr;  ///< of a number; text otherwise
};
Json tooltip_fields(const std::vector<TooltipField>& fields);
/// What is said of a setting under the pointer.
Json setting_tooltip();

/// A y channel from 0 to 100 %.
Json accuracy_channel(const std::string& field, const std::string& title = "token accuracy");
/// A logarithmic x channel with ticks at these values.
Json sizes_channel(const std::string& field, const std::string& title,
                   const std::set<Index>& values);
/// The same over everything from `low` to `high`, which powers of two mark.
Json powers_channel(const std::string& field, const std::string& title, double low, double high);
Json model_color(const TaskView& view);
Json width_color(const TaskView& view);

/// {"filter": expression}
Json filter(const std::string& expression);
/// The columns of the setting that a row of `lengths` or `curves` belongs to.
Json setting_lookup();

Json line_layer(const Json& encoding);
/// Filled where at least two thirds of the seeds solved the task, hollow elsewhere.
void add_points(const Json& encoding, Json& layers);
/// From the worst seed to the best.
Json seeds_layer(const Json& encoding, const std::string& low, const std::string& high);
/// Text from an expression, at the left of its place.
Json text_layer(const std::string& style, const std::string& expression);
/// A line at chance level and its name, in every panel.
void add_chance(const std::string& field, Json& layers);
/// Certified models as diamonds at accuracy 1, from rows of `marks`.
void add_certified(const std::string& size, Json& layers);

struct PanelChart {
  std::string id = {}, title = {}, caption = {}, description = {};
  std::string data;  ///< a table, or "measured": settings and marks
  Json transform = Json::array();
  std::vector<std::string> panels = {};  ///< one for each combination of these: "model", "length"
  std::vector<std::string> needs = {};   ///< columns without which a setting is not shown
  bool best = true;                      ///< only the best rate of each cell is shown
  Json layers = Json::array();
  Json encoding = Json::object();  ///< of all layers
  Index height = 190, least_width = 210;
  bool own_scales = false;  ///< each panel its own x
};
Chart panel_chart(const TaskView& view, PanelChart chart);

}  // namespace separatrix

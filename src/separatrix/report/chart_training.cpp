#include <algorithm>

#include "separatrix/report/chart_parts.h"
#include "separatrix/report/text.h"

// How training went: learning rates, curves, steps to solve.

namespace separatrix {
namespace {

std::vector<std::string> by_model_and_length(const TaskView& view) {
  if (view.lengths.size() > 1) return {"model", "length"};
  return {"model"};
}

/// Steps to solve over x, of the cells that were solved.
PanelChart steps_chart(const Json& x, const Json& color) {
  Json y = {{"field", "steps"},
            {"type", "quantitative"},
            {"title", "steps to solve, median"},
            {"scale", {{"type", "log"}}},
            {"axis",
             {{"format", "~s"},
              {"tickCount", 4},
              {"grid", false},
              {"minExtent", 38},
              {"maxExtent", 38}}}};
  const Json encoding = {{"x", x}, {"y", y}, {"color", color}};
  PanelChart chart{.data = "settings"};
  chart.needs = {"steps"};
  chart.layers.push_back(line_layer(encoding));
  add_points(encoding, chart.layers);
  chart.caption =
      "Optimiser steps until the criterion was met, median of the seeds that met it, "
      "at the best learning rate. A model and width that no seed solved has no point; "
      "hollow points are those that fewer than two thirds of the seeds solved.";
  return chart;
}

Index solved_cells(const TaskView& view) {
  return std::count_if(view.cells.begin(), view.cells.end(),
                       [](const Cell* cell) { return cell->best().median_steps.value_or(0) > 0; });
}

}  // namespace

std::optional<Chart> rates_chart(const TaskView& view) {
  if (std::none_of(view.cells.begin(), view.cells.end(), [](const Cell* cell) {
        return cell->settings.size() > 1 && cell->best().final("token_accuracy").n > 0;
      }))
    return std::nullopt;
  const Json x = {
      {"field", "lr"},
      {"type", "quantitative"},
      {"title", "learning rate"},
      {"scale", {{"type", "log"}, {"nice", false}, {"padding", 14}}},
      {"axis", {{"format", "~e"}, {"tickCount", 4}, {"labelOverlap", true}, {"grid", false}}}};
  const Json encoding = {
      {"x", x}, {"y", accuracy_channel("accuracy")}, {"color", width_color(view)}};
  PanelChart chart{
      .id = "learning-rates",
      .title = "Learning-rate windows",
      .caption =
          "Mean token accuracy over the learning rate, one line for each width, with a line "
          "from the worst seed to the best. A filled point is a rate that works: at least "
          "two thirds of its seeds solved the task; the filled points of a line are its "
          "window. Best-of figures on this page choose one point of each line.",
      .description = "token accuracy over learning rate, one line for each width.",
      .data = "settings",
      .panels = by_model_and_length(view)};
  chart.needs = {"accuracy"};
  chart.best = false;
  add_chance("chance", chart.layers);
  chart.layers.push_back(line_layer(encoding));
  chart.layers.push_back(seeds_layer(encoding, "accuracy_min", "accuracy_max"));
  add_points(encoding, chart.layers);
  return panel_chart(view, std::move(chart));
}

std::optional<Chart> curves_chart(const TaskView& view) {
  Index last = 0;
  for (const Cell* cell : view.cells)
    if (cell->best().ended() > 0) last = std::max(last, cell->best().spec.train.steps);
  if (last == 0) return std::nullopt;
  const Json x = {
      {"field", "step"},
      {"type", "quantitative"},
      {"title", "steps"},
      {"scale", {{"zero", true}, {"nice", false}}},
      {"axis", {{"format", "~s"}, {"tickCount", 4}, {"labelOverlap", true}, {"grid", false}}}};
  PanelChart chart{
      .id = "learning-curves",
      .title = "Learning curves",
      .caption =
          "Accuracy on inputs never trained on over optimiser steps, at the best learning "
          "rate. Lines are medians over the seeds, bands reach from the worst seed to the "
          "best. A run that ended before the others, because it met the criterion or "
          "diverged, counts on with the accuracy it had.",
      .description = "token accuracy over training steps, median and range of the seeds.",
      .data = "curves",
      .panels = by_model_and_length(view),
      .own_scales = true};
  chart.transform.push_back(setting_lookup());
  add_chance("chance", chart.layers);
  Json band = {{"x", x}, {"y", accuracy_channel("min")}, {"color", width_color(view)}};
  band["y2"] = {{"field", "max"}};
  chart.layers.push_back(
      {{"mark", {{"type", "area"}, {"opacity", 0.18}, {"aria", false}}}, {"encoding", band}});
  const Json line = {{"x", x}, {"y", accuracy_channel("median")}, {"color", width_color(view)}};
  chart.layers.push_back(line_layer(line));
  Json point = line;
  point["opacity"] = {{"value", 0}};
  point["tooltip"] = tooltip_fields({{"model", "model"},
                                     {"length", "length"},
                                     {"width", "width"},
                                     {"lr", "learning rate", "~g"},
                                     {"step", "step", ",d"},
                                     {"median", "token accuracy, median", ".1%"},
                                     {"min", "worst seed", ".1%"},
                                     {"max", "best seed", ".1%"}});
  // Seen by the pointer only: what the tooltip reads.
  chart.layers.push_back(
      {{"mark", {{"type", "point"}, {"filled", true}, {"size", 70}}}, {"encoding", point}});
  return panel_chart(view, std::move(chart));
}

std::optional<Chart> steps_over_width_chart(const TaskView& view) {
  if (view.widths.size() < 2 || solved_cells(view) < 2) return std::nullopt;
  PanelChart chart =
      steps_chart(sizes_channel("width", "width (d_model)", view.widths), model_color(view));
  chart.id = "steps-over-width";
  chart.title = "Steps to solve over width";
  chart.description = "optimiser steps to solve the task over width.";
  if (view.lengths.size() > 1) chart.panels = {"length"};
  chart.least_width = 240;
  return panel_chart(view, std::move(chart));
}

std::optional<Chart> steps_over_length_chart(const TaskView& view) {
  if (view.lengths.size() < 2 || solved_cells(view) < 2) return std::nullopt;
  PanelChart chart =
      steps_chart(sizes_channel("length", "length", view.lengths), width_color(view));
  chart.id = "steps-over-length";
  chart.title = "Steps to solve over length";
  chart.description = "optimiser steps to solve the task over length.";
  chart.panels = {"model"};
  return panel_chart(view, std::move(chart));
}

}  // namespace separatrix

#include <algorithm>

#include "separatrix/report/chart_parts.h"

// Accuracy over length: of models trained at each, and of one model at lengths it never saw.

namespace separatrix {

std::optional<Chart> length_chart(const TaskView& view) {
  if (view.lengths.size() < 2) return std::nullopt;
  const Json encoding = {{"x", sizes_channel("length", "length", view.lengths)},
                         {"y", accuracy_channel("accuracy")},
                         {"color", width_color(view)}};
  PanelChart chart{
      .id = "accuracy-over-length",
      .title = "Accuracy over length",
      .caption =
          "Trained and judged at the same length, one panel for each model; the mean over "
          "the seeds at the best learning rate, with a line from the worst seed to the "
          "best. Filled where at least two thirds of the seeds solved the task.",
      .description = "token accuracy over length, one panel for each model.",
      .data = "settings",
      .panels = {"model"}};
  chart.needs = {"accuracy"};
  add_chance("chance", chart.layers);
  chart.layers.push_back(line_layer(encoding));
  chart.layers.push_back(seeds_layer(encoding, "accuracy_min", "accuracy_max"));
  add_points(encoding, chart.layers);
  return panel_chart(view, std::move(chart));
}

std::optional<Chart> further_lengths_chart(const TaskView& view) {
  std::set<Index> lengths;
  bool further = false;
  for (const Cell* cell : view.cells) {
    further |= cell->best().lengths.size() > 1;
    for (const LengthResult& result : cell->best().lengths) lengths.insert(result.length);
  }
  if (!further) return std::nullopt;
  const Json encoding = {{"x", sizes_channel("at_length", "length of the inputs", lengths)},
                         {"y", accuracy_channel("at_accuracy")},
                         {"color", width_color(view)}};
  PanelChart chart{
      .id = "accuracy-at-further-lengths",
      .title = "Accuracy at further lengths",
      .caption =
          "Each panel is a model trained at one length, marked by the vertical line, and "
          "judged at others without further training. Lines are means over the seeds at the "
          "best learning rate, bands reach from the worst seed to the best.",
      .description = "token accuracy at lengths that the models were not trained at.",
      .data = "lengths",
      .panels = {"model"}};
  if (view.lengths.size() > 1) chart.panels.emplace_back("length");
  chart.transform.push_back(setting_lookup());
  add_chance("at_chance", chart.layers);
  Json trained = sizes_channel("length", "length of the inputs", lengths);
  trained["aggregate"] = "min";
  chart.layers.push_back({{"mark", {{"type", "rule"}, {"style", "ceiling"}, {"aria", false}}},
                          {"encoding", {{"x", trained}}}});
  Json band = encoding;
  band["y"]["field"] = "at_min";
  band["y2"] = {{"field", "at_max"}};
  chart.layers.push_back(
      {{"mark", {{"type", "area"}, {"opacity", 0.16}, {"aria", false}}}, {"encoding", band}});
  chart.layers.push_back(line_layer(encoding));
  Json point = encoding;
  point["tooltip"] = tooltip_fields({{"model", "model"},
                                     {"width", "width"},
                                     {"length", "trained at length"},
                                     {"at_length", "judged at length"},
                                     {"at_accuracy", "token accuracy, mean", ".1%"},
                                     {"at_min", "worst seed", ".1%"},
                                     {"at_max", "best seed", ".1%"},
                                     {"at_chance", "chance", ".2%"}});
  chart.layers.push_back(
      {{"mark", {{"type", "point"}, {"filled", true}, {"size", 45}, {"opacity", 1}}},
       {"encoding", point}});
  return panel_chart(view, std::move(chart));
}

}  // namespace separatrix

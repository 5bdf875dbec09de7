#include <algorithm>
#include <set>

#include "separatrix/report/chart_parts.h"

// Accuracy over what a model has: bits of recurrent state, and width.

namespace separatrix {
namespace {

std::vector<std::string> by_length(const TaskView& view) {
  if (view.lengths.size() > 1) return {"length"};
  return {};
}

void add_settings(const TaskView& view, const Json& x, bool lines, Json& layers) {
  const Json encoding = {
      {"x", x}, {"y", accuracy_channel("accuracy")}, {"color", model_color(view)}};
  if (lines) layers.push_back(line_layer(encoding));
  layers.push_back(seeds_layer(encoding, "accuracy_min", "accuracy_max"));
  add_points(encoding, layers);
}

/// Shaded: more than so many bits allow on average.
void add_ceiling(const Json& x, Json& layers) {
  const Json only = Json::array({filter("datum.mark == 'ceiling'")});
  const Json y = accuracy_channel("top");
  layers.push_back({{"transform", only},
                    {"mark", {{"type", "area"}, {"style", "beyond"}, {"aria", false}}},
                    {"encoding", {{"x", x}, {"y", y}, {"y2", {{"datum", 1}}}}}});
  layers.push_back({{"transform", only},
                    {"mark", {{"type", "line"}, {"style", "ceiling"}, {"aria", false}}},
                    {"encoding", {{"x", x}, {"y", y}}}});
}

void add_bound(const Json& x, Json& layers) {
  const Json only = Json::array({filter("datum.mark == 'bound'")});
  layers.push_back(
      {{"transform", only},
       {"mark", {{"type", "rule"}, {"style", "bound"}}},
       {"encoding",
        {{"x", x},
         {"tooltip", tooltip_fields({{"value", "proved: impossible below, bits", ",d"}})}}}});
  Json label = text_layer("bound-label", "format(datum.value, ',d') + ' bits'");
  label["transform"].insert(label["transform"].begin(), only.front());
  label["encoding"]["x"] = x;
  label["encoding"]["y"] = {{"datum", 0.1}, {"type", "quantitative"}};
  layers.push_back(std::move(label));
}

bool has_accuracy(const Cell* cell) { return cell->best().final("token_accuracy").n > 0; }

}  // namespace

std::optional<Chart> state_chart(const TaskView& view) {
  double low = 0, high = 0;
  for (const Cell* cell : view.cells) {
    const double bits = double(cell->best().state_bits.value_or(0));
    if (!has_accuracy(cell) || bits <= 0) continue;
    low = low == 0 ? bits : std::min(low, bits);
    high = std::max(high, bits);
  }
  if (high == 0) return std::nullopt;
  Json x = powers_channel("state_bits", "bits carried between time steps",
                          view.has_ceiling || view.has_bound ? low / 64 : low, high);
  Json marks_x = x;
  marks_x["field"] = "value";
  PanelChart chart{
      .id = "accuracy-over-state",
      .title = "Accuracy over bits of recurrent state",
      .caption =
          "Each point is one model and width at its best learning rate: the mean over its "
          "seeds, with a line from the worst to the best. Filled where at least two thirds "
          "of the seeds solved the task.",
      .description = "token accuracy over bits of recurrent state.",
      .data = "measured",
      .panels = by_length(view)};
  if (view.has_bound)
    chart.caption +=
        " The vertical line is the proved bound: no recurrent model with fewer bits of state is "
        "right on every input.";
  if (view.has_certified)
    chart.caption +=
        " The diamond is a model whose weights were written down and certified on every input.";
  if (view.has_ceiling)
    chart.caption +=
        " The shaded region lies above the information ceiling: with so few bits nobody is that "
        "accurate on average, however trained.";
  chart.needs = {"accuracy", "state_bits"};
  chart.transform.push_back(filter("datum.size !== 'width'"));
  if (view.has_ceiling) add_ceiling(marks_x, chart.layers);
  add_chance("chance", chart.layers);
  if (view.has_bound) add_bound(marks_x, chart.layers);
  add_settings(view, x, /*lines=*/false, chart.layers);
  if (view.has_certified) add_certified("state_bits", chart.layers);
  chart.least_width = 260;
  chart.height = 220;
  return panel_chart(view, std::move(chart));
}

std::optional<Chart> width_chart(const TaskView& view) {
  std::set<Index> widths;  // a tick for a width that has no point would stand anywhere
  for (const Cell* cell : view.cells)
    if (has_accuracy(cell)) widths.insert(cell->best().width);
  if (widths.size() < 2) return std::nullopt;
  const Json x = sizes_channel("width", "width (d_model)", widths);
  PanelChart chart{
      .id = "accuracy-over-width",
      .title = "Accuracy over width",
      .caption =
          "Each point is one model and width at its best learning rate: the mean over its "
          "seeds, with a line from the worst to the best; filled where at least two thirds "
          "of the seeds solved the task.",
      .description = "token accuracy over width.",
      .data = "measured",
      .panels = by_length(view)};
  if (view.has_certified) chart.caption += " Diamonds are certified constructions.";
  chart.needs = {"accuracy"};
  chart.transform.push_back(filter("!datum.mark || datum.size === 'width'"));
  add_chance("chance", chart.layers);
  add_settings(view, x, /*lines=*/true, chart.layers);
  if (view.has_certified) add_certified("width", chart.layers);
  chart.least_width = 240;
  return panel_chart(view, std::move(chart));
}

}  // namespace separatrix

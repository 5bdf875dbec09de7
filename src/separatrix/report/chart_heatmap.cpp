#include "separatrix/report/chart_parts.h"

namespace separatrix {
namespace {

/// Never rounded up to 100: only 1 itself is that.
constexpr const char* kNumber =
    "datum.accuracy < 1 && datum.accuracy >= 0.9995 ? '99.9' : "
    "format(100 * datum.accuracy, datum.accuracy < 0.95 || datum.accuracy == 1 ? '.0f' : '.1f')";

Json number_layer(const std::string& condition, const char* style, const char* text) {
  return {{"transform", Json::array({filter(condition), {{"calculate", text}, {"as", "label"}}})},
          {"mark", {{"type", "text"}, {"style", style}, {"aria", false}}},
          {"encoding", {{"text", {{"field", "label"}, {"type", "nominal"}}}}}};
}

}  // namespace

std::optional<Chart> heatmap_chart(const TaskView& view) {
  if (view.lengths.size() * view.widths.size() < 2) return std::nullopt;
  const Json color = {{"field", "accuracy"},
                      {"type", "quantitative"},
                      {"scale", {{"domain", {0, 1}}}},
                      {"legend",
                       {{"title", "token accuracy"},
                        {"format", ".0%"},
                        {"gradientLength", 140},
                        {"tickCount", 3}}}};
  PanelChart chart{
      .id = "accuracy-over-length-and-width",
      .title = "Accuracy over length and width",
      .caption =
          "One field for each length and width, one panel for each model. The number is the mean "
          "token accuracy over the seeds in per cent, at the best learning rate: the one with most "
          "solved seeds, then the highest mean. A field with a dashed border has runs that are not "
          "finished; \u201c2/6\u201d alone says how many of its runs are, and that none gives a "
          "number yet. Empty fields were not tried.",
      .description = "mean token accuracy over length and width, one panel for each model.",
      .data = "settings",
      .panels = {"model"}};
  chart.encoding = {{"x",
                     {{"field", "length"},
                      {"type", "ordinal"},
                      {"title", "length"},
                      {"axis", {{"labelAngle", 0}}}}},
                    {"y",
                     {{"field", "width"},
                      {"type", "ordinal"},
                      {"title", "width"},
                      {"sort", "descending"},
                      {"axis", {{"minExtent", 38}, {"maxExtent", 38}}}}}};
  chart.layers.push_back({{"transform", Json::array({filter("isValid(datum.accuracy)")})},
                          {"mark", {{"type", "rect"}}},
                          {"encoding", {{"color", color}, {"tooltip", setting_tooltip()}}}});
  chart.layers.push_back(
      {{"transform",
        Json::array({filter("!isValid(datum.accuracy) || datum.unfinished_of_cell > 0")})},
       {"mark", {{"type", "rect"}, {"style", "unfinished"}, {"fillOpacity", 0}}},
       {"encoding", {{"tooltip", setting_tooltip()}}}});
  chart.layers.push_back(number_layer("datum.accuracy >= 0.6", "on-high", kNumber));
  chart.layers.push_back(
      number_layer("isValid(datum.accuracy) && datum.accuracy < 0.6", "on-low", kNumber));
  chart.layers.push_back(
      number_layer("!isValid(datum.accuracy)", "quiet-label",
                   "(datum.runs_of_cell - datum.unfinished_of_cell) + '/' + datum.runs_of_cell"));
  Chart out = panel_chart(view, std::move(chart));
  out.spec["spec"]["width"] = {{"step", 40}};
  out.spec["spec"]["height"] = {{"step", 26}};
  out.spec["usermeta"]["step"] = 40;
  return out;
}

}  // namespace separatrix

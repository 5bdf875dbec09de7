#include "separatrix/report/chart_parts.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace separatrix {
namespace {

/// The panels in the order of the cells, spelled as panel_chart's expression does.
Json panel_names(const TaskView& view, const std::vector<std::string>& by) {
  std::vector<std::string> names;
  for (const Cell* cell : view.cells) {
    std::string name;
    for (const std::string& column : by)
      name += (name.empty() ? "" : ", ") + (column == "length"
                                                ? fmt::format("length {}", cell->best().length)
                                                : cell->best().model_label);
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  return names;
}

Json field(const std::string& name) { return {{"field", name}, {"type", "quantitative"}}; }

}  // namespace

Json chart_config() {
  const char* ink = "#1c2024";
  const char* quiet = "#5b646e";
  return {{"background", "#ffffff"},
          {"font", "system-ui, sans-serif"},
          {"view", {{"stroke", nullptr}}},
          {"range",
           {{"category",
             {"#2a62b8", "#c4560f", "#7b4bb0", "#0f7f76", "#a3305f", "#7a6a00", "#2e8f3e",
              "#5d646b", "#b03434", "#1f86b5"}},
            {"ordinal", {"#86b3e0", "#5c9bd8", "#2f74bd", "#1c5596", "#123a6b", "#0a2144"}},
            {"heatmap", {"#f1f4f8", "#c9dcf0", "#8fb8e2", "#4c8aca", "#1c5596", "#0c3566"}}}},
          {"axis",
           {{"labelColor", quiet},
            {"titleColor", ink},
            {"gridColor", "#e6e8eb"},
            {"domainColor", "#aab1b8"},
            {"tickColor", "#aab1b8"},
            {"labelFontSize", 12},
            {"titleFontSize", 12.5},
            {"titleFontWeight", "normal"},
            {"titlePadding", 10},
            {"labelPadding", 5}}},
          {"legend",
           {{"orient", "top"},
            {"labelColor", ink},
            {"titleColor", quiet},
            {"labelFontSize", 12},
            {"titleFontSize", 12},
            {"titleFontWeight", "normal"},
            {"titleOrient", "left"},
            {"offset", 14},
            {"symbolOpacity", 1},
            {"symbolStrokeWidth", 2}}},
          {"style",
           {{"bound", {{"color", ink}, {"strokeWidth", 1.8}}},
            {"bound-label", {{"color", ink}, {"fontSize", 12}, {"fontWeight", 600}}},
            {"ceiling", {{"color", quiet}, {"strokeWidth", 1.4}}},
            {"beyond", {{"color", "#8a939c"}, {"fillOpacity", 0.16}}},
            {"chance", {{"color", quiet}, {"strokeWidth", 1}, {"strokeDash", {2, 3}}}},
            {"quiet-label", {{"color", quiet}, {"fontSize", 11}}},
            {"on-low", {{"color", ink}, {"fontSize", 11}}},
            {"on-high", {{"color", "#ffffff"}, {"fontSize", 11}}},
            {"unfinished", {{"stroke", quiet}, {"strokeWidth", 1.2}, {"strokeDash", {3, 2}}}},
            {"certified", {{"color", "#1a7343"}, {"stroke", "#ffffff"}, {"strokeWidth", 1.2}}},
            {"certified-label", {{"color", "#1a7343"}, {"fontSize", 12}, {"fontWeight", 600}}}}}};
}

Json chart_frame(const std::string& description, Index height) {
  return {{"$schema", "https://vega.github.io/schema/vega-lite/v6.json"},
          {"description", description},
          {"width", "container"},
          {"height", height},
          {"autosize", {{"type", "fit-x"}, {"contains", "padding"}}},
          {"padding", {{"left", 2}, {"right", 10}, {"top", 4}, {"bottom", 4}}},
          {"config", chart_config()}};
}

Json tooltip_fields(const std::vector<TooltipField>& fields) {
  Json out = Json::array();
  for (const TooltipField& field : fields) {
    Json entry = {{"field", field.field}, {"title", field.title}, {"type", "nominal"}};
    if (field.format != nullptr) {
      entry["type"] = "quantitative";
      entry["format"] = field.format;
    }
    out.push_back(std::move(entry));
  }
  return out;
}

Json setting_tooltip() {
  return tooltip_fields({{"model", "model"},
                         {"length", "length"},
                         {"width", "width"},
                         {"state_bits", "state bits"},
                         {"lr", "learning rate", "~g"},
                         {"accuracy", "token accuracy, mean", ".1%"},
                         {"accuracy_min", "worst seed", ".1%"},
                         {"accuracy_max", "best seed", ".1%"},
                         {"solved", "seeds that solved it"},
                         {"seeds", "of seeds"},
                         {"steps", "steps to solve, median", ",d"}});
}

Json accuracy_channel(const std::string& name, const std::string& title) {
  Json y = field(name);
  y["title"] = title;
  y["scale"] = {{"domain", {0, 1}}};
  y["axis"] = {{"format", ".0%"}, {"tickCount", 5}, {"minExtent", 38}, {"maxExtent", 38}};
  return y;
}

Json sizes_channel(const std::string& name, const std::string& title,
                   const std::set<Index>& values) {
  Json x = field(name);
  x["title"] = title;
  x["scale"] = {{"type", "log"}, {"base", 2}, {"nice", false}, {"padding", 14}};
  x["axis"] = {{"values", values}, {"format", "d"}, {"labelOverlap", true}, {"grid", false}};
  return x;
}

Json powers_channel(const std::string& name, const std::string& title, double low, double high) {
  std::set<Index> ticks;
  const double first = std::floor(std::log2(std::max(1.0, low))), last = std::ceil(std::log2(high));
  const double stride = std::max(1.0, std::ceil((last - first) / 6));
  for (double power = first; power <= last; power += stride) ticks.insert(Index(std::exp2(power)));
  return sizes_channel(name, title, ticks);
}

Json model_color(const TaskView& view) {
  return {{"field", "model"},
          {"type", "nominal"},
          {"scale", {{"domain", view.models}}},
          {"legend", {{"title", "model"}, {"symbolType", "circle"}}}};
}

Json width_color(const TaskView& view) {
  return {{"field", "width"},
          {"type", "ordinal"},
          {"scale", {{"domain", view.widths}}},
          {"legend", {{"title", "width"}, {"symbolType", "stroke"}}}};
}

Json filter(const std::string& expression) { return {{"filter", expression}}; }

Json setting_lookup() {
  const Json from = {
      {"data", {{"name", "settings"}}},
      {"key", "setting"},
      {"fields", {"task", "model", "length", "width", "lr", "solved", "seeds", "works", "chance"}}};
  return {{"lookup", "setting"}, {"from", from}};
}

Json line_layer(const Json& encoding) {
  return {{"mark", {{"type", "line"}, {"strokeWidth", 1.8}}}, {"encoding", encoding}};
}

void add_points(const Json& encoding, Json& layers) {
  Json points = encoding;
  points["tooltip"] = setting_tooltip();
  points["fill"] = encoding.at("color");
  points["fillOpacity"] = {{"condition", {{"test", "datum.works"}, {"value", 1}}}, {"value", 0}};
  layers.push_back(
      {{"mark", {{"type", "point"}, {"size", 58}, {"strokeWidth", 1.7}, {"opacity", 1}}},
       {"encoding", points}});
}

Json seeds_layer(const Json& encoding, const std::string& low, const std::string& high) {
  Json rule = encoding;
  rule["y"]["field"] = low;
  rule["y2"] = {{"field", high}};
  return {{"mark", {{"type", "rule"}, {"strokeWidth", 1.3}, {"opacity", 0.55}, {"aria", false}}},
          {"encoding", rule}};
}

void add_chance(const std::string& name, Json& layers) {
  Json y = accuracy_channel(name);
  y["aggregate"] = "min";
  layers.push_back({{"mark", {{"type", "rule"}, {"style", "chance"}, {"aria", false}}},
                    {"encoding", {{"y", y}}}});
  Json words = text_layer("quiet-label", fmt::format("'chance ' + format(datum.{}, '.2~%')", name));
  words["mark"].update({{"dy", -7}, {"dx", -4}, {"align", "right"}});  // curves start at the left
  words["encoding"]["x"] = {{"value", "width"}};
  words["encoding"]["y"] = y;
  words["transform"].insert(words["transform"].begin(),
                            filter(fmt::format("isValid(datum.{})", name)));
  layers.push_back(std::move(words));
}

Json text_layer(const std::string& style, const std::string& expression) {
  const Json label = {
      {"type", "text"}, {"style", style}, {"align", "left"}, {"dx", 5}, {"aria", false}};
  return {{"transform", Json::array({{{"calculate", expression}, {"as", "label"}}})},
          {"mark", label},
          {"encoding", {{"text", {{"field", "label"}, {"type", "nominal"}}}}}};
}

void add_certified(const std::string& size, Json& layers) {
  const std::string expression =
      fmt::format("datum.mark == 'certified' && datum.size == '{}'", size);
  Json x = field("value");
  layers.push_back(
      {{"transform", Json::array({filter(expression)})},
       {"mark",
        {{"type", "point"},
         {"shape", "diamond"},
         {"style", "certified"},
         {"size", 170},
         {"filled", true},
         {"opacity", 1}}},
       {"encoding",
        {{"x", x}, {"y", field("top")}, {"tooltip", tooltip_fields({{"what", "certified"}})}}}});
}

Chart panel_chart(const TaskView& view, PanelChart chart) {
  Json transform = std::move(chart.transform);
  std::string shown = chart.best ? "datum.best" : "true";
  for (const std::string& column : chart.needs) shown += " && isValid(datum." + column + ")";
  if (chart.data == "measured")
    transform.push_back(filter("datum.mark || (" + shown + ")"));
  else if (chart.data == "settings")
    transform.push_back(filter(shown));
  std::vector<std::string> words;
  for (const std::string& name : chart.panels)
    words.push_back(name == "length" ? "'length ' + datum.length" : "datum." + name);
  transform.push_back(
      {{"calculate", words.empty() ? "''" : fmt::format("{}", fmt::join(words, " + ', ' + "))},
       {"as", "panel"}});
  Json header = {{"title", nullptr}, {"labelFontSize", 12}, {"labelFontWeight", 600}};
  if (chart.panels.empty()) header["labels"] = false;
  Json facet = {{"field", "panel"},
                {"type", "nominal"},
                {"header", header},
                {"sort", panel_names(view, chart.panels)}};
  Json inner = {{"width", chart.least_width}, {"height", chart.height}};
  if (!chart.encoding.empty()) inner["encoding"] = std::move(chart.encoding);
  inner["layer"] = std::move(chart.layers);
  Json resolve = {{"axis", {{"x", "independent"}, {"y", "independent"}}}};
  if (chart.own_scales) resolve["scale"] = {{"x", "independent"}};

  Chart out{.id = std::move(chart.id),
            .title = std::move(chart.title),
            .caption = std::move(chart.caption),
            .spec = {},
            .task = view.task};
  out.spec = {{"$schema", "https://vega.github.io/schema/vega-lite/v6.json"},
              {"description", view.task + ": " + chart.description},
              {"config", chart_config()},
              {"data", {{"name", chart.data}}},
              {"transform", std::move(transform)},
              {"facet", std::move(facet)},
              {"columns", 3},
              {"spec", std::move(inner)},
              {"resolve", std::move(resolve)},
              {"usermeta",
               {{"panels", chart.panels},
                {"needs", chart.needs},
                {"best", chart.best},
                {"least_width", chart.least_width}}}};
  return out;
}

}  // namespace separatrix

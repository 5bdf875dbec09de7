#include "separatrix/report/charts.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "separatrix/bounds/bound.h"
#include "separatrix/report/table.h"
#include "separatrix/report/text.h"

namespace separatrix {
namespace {

/// Colours for a light page. The page's script replaces them by those of web/report.css.
Json light_config() {
  const char* ink = "#1c2024";
  const char* quiet = "#5b646e";
  return {{"background", "#ffffff"},
          {"font", "system-ui, sans-serif"},
          {"view", {{"stroke", nullptr}}},
          {"range", {{"category", {"#2a62b8", "#c4560f", "#7b4bb0", "#0f7f76", "#a3305f"}}}},
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
            {"symbolStrokeWidth", 1.6}}},
          {"style",
           {{"bound", {{"stroke", ink}, {"strokeWidth", 1.8}}},
            {"bound-label", {{"fill", ink}, {"fontSize", 12}, {"fontWeight", 600}}},
            {"ceiling", {{"stroke", quiet}, {"strokeWidth", 1.4}}},
            {"beyond", {{"fill", "#8a939c"}, {"fillOpacity", 0.16}}},
            {"chance", {{"stroke", quiet}, {"strokeWidth", 1}, {"strokeDash", {2, 3}}}},
            {"quiet-label", {{"fill", quiet}, {"fontSize", 11.5}}},
            {"certified", {{"fill", "#1d7a46"}, {"stroke", "#ffffff"}, {"strokeWidth", 1.2}}},
            {"certified-label", {{"fill", "#1d7a46"}, {"fontSize", 12}, {"fontWeight", 600}}}}}};
}

Json log_axis(double low, double high, const std::string& title) {
  Json ticks = Json::array();
  const double first = std::ceil(std::log2(low)), last = std::floor(std::log2(high));
  const double stride = std::max(1.0, std::ceil((last - first) / 9));
  for (double power = first; power <= last; power += stride) ticks.push_back(std::exp2(power));
  return {{"type", "quantitative"},
          {"title", title},
          {"scale", {{"type", "log"}, {"base", 2}, {"domain", {low, high}}, {"nice", false}}},
          {"axis", {{"values", ticks}, {"format", "d"}, {"labelOverlap", true}, {"grid", false}}}};
}

/// One mark of fixed data; `x` and `y` are null or a datum.
Json label_layer(const std::string& style, const std::string& text, const Json& x, const Json& y,
                 const Json& placing) {
  Json mark = {{"type", "text"},       {"style", style}, {"align", "left"},
               {"baseline", "middle"}, {"text", text},   {"aria", false}};
  mark.update(placing);
  Json encoding = Json::object();
  encoding["y"] = y;
  encoding["x"] = x;
  return {{"data", {{"values", {Json::object()}}}}, {"mark", mark}, {"encoding", encoding}};
}

void add_chance(const ReportData& data, Json& layers) {
  if (!data.chance) return;
  layers.push_back({{"data", {{"values", {{{"chance", *data.chance}}}}}},
                    {"mark", {{"type", "rule"}, {"style", "chance"}}},
                    {"encoding",
                     {{"y", {{"field", "chance"}, {"type", "quantitative"}}},
                      {"tooltip", tooltip_fields({{"chance", "chance level", ".2%"}})}}}});
  layers.push_back(label_layer("quiet-label", "chance " + format_percent(*data.chance),
                               {{"value", "width"}}, {{"datum", *data.chance}},
                               {{"align", "right"}, {"dx", -4}, {"dy", -9}}));
}

/// What was certified, at accuracy 1: the proof covers every input.
void add_certified(const SeparationRow* row, const char* key, const char* unit, Json& layers) {
  if (row == nullptr || !member_at(row->certified_at, key).is_number()) return;
  const Json& certified = row->certified_at;
  if (text_at(member_at(certified, "certificate"), "verdict") != "proved") return;
  const double size = number_at(certified, key, 0);
  const std::string words = fmt::format("certified: {:.0f}{}", size, unit);
  const Json datum = {{"size", size},
                      {"accuracy", 1},
                      {"what", certified_text(certified)},
                      {"construction", dashed(text_at(certified, "construction"))}};
  layers.push_back({{"data", {{"values", {datum}}}},
                    {"mark",
                     {{"type", "point"},
                      {"shape", "diamond"},
                      {"style", "certified"},
                      {"size", 190},
                      {"filled", true},
                      {"opacity", 1},
                      {"fillOpacity", 1}}},
                    {"encoding",
                     {{"x", {{"field", "size"}, {"type", "quantitative"}}},
                      {"y", {{"field", "accuracy"}, {"type", "quantitative"}}},
                      {"tooltip", tooltip_fields({{"construction", "construction"},
                                                  {"what", "certified at"}})}}}});
  layers.push_back(label_layer("certified-label", words, {{"datum", size}}, {{"datum", 1}},
                               {{"dx", 10}, {"dy", 14}}));
}

/// Every trial a point: colour the model, shape the learning rate, filled when solved.
Json trial_layer(const ReportData& data, const Json& values, const char* x) {
  std::vector<std::string> models;
  std::vector<double> rates;
  for (const ReportTrial& trial : data.trials) rates.push_back(trial.stored.spec.train.lr);
  std::sort(rates.begin(), rates.end());
  Json names = Json::array();
  for (const double lr : rates)
    if (names.empty() || names.back() != format_lr(lr)) names.push_back(format_lr(lr));
  for (const Json& value : values)
    if (const std::string model = value.at("model"); !contains_name(models, model))
      models.push_back(model);
  return {
      {"data", {{"values", values}}},
      {"mark", {{"type", "point"}, {"size", 70}, {"strokeWidth", 1.6}, {"opacity", 0.9}}},
      {"encoding",
       {{"x", {{"field", x}, {"type", "quantitative"}}},
        {"y", {{"field", "accuracy"}, {"type", "quantitative"}}},
        {"color", model_color(data, models)},
        {"fill",
         {{"field", "model"},
          {"type", "nominal"},
          {"scale", model_color(data, models).at("scale")},
          {"legend", nullptr}}},
        {"fillOpacity",
         {{"condition", {{"test", "datum.outcome === 'solved'"}, {"value", 0.55}}}, {"value", 0}}},
        {"shape",
         {{"field", "lr"},
          {"type", "nominal"},
          {"scale",
           {{"domain", names},
            {"range",
             {"circle", "square", "triangle-up", "triangle-down", "cross", "triangle-right"}}}},
          {"legend", {{"title", "learning rate"}}}}},
        {"tooltip", tooltip_fields({{"model", "model"},
                                    {"width", "width"},
                                    {"state", "state bits"},
                                    {"lr", "learning rate"},
                                    {"seed", "seed"},
                                    {"accuracy", "token accuracy", ".1%"},
                                    {"outcome", "outcome"},
                                    {"step", "steps", ",d"}})}}}};
}

std::string accuracy_title(const ReportData& data) {
  if (!data.criterion) return "token accuracy";
  return fmt::format("token accuracy, {} fresh inputs", data.criterion->final_examples);
}

}  // namespace

Json chart_frame(const std::string& description, Index height) {
  return {{"$schema", "https://vega.github.io/schema/vega-lite/v6.json"},
          {"description", description},
          {"width", "container"},
          {"height", height},
          {"autosize", {{"type", "fit-x"}, {"contains", "padding"}}},
          {"padding", {{"left", 2}, {"right", 10}, {"top", 4}, {"bottom", 4}}},
          {"config", light_config()}};
}

Json percent_axis(const std::string& title) {
  return {{"type", "quantitative"},
          {"title", title},
          {"scale", {{"domain", {0, 1}}}},
          {"axis", {{"format", ".0%"}, {"tickCount", 5}}}};
}

Json model_color(const ReportData& data, const std::vector<std::string>& shown) {
  std::vector<std::string> all;
  for (const ReportTrial& trial : data.trials)
    if (!contains_name(all, trial.model)) all.push_back(trial.model);
  return {{"field", "model"},
          {"type", "nominal"},
          {"scale", {{"domain", all}}},
          {"legend", {{"title", "model"}, {"values", shown}, {"symbolType", "circle"}}}};
}

Json tooltip_fields(const Json& names_and_titles) {
  Json fields = Json::array();
  for (const Json& field : names_and_titles) {
    const bool number = field.size() > 2;
    fields.push_back(
        {{"field", field[0]}, {"title", field[1]}, {"type", number ? "quantitative" : "nominal"}});
    if (number) fields.back()["format"] = field[2];
  }
  return fields;
}

Json trial_datum(const ReportTrial& trial) {
  const TrialSpec& spec = trial.stored.spec;
  Json datum = {
      {"trial", trial.stored.id.substr(0, 12)},
      {"model", trial.model},
      {"width", trial.width},
      {"state", trial.state_bits ? format_count(*trial.state_bits) : "all positions kept"},
      {"lr", format_lr(spec.train.lr)},
      {"seed", spec.seed},
      {"outcome", trial.outcome}};
  if (trial.state_bits) datum["state_bits"] = *trial.state_bits;
  if (trial.last) {
    datum["accuracy"] = trial.last->token_accuracy;
    datum["step"] = trial.last->step;
  }
  return datum;
}

std::optional<Chart> state_chart(const ReportData& data) {
  Json values = Json::array();
  double low = 1e300, high = 0;
  const auto reach = [&](double bits) {
    low = std::min(low, bits);
    high = std::max(high, bits);
  };
  for (const ReportTrial& trial : data.trials)
    if (trial.state_bits && *trial.state_bits > 0 && trial.last) {
      values.push_back(trial_datum(trial));
      reach(double(*trial.state_bits));
    }
  const std::optional<Index> bound = data.bound_bits();
  const SeparationRow* row = data.recurrent_row();
  if (row != nullptr)
    if (const double bits = number_at(row->certified_at, "state_bits", 0); bits > 0) reach(bits);
  if (bound && *bound > 0) reach(double(*bound));
  if (high == 0) return std::nullopt;
  low /= data.recall ? 6 : 2;
  low = std::max(low, 1.0);
  high *= 1.5;

  Json layers = Json::array();
  if (data.recall) {
    Json curve = Json::array();
    const int kSteps = 120;
    for (int i = 0; i <= kSteps; ++i) {
      const double bits = low * std::pow(high / low, double(i) / kSteps);
      const double a = recall_ceiling(bits, data.recall->n_symbols, data.recall->alphabet);
      curve.push_back({{"bits", bits}, {"ceiling", a}, {"top", 1}});
    }
    const Json x = {{"field", "bits"}, {"type", "quantitative"}};
    const Json y = {{"field", "ceiling"}, {"type", "quantitative"}};
    layers.push_back({{"data", {{"values", curve}}},
                      {"mark", {{"type", "area"}, {"style", "beyond"}, {"aria", false}}},
                      {"encoding", {{"x", x}, {"y", y}, {"y2", {{"field", "top"}}}}}});
    layers.push_back({{"data", {{"values", curve}}},
                      {"mark", {{"type", "line"}, {"style", "ceiling"}, {"aria", false}}},
                      {"encoding", {{"x", x}, {"y", y}}}});
    layers.push_back(label_layer("quiet-label", "out of reach", {{"value", 10}}, {{"datum", 0.93}},
                                 Json::object()));
  }
  add_chance(data, layers);
  if (bound) {
    layers.push_back(
        {{"data", {{"values", {{{"bits", *bound}}}}}},
         {"mark", {{"type", "rule"}, {"style", "bound"}}},
         {"encoding",
          {{"x", {{"field", "bits"}, {"type", "quantitative"}}},
           {"tooltip", tooltip_fields({{"bits", "proved: impossible below, bits", ",d"}})}}}});
    layers.push_back(label_layer("bound-label", fmt::format("impossible below {} bits", *bound),
                                 {{"datum", *bound}}, {{"datum", 0.18}}, {{"dx", 7}}));
  }
  if (!values.empty()) layers.push_back(trial_layer(data, values, "state_bits"));
  add_certified(row, "state_bits", " bits", layers);

  Chart chart{.id = "accuracy-over-state",
              .title = "Accuracy over bits of recurrent state",
              .caption = {},
              .spec = {}};
  chart.caption =
      "Each point is one training run: filled when it met the criterion, hollow when it did not. "
      "The vertical line is the proved bound: no recurrent model with fewer bits of state is right "
      "on every input. The diamond is a model whose weights were written down and certified on "
      "every input.";
  if (data.recall)
    chart.caption +=
        " The shaded region lies above the information ceiling: with so few bits, nobody is that "
        "accurate on average, however trained.";
  chart.spec = chart_frame(
      fmt::format("Token accuracy over bits of recurrent state for {} training runs{}.",
                  values.size(), bound ? fmt::format("; proved bound at {} bits", *bound) : ""),
      340);
  chart.spec["encoding"] = {{"x", log_axis(low, high, "bits carried between time steps")},
                            {"y", percent_axis(accuracy_title(data))}};
  chart.spec["layer"] = layers;
  return chart;
}

std::optional<Chart> width_chart(const ReportData& data) {
  Json values = Json::array();
  double low = 1e300, high = 0;
  for (const ReportTrial& trial : data.trials)
    if (!trial.state_bits && trial.width > 0 && trial.last) {
      values.push_back(trial_datum(trial));
      low = std::min(low, double(trial.width));
      high = std::max(high, double(trial.width));
    }
  const SeparationRow* row = data.transformer_row();
  if (row != nullptr)
    if (const double width = number_at(row->certified_at, "width", 0); width > 0) {
      low = std::min(low, width);
      high = std::max(high, width);
    }
  if (high == 0) return std::nullopt;

  Json layers = Json::array();
  add_chance(data, layers);
  if (!values.empty()) layers.push_back(trial_layer(data, values, "width"));
  add_certified(row, "width", "", layers);
  Chart chart{.id = "accuracy-over-width",
              .title = "Accuracy over width of the transformer",
              .caption =
                  "Each point is one training run: filled when it met the criterion, hollow "
                  "when it did not. The diamond is the certified construction. A "
                  "transformer keeps every position it has read, so bits of state do not "
                  "measure it; its width does.",
              .spec = {}};
  chart.spec = chart_frame(
      fmt::format("Token accuracy over width for {} training runs of transformers.", values.size()),
      300);
  chart.spec["encoding"] = {{"x", log_axis(low / 1.5, high * 1.5, "width (d_model)")},
                            {"y", percent_axis(accuracy_title(data))}};
  chart.spec["layer"] = layers;
  return chart;
}

std::vector<Chart> make_charts(const ReportData& data) {
  std::vector<Chart> charts;
  if (std::optional<Chart> chart = state_chart(data)) charts.push_back(std::move(*chart));
  if (std::optional<Chart> chart = width_chart(data)) charts.push_back(std::move(*chart));
  for (Chart& chart : curve_charts(data)) charts.push_back(std::move(chart));
  return charts;
}

}  // namespace separatrix

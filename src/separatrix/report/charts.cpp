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
           {{"bound", {{"color", ink}, {"strokeWidth", 1.8}}},
            {"bound-label", {{"color", ink}, {"fontSize", 12}, {"fontWeight", 600}}},
            {"ceiling", {{"color", quiet}, {"strokeWidth", 1.4}}},
            {"beyond", {{"color", "#8a939c"}, {"fillOpacity", 0.16}}},
            {"chance", {{"color", quiet}, {"strokeWidth", 1}, {"strokeDash", {2, 3}}}},
            {"quiet-label", {{"color", quiet}, {"fontSize", 11.5}}},
            {"certified", {{"color", "#1a7343"}, {"stroke", "#ffffff"}, {"strokeWidth", 1.2}}},
            {"certified-label", {{"color", "#1a7343"}, {"fontSize", 12}, {"fontWeight", 600}}}}}};
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

Json inline_data(Json values) {
  if (!values.is_array()) values = Json::array({std::move(values)});
  return Json::object({{"values", std::move(values)}});
}
Json at_datum(double value) { return Json::object({{"datum", value}}); }
Json at_value(const Json& value) { return Json::object({{"value", value}}); }

/// Text for a wide chart, and what remains of it on a phone.
Json wide_or_narrow(const std::string& wide, const std::string& narrow) {
  return Json::object({{"expr", fmt::format("width > 420 ? '{}' : '{}'", wide, narrow)}});
}

/// Fixed text at the channels `x` and `y`; `placing` overrides properties of the mark.
Json label_layer(const std::string& style, const Json& text, const Json& x, const Json& y,
                 const Json& placing) {
  Json mark = {{"type", "text"},       {"style", style}, {"align", "left"},
               {"baseline", "middle"}, {"text", text},   {"aria", false}};
  mark.update(placing);
  Json encoding = Json::object();
  encoding["y"] = y;
  encoding["x"] = x;
  return {{"data", inline_data(Json::object())}, {"mark", mark}, {"encoding", encoding}};
}

void add_chance(const ReportData& data, Json& layers) {
  if (!data.chance) return;
  layers.push_back({{"data", inline_data(Json::object({{"chance", *data.chance}}))},
                    {"mark", {{"type", "rule"}, {"style", "chance"}}},
                    {"encoding",
                     {{"y", {{"field", "chance"}, {"type", "quantitative"}}},
                      {"tooltip", tooltip_fields({{"chance", "chance level", ".2%"}})}}}});
  layers.push_back(label_layer("quiet-label",
                               wide_or_narrow("chance " + format_percent(*data.chance), "chance"),
                               at_value(0), at_datum(*data.chance), {{"dx", 6}, {"dy", -9}}));
}

/// The positive values seen.
struct Range {
  double low = 1e300, high = 0;
  void reach(double value) {
    if (value <= 0) return;
    low = std::min(low, value);
    high = std::max(high, value);
  }
};

/// The accuracy that so many bits allow and, shaded, what lies above it.
void add_ceiling(const RecallCeiling& recall, const Range& range, Json& layers) {
  constexpr int kPoints = 160;
  Json curve = Json::array();
  for (int i = 0; i <= kPoints; ++i) {
    const double bits = range.low * std::pow(range.high / range.low, double(i) / kPoints);
    const double ceiling = recall.accuracy(bits);
    curve.push_back({{"bits", bits}, {"ceiling", ceiling}, {"top", 1}});
    if (ceiling >= 1) break;
  }
  const Json x = {{"field", "bits"}, {"type", "quantitative"}};
  const Json y = {{"field", "ceiling"}, {"type", "quantitative"}};
  layers.push_back({{"data", inline_data(curve)},
                    {"mark", {{"type", "area"}, {"style", "beyond"}, {"aria", false}}},
                    {"encoding", {{"x", x}, {"y", y}, {"y2", {{"field", "top"}}}}}});
  layers.push_back({{"data", inline_data(curve)},
                    {"mark", {{"type", "line"}, {"style", "ceiling"}, {"aria", false}}},
                    {"encoding", {{"x", x}, {"y", y}}}});
  layers.push_back(label_layer("quiet-label", wide_or_narrow("out of reach", ""), at_value(10),
                               at_datum(0.93), Json::object()));
}

void add_bound(Index bits, Json& layers) {
  layers.push_back(
      {{"data", inline_data(Json::object({{"bits", bits}}))},
       {"mark", {{"type", "rule"}, {"style", "bound"}}},
       {"encoding",
        {{"x", {{"field", "bits"}, {"type", "quantitative"}}},
         {"tooltip", tooltip_fields({{"bits", "proved: impossible below, bits", ",d"}})}}}});
  layers.push_back(label_layer(
      "bound-label",
      wide_or_narrow(fmt::format("impossible below {} bits", bits), fmt::format("{} bits", bits)),
      at_datum(double(bits)), at_datum(0.18), Json::object({{"dx", 7}})));
}

bool is_proved(const SeparationRow* row) {
  return row != nullptr &&
         text_at(member_at(row->certified_at, "certificate"), "verdict") == "proved";
}

/// What was certified, at accuracy 1: the proof covers every input.
void add_certified(const SeparationRow* row, const char* key, const char* unit, Json& layers) {
  if (!is_proved(row) || !member_at(row->certified_at, key).is_number()) return;
  const Json& certified = row->certified_at;
  const double size = number_at(certified, key, 0);
  const std::string words = fmt::format("certified: {:.0f}{}", size, unit);
  const Json datum = {{"size", size},
                      {"accuracy", 1},
                      {"what", certified_text(certified)},
                      {"construction", dashed(text_at(certified, "construction"))}};
  layers.push_back({{"data", inline_data(datum)},
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
  layers.push_back(label_layer("certified-label", wide_or_narrow(words, "certified"),
                               at_datum(size), at_datum(1), {{"dx", 10}, {"dy", 14}}));
}

/// Every trial a point: colour the model, shape the learning rate. Solved ones are filled; they are
/// a layer of their own, for Vega-Lite fills a whole mark or nothing of it.
void add_trials(const ReportData& data, const Json& values, const char* x, Json& layers) {
  std::vector<std::string> models;
  std::vector<double> rates;
  for (const ReportTrial& trial : data.trials) rates.push_back(trial.stored.spec.train.lr);
  std::sort(rates.begin(), rates.end());
  Json names = Json::array(), solved = Json::array(), unsolved = Json::array();
  for (const double lr : rates)
    if (names.empty() || names.back() != format_lr(lr)) names.push_back(format_lr(lr));
  for (const Json& value : values) {
    if (const std::string model = value.at("model"); !contains_name(models, model))
      models.push_back(model);
    (value.at("outcome") == "solved" ? solved : unsolved).push_back(value);
  }
  const Json shapes = {"circle", "square", "triangle-up", "diamond", "cross", "triangle-down"};
  const Json encoding = {
      {"x", {{"field", x}, {"type", "quantitative"}}},
      {"y", {{"field", "accuracy"}, {"type", "quantitative"}}},
      {"color", model_color(data, models)},
      {"shape",
       {{"field", "lr"},
        {"type", "nominal"},
        {"scale", {{"domain", names}, {"range", shapes}}},
        {"legend", {{"title", "learning rate"}, {"symbolFillColor", "transparent"}}}}},
      {"tooltip", tooltip_fields({{"model", "model"},
                                  {"width", "width"},
                                  {"state", "state bits"},
                                  {"lr", "learning rate"},
                                  {"seed", "seed"},
                                  {"accuracy", "token accuracy", ".1%"},
                                  {"outcome", "outcome"},
                                  {"step", "steps", ",d"}})}};
  for (const bool filled : {false, true}) {
    const Json& shown = filled ? solved : unsolved;
    if (shown.empty()) continue;
    layers.push_back({{"data", inline_data(shown)},
                      {"mark",
                       {{"type", "point"},
                        {"filled", filled},
                        {"size", 70},
                        {"strokeWidth", 1.6},
                        {"opacity", filled ? 0.75 : 0.9}}},
                      {"encoding", encoding}});
  }
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
  Range range;
  for (const ReportTrial& trial : data.trials)
    if (trial.state_bits && trial.last) {
      values.push_back(trial_datum(trial));
      range.reach(double(*trial.state_bits));
    }
  const SeparationRow* row = data.recurrent_row();
  const std::optional<Index> bound = data.bound_bits();
  if (row != nullptr) range.reach(number_at(row->certified_at, "state_bits", 0));
  if (bound) range.reach(double(*bound));
  if (range.high == 0) return std::nullopt;
  range = {std::max(1.0, range.low / (data.recall ? 6 : 2)), range.high * 1.5};

  Json layers = Json::array();
  if (data.recall) add_ceiling(*data.recall, range, layers);
  add_chance(data, layers);
  if (bound) add_bound(*bound, layers);
  add_trials(data, values, "state_bits", layers);
  add_certified(row, "state_bits", " bits", layers);

  Chart chart{.id = "accuracy-over-state",
              .title = "Accuracy over bits of recurrent state",
              .caption =
                  "Each point is one training run: filled when it met the criterion, hollow "
                  "when it did not.",
              .spec = {}};
  if (bound)
    chart.caption +=
        " The vertical line is the proved bound: no recurrent model with fewer bits of state is "
        "right on every input.";
  if (is_proved(row))
    chart.caption +=
        " The diamond is a model whose weights were written down and certified on every input.";
  if (data.recall)
    chart.caption +=
        " The shaded region lies above the information ceiling: with so few bits nobody is that "
        "accurate on average, however trained.";
  chart.spec = chart_frame(
      fmt::format("Token accuracy over bits of recurrent state for {} training runs{}.",
                  values.size(), bound ? fmt::format("; proved bound at {} bits", *bound) : ""),
      340);
  chart.spec["encoding"] = {
      {"x", log_axis(range.low, range.high, "bits carried between time steps")},
      {"y", percent_axis(accuracy_title(data))}};
  chart.spec["layer"] = layers;
  return chart;
}

std::optional<Chart> width_chart(const ReportData& data) {
  Json values = Json::array();
  Range range;
  for (const ReportTrial& trial : data.trials)
    if (!trial.state_bits && trial.last) {
      values.push_back(trial_datum(trial));
      range.reach(double(trial.width));
    }
  const SeparationRow* row = data.transformer_row();
  if (row != nullptr) range.reach(number_at(row->certified_at, "width", 0));
  if (range.high == 0) return std::nullopt;

  Json layers = Json::array();
  add_chance(data, layers);
  add_trials(data, values, "width", layers);
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
  chart.spec["encoding"] = {{"x", log_axis(range.low / 1.5, range.high * 1.5, "width (d_model)")},
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

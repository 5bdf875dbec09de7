#include <algorithm>

#include <fmt/format.h>

#include "separatrix/base/names.h"
#include "separatrix/report/charts.h"
#include "separatrix/report/text.h"

namespace separatrix {
namespace {

struct Curves {
  Json points = Json::array();
  std::vector<Index> widths;
  Index n_trials = 0;
};

Curves curves_of(const ReportData& data, const std::string& model) {
  Curves curves;
  for (const ReportTrial& trial : data.trials) {
    if (trial.model != model || trial.stored.curve.empty()) continue;
    ++curves.n_trials;
    curves.widths.push_back(trial.width);
    for (const CurvePoint& point : trial.stored.curve) {
      Json datum = trial_datum(trial);
      datum.erase("state_bits");
      datum["step"] = point.step;
      datum["accuracy"] = point.token_accuracy;
      datum["loss"] = point.train_loss;
      curves.points.push_back(std::move(datum));
    }
  }
  std::sort(curves.widths.begin(), curves.widths.end());
  curves.widths.erase(std::unique(curves.widths.begin(), curves.widths.end()), curves.widths.end());
  return curves;
}

/// As many blues as there are widths, spread from light to dark.
Json blues(size_t n) {
  const std::vector<const char*> scale = {"#86b3e0", "#5c9bd8", "#2f74bd",
                                          "#1c5596", "#123a6b", "#0a2144"};
  Json out = Json::array();
  for (size_t i = 0; i < n; ++i)
    out.push_back(scale[n < 2 ? 2 : std::min(i, n - 1) * (scale.size() - 1) / (n - 1)]);
  return out;
}

Json curve_layers(const Curves& curves) {
  const Json color = {{"field", "width"},
                      {"type", "ordinal"},
                      {"scale", {{"domain", curves.widths}}},
                      {"legend", {{"title", "width"}, {"symbolType", "stroke"}}}};
  const Json near = {{"condition", {{"param", "near"}, {"empty", false}, {"value", 1}}}};
  Json line = {{"mark", {{"type", "line"}, {"strokeWidth", 1.7}}},
               {"encoding",
                {{"detail", {{"field", "trial"}, {"type", "nominal"}}},
                 {"color", color},
                 {"opacity", near}}}};
  line["encoding"]["opacity"]["value"] = 0.75;
  // The points are seen only under the pointer; they are what it hovers and what the tooltip reads.
  Json point = {{"params", Json::array({{{"name", "near"},
                                         {"select",
                                          {{"type", "point"},
                                           {"fields", Json::array({"trial"})},
                                           {"on", "pointerover"},
                                           {"clear", "pointerout"}}}}})},
                {"mark", {{"type", "point"}, {"filled", true}, {"size", 60}}},
                {"encoding",
                 {{"color", color},
                  {"opacity", near},
                  {"tooltip", tooltip_fields({{"width", "width"},
                                              {"lr", "learning rate"},
                                              {"seed", "seed"},
                                              {"step", "step", ",d"},
                                              {"accuracy", "token accuracy", ".1%"},
                                              {"loss", "training loss, nats", ".3f"},
                                              {"outcome", "outcome"}})}}}};
  point["encoding"]["opacity"]["value"] = 0;
  return Json::array({std::move(line), std::move(point)});
}

}  // namespace

std::vector<Chart> curve_charts(const ReportData& data) {
  std::vector<std::string> models;
  for (const ReportTrial& trial : data.trials)
    if (!contains_name(models, trial.model)) models.push_back(trial.model);
  std::vector<Chart> charts;
  for (const std::string& model : models) {
    const Curves curves = curves_of(data, model);
    if (curves.points.empty()) continue;
    std::string id = "learning-curves-" + model;
    for (char& c : id)
      if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '-';
    Chart chart{.id = id,
                .title = "Learning curves: " + model,
                .caption = fmt::format(
                    "One line for each of the {} training runs of the {}, accuracy on inputs never "
                    "trained on. A line ends where its run met the criterion or spent its steps.",
                    curves.n_trials, model),
                .spec = {}};
    chart.spec = chart_frame(fmt::format("Token accuracy over training steps, {} runs of the {}.",
                                         curves.n_trials, model),
                             260);
    chart.spec["data"] = {{"values", curves.points}};
    chart.spec["encoding"] = {
        {"x",
         {{"field", "step"},
          {"type", "quantitative"},
          {"title", "steps"},
          {"scale", {{"zero", true}, {"nice", false}}},
          {"axis", {{"format", ",d"}, {"tickCount", 6}, {"labelOverlap", true}, {"grid", false}}}}},
        {"y", percent_axis("token accuracy")}};
    chart.spec["encoding"]["y"]["field"] = "accuracy";
    chart.spec["layer"] = curve_layers(curves);
    chart.spec["config"]["range"]["ordinal"] = blues(curves.widths.size());
    charts.push_back(std::move(chart));
  }
  return charts;
}

}  // namespace separatrix

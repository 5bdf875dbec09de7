#include "separatrix/report/charts.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "separatrix/base/names.h"

namespace separatrix {
namespace {

using ChartMaker = std::optional<Chart> (*)(const TaskView&);

/// In the order of the page.
constexpr std::array<ChartMaker, 9> kCharts = {
    heatmap_chart,          state_chart, width_chart,  length_chart,
    further_lengths_chart,  rates_chart, curves_chart, steps_over_width_chart,
    steps_over_length_chart};

/// Letters, digits and '-' only: an id, a file name and a part of a URL.
std::string slug(const std::string& text) {
  std::string out;
  for (const char c : text) {
    const bool plain = std::isalnum(static_cast<unsigned char>(c)) != 0;
    if (plain)
      out += c;
    else if (!out.empty() && out.back() != '-')
      out += '-';
  }
  return out;
}

/// The settings that the chart shows.
Json settings_of_chart(const Chart& chart, const PageData& page) {
  const Json& shows = chart.spec.at("usermeta");
  Json out = Json::array();
  for (Json& row : page.settings.objects("task", {chart.task})) {
    bool shown = shows.at("best") == false || row.at("best") == true;
    for (const Json& column : shows.at("needs"))
      shown = shown && !row.at(column.get<std::string>()).is_null();
    if (shown) out.push_back(std::move(row));
  }
  return out;
}

}  // namespace

std::vector<TaskView> task_views(const ReportData& data, const PageData& page) {
  std::vector<TaskView> views;
  std::vector<std::string> models;
  for (const Cell& cell : data.cells) {
    const Setting& s = cell.best();
    if (!contains_name(models, s.model_label)) models.push_back(s.model_label);
    auto view = std::find_if(views.begin(), views.end(),
                             [&](const TaskView& v) { return v.task == s.task_label; });
    if (view == views.end()) {
      view = views.emplace(views.end());
      view->task = s.task_label;
    }
    view->cells.push_back(&cell);
    view->lengths.insert(s.length);
    view->widths.insert(s.width);
  }
  for (TaskView& view : views) {
    view.models = models;
    for (const Json& mark : page.marks.objects("task", {view.task})) {
      view.has_bound |= mark.at("mark") == "bound";
      view.has_ceiling |= mark.at("mark") == "ceiling";
      view.has_certified |= mark.at("mark") == "certified";
    }
  }
  return views;
}

std::vector<Chart> make_charts(const ReportData& data, const PageData& page) {
  std::vector<Chart> charts;
  const std::vector<TaskView> views = task_views(data, page);
  for (std::size_t i = 0; i < views.size(); ++i)
    for (const ChartMaker make : kCharts)
      if (std::optional<Chart> chart = make(views[i])) {
        if (views.size() > 1)  // the number, as two labels may make one slug
          chart->id += "-" + std::to_string(i + 1) + "-" + slug(views[i].task);
        charts.push_back(std::move(*chart));
      }
  return charts;
}

Json standalone(const Chart& chart, const PageData& page) {
  Json spec = chart.spec;
  if (chart.task.empty()) return spec;
  Json settings = settings_of_chart(chart, page);
  std::set<Json> numbers;
  for (const Json& row : settings) numbers.insert(row.at("setting"));
  Json& datasets = spec["datasets"] = Json::object();
  const std::string table = spec.at("data").at("name");
  if (table == "curves") datasets[table] = page.curves.objects("setting", numbers);
  if (table == "lengths") datasets[table] = page.lengths.objects("setting", numbers);
  if (table == "measured") {
    Json& all = datasets[table] = page.marks.objects("task", {chart.task});
    all.insert(all.end(), settings.begin(), settings.end());
  } else {
    datasets["settings"] = std::move(settings);
  }
  return spec;
}

}  // namespace separatrix

#include "separatrix/report/scaling.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "separatrix/report/chart_parts.h"
#include "separatrix/report/html.h"
#include "separatrix/report/text.h"

namespace separatrix {
namespace {

constexpr const char* kAxes[] = {"length", "width", "batch", "layers"};

const char* axis_title(const std::string& axis) {
  if (axis == "length") return "length N of index lookup (N + 1 tokens)";
  if (axis == "width") return "width of the model";
  if (axis == "batch") return "sequences in the batch";
  return "layers";
}

std::string name_of(const ScalingSeries& series) {
  return series.model + ", " + series.live + " read";
}

/// What stays while `axis` grows.
std::string fixed_sizes(const Scaling& s, const std::string& axis) {
  std::string text;
  const auto add = [&](const char* name, Index value) {
    if (axis != name) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name, value);
  };
  add("length", s.length);
  add("width", s.width);
  add("batch", s.batch);
  add("layers", s.layers);
  return text + fmt::format(", {} thread{}", s.threads, s.threads == 1 ? "" : "s");
}

Chart axis_chart(const Scaling& scaling, const std::string& axis) {
  Json values = Json::array(), ticks = Json::array();
  for (const ScalingSeries& series : scaling.series)
    for (const ScalingSeries::Point& p : series.points)
      if (series.axis == axis) {
        values.push_back({{"series", name_of(series)},
                          {"size", p.size},
                          {"ms", p.ms},
                          {"low", p.ms_min},
                          {"high", p.ms_max},
                          {"gflops", p.gflops}});
        ticks.push_back(p.size);
      }
  constexpr Index kHeight = 300;
  Json spec = chart_frame(fmt::format("Time of a training step over {}", axis), kHeight);
  const Json log2 = {{"type", "log"}, {"base", 2}, {"nice", false}};
  const Json x = {
      {"field", "size"},
      {"type", "quantitative"},
      {"title", axis_title(axis)},
      {"scale", log2},
      {"axis", {{"values", ticks}, {"format", "d"}, {"grid", false}, {"labelOverlap", true}}}};
  const Json y = {{"field", "ms"},
                  {"type", "quantitative"},
                  {"title", "ms per training step"},
                  {"scale", {{"type", "log"}}},
                  {"axis", {{"format", "~g"}, {"labelOverlap", true}}}};
  const Json color = {{"field", "series"}, {"type", "nominal"}, {"title", nullptr}};
  const Json tooltip = tooltip_fields({{"series", "model"},
                                       {"size", "size", ",d"},
                                       {"ms", "ms (median)", ".3~g"},
                                       {"low", "fastest", ".3~g"},
                                       {"high", "slowest", ".3~g"},
                                       {"gflops", "useful GFLOP/s", ".0f"}});
  spec["data"] = {{"values", values}};
  spec["encoding"] = {{"x", x}, {"color", color}};
  spec["layer"] = {{{"mark", {{"type", "line"}, {"strokeWidth", 1.8}}}, {"encoding", {{"y", y}}}},
                   {{"mark", {{"type", "point"}, {"filled", true}, {"size", 45}, {"opacity", 1}}},
                    {"encoding", {{"y", y}, {"tooltip", tooltip}}}}};
  return {.id = "scaling-" + axis,
          .title = fmt::format("Time of one training step over {}", axis_title(axis)),
          .caption = fmt::format("Both axes are logarithmic, so that a power is a line; {}. "
                                 "Forward, backward, clipping and AdamW.",
                                 fixed_sizes(scaling, axis)),
          .spec = std::move(spec)};
}

std::string html_table(const Scaling& scaling) {
  std::string out =
      "<section aria-labelledby=\"numbers\">\n<h2 id=\"numbers\">Every number</h2>\n"
      "<div class=\"scroll\"><table>\n<thead><tr><th>model</th><th>read</th><th>growing</th>"
      "<th>exponent</th><th>of the last two</th><th>size: ms per step</th></tr></thead>\n<tbody>\n";
  for (const ScalingSeries& series : scaling.series) {
    std::string cells;
    for (const ScalingSeries::Point& p : series.points)
      cells += fmt::format("{}{}: {:.3g}", cells.empty() ? "" : ", ", p.size, p.ms);
    out += fmt::format(
        "<tr><td>{}</td><td>{}</td><td>{}</td><td>{:.2f}</td><td>{:.2f}</td><td>{}</td></tr>\n",
        escape_html(series.model), escape_html(series.live), series.axis, series.exponent(),
        series.last_exponent(), cells);
  }
  return out + "</tbody>\n</table></div>\n</section>\n";
}

}  // namespace

double ScalingSeries::exponent() const {
  if (points.size() < 2) return 0;
  double n = 0, x = 0, y = 0, xx = 0, xy = 0;
  for (const Point& p : points) {
    const double a = std::log(double(p.size)), b = std::log(p.ms);
    n += 1;
    x += a;
    y += b;
    xx += a * a;
    xy += a * b;
  }
  return (n * xy - x * y) / (n * xx - x * x);
}

double ScalingSeries::last_exponent() const {
  if (points.size() < 2) return 0;
  const Point &a = points[points.size() - 2], &b = points.back();
  return std::log(b.ms / a.ms) / std::log(double(b.size) / double(a.size));
}

Json scaling_json(const Scaling& scaling) {
  Json series = Json::array();
  for (const ScalingSeries& s : scaling.series) {
    Json points = Json::array();
    for (const ScalingSeries::Point& p : s.points)
      points.push_back({{"size", p.size},
                        {"ms_per_step", p.ms},
                        {"ms_min", p.ms_min},
                        {"ms_max", p.ms_max},
                        {"gflops", p.gflops}});
    series.push_back({{"model", s.model},
                      {"live", s.live},
                      {"axis", s.axis},
                      {"points", points},
                      {"exponent", s.exponent()},
                      {"last_exponent", s.last_exponent()}});
  }
  return {{"length", scaling.length},   {"d_model", scaling.width},
          {"batch", scaling.batch},     {"layers", scaling.layers},
          {"threads", scaling.threads}, {"peak_gflops", scaling.peak_gflops},
          {"machine", scaling.machine}, {"series", series}};
}

std::string scaling_text(const Scaling& scaling) {
  std::string out;
  for (const char* axis : kAxes) {
    const auto grows = [&](const ScalingSeries& s) { return s.axis == axis; };
    const auto first = std::find_if(scaling.series.begin(), scaling.series.end(), grows);
    if (first == scaling.series.end()) continue;
    out += fmt::format("{}{}, ms per step ({})\n{:<26}", out.empty() ? "" : "\n", axis,
                       fixed_sizes(scaling, axis), "");
    for (const ScalingSeries::Point& p : first->points) out += fmt::format("{:>9}", p.size);
    out += fmt::format("{:>10}{:>8}\n", "exponent", "at end");
    for (const ScalingSeries& s : scaling.series) {
      if (!grows(s)) continue;
      out += fmt::format("{:<26}", name_of(s));
      for (const ScalingSeries::Point& p : s.points) out += fmt::format("{:>9.3g}", p.ms);
      out += fmt::format("{:>10.2f}{:>8.2f}\n", s.exponent(), s.last_exponent());
    }
  }
  return out;
}

std::string scaling_page(const Scaling& scaling, const std::string& date) {
  std::vector<Chart> charts;
  for (const char* axis : kAxes)
    if (std::any_of(scaling.series.begin(), scaling.series.end(),
                    [&](const ScalingSeries& s) { return s.axis == axis; }))
      charts.push_back(axis_chart(scaling, axis));
  std::string machine;
  for (const auto& [key, value] : scaling.machine.items())
    machine += fmt::format("{}{}: {}", machine.empty() ? "" : ", ", key,
                           value.is_string() ? value.get<std::string>() : value.dump());
  const std::string body = fmt::format(
      "<header>\n<h1>How the time of a training step grows</h1>\n<p>{}. Measured {}; a matrix "
      "product reaches {:.0f} GFLOP/s there.</p>\n</header>\n{}{}",
      escape_html(machine), escape_html(date), scaling.peak_gflops, charts_section(charts),
      html_table(scaling));
  return html_page("Growth of a training step", body, /*with_charts=*/!charts.empty());
}

}  // namespace separatrix

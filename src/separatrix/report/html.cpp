#include "separatrix/report/html.h"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>

#include "separatrix/report/assets.h"
#include "separatrix/report/text.h"

namespace separatrix {
namespace {

/// Library code made safe inside <script>: "<\/" means the same in a string or pattern, and the
/// comment naming a source map would make developer tools ask for a file that is not there.
std::string inline_script(std::string_view code) {
  std::string out(code);
  for (size_t at = out.find("</script"); at != std::string::npos; at = out.find("</script", at))
    out.replace(at, 2, "<\\/");
  if (const size_t map = out.rfind("\n//# sourceMappingURL="); map != std::string::npos)
    out.erase(map);
  return "<script>" + out + "</script>\n";
}

const char* const kIcon =
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E"
    "%3Crect width='16' height='16' rx='3' fill='%232a62b8'/%3E"
    "%3Cpath d='M3 12C8 12 8 4 13 4M8 2v12' fill='none' stroke='white' stroke-width='1.6'/%3E"
    "%3C/svg%3E";

// The page may run its own scripts and styles and nothing else: it cannot ask for anything.
// 'unsafe-eval': Vega compiles its expressions.
const char* const kPolicy =
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; "
    "img-src data:";

}  // namespace

std::string task_title(const std::string& name) {
  std::string title = dashed(name);
  for (char& c : title)
    if (c == '-') c = ' ';
  if (!title.empty()) title[0] = char(std::toupper(static_cast<unsigned char>(title[0])));
  return title;
}

/// What a browser's tab shows.
static std::string page_title(const ReportData& data) {
  const ReportExperiment* only = data.only();
  if (only == nullptr) return fmt::format("{} experiments", data.experiments.size());
  if (!only->rows.empty())
    return fmt::format("{}, length {}", task_title(only->task), only->length);
  return only->title.empty() ? only->name : only->title;
}

std::string page_section(const std::string& id, const std::string& title,
                         const std::string& content) {
  if (content.empty()) return {};
  return fmt::format("<section aria-labelledby=\"{0}\">\n<h2 id=\"{0}\">{1}</h2>\n{2}</section>\n",
                     id, title, content);
}

std::string charts_section(const std::vector<Chart>& charts, const std::string& filters) {
  if (charts.empty()) return {};
  std::string out = filters, task;
  const bool several = std::any_of(charts.begin(), charts.end(), [&](const Chart& chart) {
    return chart.task != charts.front().task;
  });
  for (size_t i = 0; i < charts.size(); ++i) {
    const Chart& chart = charts[i];
    const std::string of_task =
        chart.task.empty() ? "" : fmt::format(" data-of-task=\"{}\"", escape_html(chart.task));
    if (several && chart.task != task)
      out += fmt::format("<h3 class=\"of-task\"{}>{}</h3>\n", of_task,
                         escape_html(task_title(chart.task)));
    task = chart.task;
    out += fmt::format(
        "<figure id=\"{0}\"{4}>\n"
        "<div class=\"chart\" data-spec=\"spec-{0}\" data-task=\"{5}\"></div>\n"
        "<p class=\"left-out\" hidden></p>\n"
        "<figcaption><b>Figure {1}. {2}.</b> {3} <span class=\"save\"></span></figcaption>\n"
        "<script type=\"application/json\" id=\"spec-{0}\">{6}</script>\n</figure>\n",
        escape_html(chart.id), i + 1, escape_html(chart.title), escape_html(chart.caption), of_task,
        escape_html(chart.task), script_json(chart.spec));
  }
  out +=
      "<noscript><p class=\"note\">The charts and the table need JavaScript; every number in them "
      "is also in results.csv beside this page.</p></noscript>\n";
  return page_section("charts", "Measured", out);
}

std::string html_page(const std::string& title, const std::string& body, bool with_charts) {
  std::string out = fmt::format(
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"{}\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n"
      "<meta name=\"generator\" content=\"separatrix\">\n"
      "<title>{} - Separatrix</title>\n<link rel=\"icon\" href=\"{}\">\n<style>\n",
      kPolicy, escape_html(title), kIcon);
  out += assets::style();
  out += "</style>\n</head>\n<body>\n<main>\n" + body + "</main>\n";
  if (with_charts) {
    out += inline_script(assets::vega());
    out += inline_script(assets::vega_lite());
    out += inline_script(assets::script());
  }
  return out + "</body>\n</html>\n";
}

std::string report_page(const ReportData& data, const PageData& page,
                        const std::vector<Chart>& charts, const std::string& date) {
  const ReportExperiment* only = data.only();
  const bool trained = !data.trials.empty();
  std::string body = header_part(data, date);
  if (only != nullptr) body += page_section("numbers", "Three numbers", numbers_content(*only));
  body += comparison_section(data);
  const std::string filters =
      trained ? "<div id=\"filters\" class=\"filters\" hidden></div>\n" : std::string();
  body += charts_section(charts, filters);
  if (charts.empty()) body += filters;
  body += runs_section(data);
  if (only != nullptr) {
    body += page_section("inside", "Inside the certified models", inside_content(only->examples));
    body += page_section("proofs", "Proved", proofs_content(*only));
  } else {
    body += experiments_part(data);
  }
  body += words_section(data);
  body += again_section(data);
  if (trained) {
    Json all = to_json(page);
    all["experiments"] = Json::array();
    for (const ReportExperiment& experiment : data.experiments)
      all["experiments"].push_back(experiment.name);
    body +=
        "<script type=\"application/json\" id=\"report-data\">" + script_json(all) + "</script>\n";
  }
  return html_page(page_title(data), body, trained);
}

}  // namespace separatrix

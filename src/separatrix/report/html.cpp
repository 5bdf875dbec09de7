#include "separatrix/report/html.h"

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

std::string charts_section(const std::vector<Chart>& charts) {
  if (charts.empty()) return {};
  std::string out = "<section aria-labelledby=\"charts\">\n<h2 id=\"charts\">Measured</h2>\n";
  for (size_t i = 0; i < charts.size(); ++i) {
    const Chart& chart = charts[i];
    out += fmt::format(
        "<figure id=\"{0}\">\n"
        "<div class=\"chart\" data-spec=\"spec-{0}\"></div>\n"
        "<figcaption><b>Figure {1}. {2}.</b> {3}</figcaption>\n"
        "<script type=\"application/json\" id=\"spec-{0}\">{4}</script>\n</figure>\n",
        escape_html(chart.id), i + 1, escape_html(chart.title), escape_html(chart.caption),
        script_json(chart.spec));
  }
  out +=
      "<noscript><p class=\"note\">The charts need JavaScript; every figure in them is also in "
      "the tables below and in results.csv.</p></noscript>\n</section>\n";
  return out;
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

std::string report_page(const ReportData& data, const std::vector<Chart>& charts,
                        const std::string& date) {
  std::string body;
  body += header_section(data, date);
  body += numbers_section(data);
  body += charts_section(charts);
  body += inside_section(data.examples);
  body += proofs_section(data);
  body += runs_section(data);
  body += words_section(data);
  body += machine_section(data);
  const std::string title = fmt::format("{}, length {}", task_title(data.task), data.length);
  return html_page(title, body, !charts.empty());
}

}  // namespace separatrix

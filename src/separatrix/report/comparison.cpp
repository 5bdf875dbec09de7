#include <fmt/format.h>

#include "separatrix/lab/compare.h"
#include "separatrix/report/html.h"
#include "separatrix/report/text.h"

namespace separatrix {
namespace {

const Json& list_or_none(const Json& list) {
  static const Json kNone = Json::array();
  return list.is_array() ? list : kNone;
}

std::string value_rows(const Json& published, const std::vector<Cell>& cells) {
  std::string rows;
  for (const ComparedSetting& c : compare(published, cells)) {
    if (c.published.empty()) continue;
    rows += fmt::format(
        "<tr><th scope=\"row\">{}{}</th><td>{}</td><td>{}</td><td class=\"text\">{}</td></tr>\n",
        escape_html(label(*c.cell)),
        c.length == c.cell->best().length ? "" : fmt::format(", judged at {}", c.length),
        c.ours.n > 0 ? format_percent(c.ours.mean) : "not run",
        fmt::format("{}/{}", c.cell->best().solved, c.cell->best().seeds),
        escape_html(c.published));
  }
  if (rows.empty()) return {};
  return "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Published values\">\n"
         "<table class=\"runs\">\n<thead><tr><th scope=\"col\">setting</th><th "
         "scope=\"col\">ours</th><th scope=\"col\">solved</th><th scope=\"col\" "
         "class=\"text\">published</th></tr></thead>\n<tbody>\n" +
         rows + "</tbody>\n</table>\n</div>\n";
}

std::string ordering_items(const Json& orderings, const std::vector<Cell>& cells) {
  std::string items;
  for (const CheckedOrdering& ordering : check_orderings(orderings, cells)) {
    std::string at;
    for (const OrderingAt& each : ordering.at)
      at += fmt::format("<li>N = {}: {} {} {} {} {}</li>\n", each.length, escape_html(each.ahead),
                        format_percent(each.ahead_value), verdict_words(each),
                        escape_html(each.behind), format_percent(each.behind_value));
    items += fmt::format("<li><b>{}</b>: {}{}</li>\n", escape_html(ordering.text),
                         ordering.at.empty() ? "not measured"
                         : ordering.holds()  ? "seen"
                                             : "not seen",
                         at.empty() ? at : "<ul>\n" + at + "</ul>\n");
  }
  return items.empty() ? items : "<ul class=\"orderings\">\n" + items + "</ul>\n";
}

}  // namespace

std::string comparison_section(const ReportData& data) {
  const ReportExperiment* only = data.only();
  if (only == nullptr) return {};
  std::string content = ordering_items(list_or_none(only->orderings), data.cells) +
                        value_rows(list_or_none(only->published), data.cells);
  if (!content.empty() && !only->source.empty())
    content = "<p>" + escape_html(only->source) +
              ". What was measured is at this budget and no more.</p>\n" + content;
  return page_section("published", "Published and measured", content);
}

}  // namespace separatrix

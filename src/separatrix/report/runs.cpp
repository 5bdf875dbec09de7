#include <fmt/format.h>

#include "separatrix/report/html.h"
#include "separatrix/report/text.h"

namespace separatrix {
namespace {

constexpr Index kMostFailures = 50;

std::string failures(const ReportData& data) {
  std::string out;
  Index n = 0;
  for (const ReportTrial& trial : data.trials)
    if (!trial.stored.error.empty() && ++n <= kMostFailures)
      out += fmt::format("<li>{}, length {}, width {}, lr {}, seed {}: <code>{}</code></li>\n",
                         escape_html(trial.model), trial.stored.spec.length, trial.width,
                         format_lr(trial.stored.spec.train.lr), trial.stored.spec.seed,
                         escape_html(trial.stored.error));
  if (n == 0) return {};
  if (n > kMostFailures)
    out += fmt::format("<li>and {} more, in results.csv</li>\n", n - kMostFailures);
  return "<h3>Trials that failed</h3>\n<ul class=\"errors\">\n" + out + "</ul>\n";
}

}  // namespace

std::string runs_section(const ReportData& data) {
  if (data.trials.empty()) return {};
  double seconds = 0;
  for (const ReportTrial& trial : data.trials) seconds += trial.seconds;
  return page_section(
      "runs", "What was run",
      fmt::format(
          "<p>{} training runs, {} of computing in all. Each line is one setting with all "
          "its seeds: accuracies are means over them, steps the median of those that solved "
          "the task. Each trial&rsquo;s full specification is behind its line.</p>\n"
          "<div id=\"results\"></div>\n",
          format_count(Index(data.trials.size())), format_seconds(seconds)) +
          failures(data));
}

}  // namespace separatrix

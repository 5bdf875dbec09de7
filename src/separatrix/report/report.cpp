#include "separatrix/report/report.h"

#include <ctime>
#include <filesystem>

#include <fmt/chrono.h>

#include "separatrix/base/file.h"
#include "separatrix/report/html.h"
#include "separatrix/report/results.h"

namespace separatrix {

ReportFiles write_report(const Store& store, const std::string& experiment,
                         const std::string& folder) {
  const ReportData data = gather_report(store, experiment);
  const PageData page = make_page_data(data);
  const std::vector<Chart> charts = make_charts(data, page);
  const std::filesystem::path root(folder);
  make_folder((root / "charts").string());

  ReportFiles files{
      .html = (root / "index.html").string(), .csv = (root / "results.csv").string(), .charts = {}};
  for (const Chart& chart : charts) {
    files.charts.push_back((root / "charts" / (chart.id + ".json")).string());
    write_file_atomic(
        files.charts.back(),
        standalone(chart, page).dump(1, ' ', false, Json::error_handler_t::replace) + '\n');
  }
  write_file_atomic(files.csv, results_csv(data));
  const std::string date = fmt::format("{:%Y-%m-%d}", fmt::gmtime(std::time(nullptr)));
  write_file_atomic(files.html, report_page(data, page, charts, date));
  return files;
}

}  // namespace separatrix

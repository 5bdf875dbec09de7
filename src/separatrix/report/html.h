#pragma once

#include <string>
#include <vector>

#include "separatrix/report/charts.h"

namespace separatrix {

/// A page with that content, scripts and styles inside: it asks the network for nothing (its policy
/// forbids it). The body is HTML; with_charts: it holds charts or a table of results.
std::string html_page(const std::string& title, const std::string& body, bool with_charts);

/// The whole page: one file that asks the network for nothing (its policy forbids it). Text from
/// the store is escaped wherever it stands. `date` is shown as it is.
std::string report_page(const ReportData& data, const PageData& page,
                        const std::vector<Chart>& charts, const std::string& date);

/// A part of the page with its heading; empty when its content is. `title` is HTML.
std::string page_section(const std::string& id, const std::string& title,
                         const std::string& content);

// The parts, in order; empty text where the data has nothing to say.
std::string header_part(const ReportData& data, const std::string& date);
std::string charts_section(const std::vector<Chart>& charts, const std::string& filters = {});
std::string comparison_section(const ReportData& data);  ///< with what is published
std::string runs_section(const ReportData& data);
std::string experiments_part(const ReportData& data);  ///< when there are several
std::string words_section(const ReportData& data);
std::string again_section(const ReportData& data);

// Of one experiment.
std::string numbers_content(const ReportExperiment& experiment);
std::string proofs_content(const ReportExperiment& experiment);
std::string lede(const ReportExperiment& experiment);  ///< the numbers as sentences

/// "index_lookup" -> "Index lookup".
std::string task_title(const std::string& name);

}  // namespace separatrix

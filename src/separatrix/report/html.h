#pragma once

#include <string>
#include <vector>

#include "separatrix/report/charts.h"

namespace separatrix {

/// A page with that content, scripts and styles inside: it asks the network for nothing (its policy
/// forbids it). The body is HTML; with_charts: it holds a charts_section.
std::string html_page(const std::string& title, const std::string& body, bool with_charts);

/// The whole page: one file that asks the network for nothing (its policy forbids it). Text from
/// the store is escaped wherever it stands. `date` is shown as it is.
std::string report_page(const ReportData& data, const std::vector<Chart>& charts,
                        const std::string& date);

// Its sections, in order; empty text where the data has nothing to say.
std::string header_section(const ReportData& data, const std::string& date);
std::string numbers_section(const ReportData& data);
std::string charts_section(const std::vector<Chart>& charts);
std::string proofs_section(const ReportData& data);
std::string runs_section(const ReportData& data);
std::string words_section(const ReportData& data);
std::string machine_section(const ReportData& data);

/// "index_lookup" -> "Index lookup".
std::string task_title(const std::string& name);

}  // namespace separatrix

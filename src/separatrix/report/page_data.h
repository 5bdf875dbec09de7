#pragma once

#include <set>
#include <string>
#include <vector>

#include "separatrix/report/data.h"

namespace separatrix {

/// Rows of equal columns: what a chart draws and a page sorts and filters.
class DataTable {
 public:
  explicit DataTable(std::vector<std::string> columns) : columns_(std::move(columns)) {}

  void add(Json::array_t row);  ///< as many values as columns
  std::size_t size() const { return rows_.size(); }
  bool empty() const { return rows_.empty(); }
  const Json& at(std::size_t row, const std::string& column) const;

  /// {"columns", "words", "text", "rows"}: texts of the columns named in "text" are indices into
  /// "words". web/data.js reads it.
  Json compact() const;
  /// [{column: value}] of the rows whose `column` has one of these values.
  Json objects(const std::string& column, const std::set<Json>& values) const;

 private:
  std::size_t index_of(const std::string& column) const;
  std::vector<std::string> columns_;
  std::vector<Json::array_t> rows_;
};

/// The data of all charts and of the table. Rows of `lengths`, `curves` and `trials` name their
/// setting by its number.
struct PageData {
  DataTable settings;  ///< one row for each setting; "best": the rate chosen for its cell
  DataTable lengths;   ///< the best settings judged at each length
  DataTable curves;    ///< the best settings' seed bands (report/bands.h)
  DataTable marks;     ///< what is known without training: "bound", "ceiling", "certified"
  DataTable trials;
  Json specs;  ///< the parts of the trials' specifications, each once; web/data.js joins them
};
PageData make_page_data(const ReportData& data);
Json to_json(const PageData& page);

}  // namespace separatrix

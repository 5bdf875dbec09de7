#include "separatrix/report/page_data.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <set>

#include "separatrix/base/json.h"
#include "separatrix/report/bands.h"
#include "separatrix/report/spec_parts.h"
#include "separatrix/report/table.h"
#include "separatrix/report/text.h"

namespace separatrix {
namespace {

/// Points of all curves together, so that any number of settings makes a page of a few megabytes.
constexpr std::size_t kCurvePoints = 40'000;
constexpr std::size_t kMostPerCurve = 80, kFewestPerCurve = 5;

/// Four decimals: more than 5000 inputs can tell apart, and half the bytes.
Json rounded(double value) { return std::round(value * 1e4) / 1e4; }

template <class T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

void add_spread(const Spread& spread, Json::array_t& row) {
  const bool any = spread.n > 0;
  for (const double value : {spread.mean, spread.min, spread.max})
    row.push_back(any ? rounded(value) : Json(nullptr));
}

Json experiments_of(const Setting& setting, const ReportData& data) {
  std::set<std::size_t> all;
  for (const std::size_t trial : setting.trials)
    all.insert(data.members[trial].begin(), data.members[trial].end());
  return all;
}

void add_setting(const ReportData& data, const Cell& cell, const Setting& s, PageData& page) {
  const bool best = &s == &cell.best();
  const LengthResult& final = s.lengths.front();
  const WilsonInterval interval = s.success_interval();
  Json::array_t row = {page.settings.size(),
                       experiments_of(s, data),
                       s.task_label,
                       s.model_label,
                       s.length,
                       s.width,
                       s.lr,
                       best,
                       s.seeds,
                       s.solved,
                       s.diverged,
                       s.failed,
                       s.unfinished,
                       s.works(),
                       rounded(interval.low),
                       rounded(interval.high)};
  add_spread(final.metric("token_accuracy"), row);
  add_spread(final.metric("sequence_accuracy"), row);
  add_spread(final.metric("scaled_accuracy"), row);
  row.push_back(final.chance ? rounded(*final.chance) : Json(nullptr));
  row.push_back(or_null(s.median_steps));
  row.push_back(or_null(s.state_bits));
  row.push_back(or_null(s.parameters));
  row.push_back(std::round(s.seconds * 10) / 10);
  row.push_back(best ? or_null(cell.lr_min) : Json(nullptr));
  row.push_back(best ? or_null(cell.lr_max) : Json(nullptr));
  row.push_back(best ? cell.count(&Setting::seeds) : 0);
  row.push_back(best ? cell.count(&Setting::unfinished) : 0);
  page.settings.add(std::move(row));
}

void add_trials(const ReportData& data, const Setting& s, PageData& page) {
  const std::size_t setting = page.settings.size() - 1;
  for (const std::size_t i : s.trials) {
    const ReportTrial& trial = data.trials[i];
    const Json none;
    page.trials.add({setting, trial.stored.id, trial.stored.spec.seed, trial.outcome,
                     trial.last ? rounded(trial.last->token_accuracy) : none,
                     trial.last ? rounded(trial.last->sequence_accuracy) : none,
                     trial.last ? Json(trial.last->step) : none,
                     std::round(trial.seconds * 10) / 10, trial.stored.error});
  }
}

void add_lengths(const Setting& s, PageData& page) {
  for (const LengthResult& result : s.lengths) {
    const Spread& token = result.metric("token_accuracy");
    if (token.n == 0) continue;
    Json::array_t row = {page.settings.size() - 1, result.length};
    add_spread(token, row);
    row.push_back(result.chance ? rounded(*result.chance) : Json(nullptr));
    page.lengths.add(std::move(row));
  }
}

void add_curve(const ReportData& data, const Setting& s, std::size_t most, PageData& page) {
  for (const BandPoint& point : seed_band(s, data.trials, most))
    page.curves.add({page.settings.size() - 1, point.step, rounded(point.median),
                     rounded(point.min), rounded(point.max)});
}

/// The accuracy that so many bits allow, from far below to what holds everything.
void add_ceiling(const std::string& task, Index length, const RecallCeiling& recall,
                 PageData& page) {
  constexpr int kPoints = 24;
  const double enough = recall.bits(1);
  for (int i = 0; i <= kPoints; ++i) {
    const double bits = enough * std::exp2((i - kPoints) / 4.0);
    if (bits < 1) continue;
    page.marks.add({"ceiling", task, length, "", std::round(bits * 10) / 10,
                    rounded(i == kPoints ? 1 : recall.accuracy(bits)), ""});
  }
}

void add_certified(const std::string& task, const ReportExperiment& experiment, PageData& page) {
  for (const SeparationRow& row : experiment.rows) {
    const Json& certified = row.certified_at;
    if (text_at(member_at(certified, "certificate"), "verdict") != "proved") continue;
    const std::string words =
        dashed(text_at(certified, "construction")) + ": " + certified_text(certified);
    for (const char* size : {"state_bits", "width"})
      if (const Json& value = member_at(certified, size); value.is_number())
        page.marks.add({"certified", task, experiment.length, size, value, 1, words});
  }
}

void add_marks(const ReportData& data, PageData& page) {
  for (const auto& [place, limits] : data.limits) {
    const auto& [task, length] = place;
    if (limits.bound_bits)
      page.marks.add({"bound", task, length, "state_bits", *limits.bound_bits, nullptr, ""});
    if (limits.recall) add_ceiling(task, length, *limits.recall, page);
  }
  for (const ReportExperiment& experiment : data.experiments)
    for (const Cell& cell : data.cells)
      if (cell.best().task == experiment.task && cell.best().length == experiment.length &&
          cell.best().task_config == experiment.task_config) {
        add_certified(cell.best().task_label, experiment, page);
        break;
      }
}

}  // namespace

void DataTable::add(Json::array_t row) {
  assert(row.size() == columns_.size());
  rows_.push_back(std::move(row));
}

std::size_t DataTable::index_of(const std::string& column) const {
  const auto found = std::find(columns_.begin(), columns_.end(), column);
  assert(found != columns_.end());
  return std::size_t(found - columns_.begin());
}

const Json& DataTable::at(std::size_t row, const std::string& column) const {
  return rows_[row][index_of(column)];
}

Json DataTable::compact() const {
  std::map<std::string, std::size_t> numbers;
  Json words = Json::array(), text = Json::array();
  std::vector<bool> is_text(columns_.size());
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    is_text[c] = !rows_.empty() && rows_.front()[c].is_string();
    if (is_text[c]) text.push_back(columns_[c]);
  }
  Json rows = Json::array();
  for (Json::array_t row : rows_) {
    for (std::size_t c = 0; c < row.size(); ++c) {
      if (!is_text[c]) continue;
      const auto [at, is_new] = numbers.emplace(row[c].get<std::string>(), words.size());
      if (is_new) words.push_back(row[c]);
      row[c] = at->second;
    }
    rows.push_back(std::move(row));
  }
  return {{"columns", columns_}, {"words", words}, {"text", text}, {"rows", rows}};
}

Json DataTable::objects(const std::string& column, const std::set<Json>& values) const {
  const std::size_t key = index_of(column);
  Json out = Json::array();
  for (const Json::array_t& row : rows_) {
    if (!values.contains(row[key])) continue;
    Json object = Json::object();
    for (std::size_t c = 0; c < row.size(); ++c) object[columns_[c]] = row[c];
    out.push_back(std::move(object));
  }
  return out;
}

PageData make_page_data(const ReportData& data) {
  PageData page{.settings = DataTable({"setting",      "experiments",
                                       "task",         "model",
                                       "length",       "width",
                                       "lr",           "best",
                                       "seeds",        "solved",
                                       "diverged",     "failed",
                                       "unfinished",   "works",
                                       "solved_low",   "solved_high",
                                       "accuracy",     "accuracy_min",
                                       "accuracy_max", "sequence",
                                       "sequence_min", "sequence_max",
                                       "scaled",       "scaled_min",
                                       "scaled_max",   "chance",
                                       "steps",        "state_bits",
                                       "parameters",   "seconds",
                                       "lr_min",       "lr_max",
                                       "runs_of_cell", "unfinished_of_cell"}),
                .lengths = DataTable(
                    {"setting", "at_length", "at_accuracy", "at_min", "at_max", "at_chance"}),
                .curves = DataTable({"setting", "step", "median", "min", "max"}),
                .marks = DataTable({"mark", "task", "length", "size", "value", "top", "what"}),
                .trials = DataTable({"setting", "id", "seed", "outcome", "accuracy", "sequence",
                                     "step", "seconds", "error"}),
                .specs = {}};
  const std::size_t per_curve = std::clamp(
      kCurvePoints / std::max<std::size_t>(1, data.cells.size()), kFewestPerCurve, kMostPerCurve);
  SpecParts parts;
  for (const Cell& cell : data.cells)
    for (const Setting& setting : cell.settings) {
      add_setting(data, cell, setting, page);
      add_trials(data, setting, page);
      parts.add(setting.spec);
      if (&setting != &cell.best()) continue;
      add_lengths(setting, page);
      add_curve(data, setting, per_curve, page);
    }
  add_marks(data, page);
  page.specs = parts.json();
  return page;
}

Json to_json(const PageData& page) {
  return {{"settings", page.settings.compact()}, {"lengths", page.lengths.compact()},
          {"curves", page.curves.compact()},     {"marks", page.marks.compact()},
          {"trials", page.trials.compact()},     {"specs", page.specs}};
}

}  // namespace separatrix

#include "separatrix/lab/compare.h"

#include <algorithm>
#include <map>
#include <tuple>

#include <fmt/format.h>

#include "separatrix/base/json.h"
#include "separatrix/base/names.h"

namespace separatrix {
namespace {

constexpr double kLevel = 0.005;

/// Whether a filter's value, or one of its list, fits.
template <class Fits>
bool any_of(const Json& wanted, const Fits& fits) {
  if (!wanted.is_array()) return fits(wanted);
  return std::any_of(wanted.begin(), wanted.end(), fits);
}

bool matches(const Json& filter, const Cell& cell) {
  const Setting& s = cell.best();
  for (const auto& [key, wanted] : filter.items()) {
    const std::string& field = key;
    const bool fits = any_of(wanted, [&](const Json& one) {
      if (field == "at") return true;  // chooses among the cell's lengths
      if (field == "length") return one == s.length;
      if (field == "layers") return one == s.layers;
      if (field == "width") return one == s.width;
      if (!one.is_string()) return false;
      const std::string text = one;
      if (field == "option") return s.model_label.find(text) != std::string::npos;
      return same_name(text, field == "task" ? s.task : s.model);
    });
    if (!fits) return false;
  }
  return true;
}

const Spread* value_at(const Cell& cell, Index length, const std::string& metric) {
  for (const LengthResult& result : cell.best().lengths)
    if (result.length == length && result.metric(metric).n > 0) return &result.metric(metric);
  return nullptr;
}

std::string metric_of(const Json& entry) {
  const std::string metric = text_at(entry, "metric");
  return metric.empty() ? "token_accuracy" : metric;
}

std::string published_text(const Json& entry) {
  std::string text = text_at(entry, "text");
  const Json& value = member_at(entry, "value");
  if (!value.is_number()) return text;
  return fmt::format("{:g}{}{}", value.get<double>(), text.empty() ? "" : " ", text);
}

/// The best cell of those that a side of an ordering names.
struct Side {
  const Cell* cell = nullptr;
  double value = 0;
  void take(const Cell& candidate, double mean) {
    if (cell != nullptr && value >= mean) return;
    cell = &candidate;
    value = mean;
  }
};

using Place = std::tuple<std::string, Index, Index>;  // task, trained length, judged length

void collect(const Json& filter, const std::string& metric, const std::vector<Cell>& cells,
             std::map<Place, std::pair<Side, Side>>& places, bool ahead) {
  for (const Cell& cell : cells) {
    if (!matches(filter, cell)) continue;
    const Index trained = cell.best().length, at = filter.value("at", trained);
    const Spread* value = value_at(cell, at, metric);
    if (value == nullptr) continue;
    auto& sides = places[{cell.best().task_label, trained, at}];
    (ahead ? sides.first : sides.second).take(cell, value->mean);
  }
}

}  // namespace

const char* verdict_words(const OrderingAt& at) {
  return at.verdict > 0 ? "is ahead of" : at.verdict < 0 ? "is behind" : "is level with";
}

bool CheckedOrdering::holds() const {
  const auto is = [](int verdict) {
    return [verdict](const OrderingAt& each) { return each.verdict == verdict; };
  };
  return std::any_of(at.begin(), at.end(), is(1)) && std::none_of(at.begin(), at.end(), is(-1));
}

std::vector<ComparedSetting> compare(const Json& published, const std::vector<Cell>& cells) {
  std::vector<ComparedSetting> compared;
  const auto add = [&](const Cell& cell, Index length, const std::string& metric,
                       const std::string& theirs) {
    const Spread* ours = value_at(cell, length, metric);
    compared.push_back({&cell, length, metric, ours != nullptr ? *ours : Spread{}, theirs});
  };
  for (const Cell& cell : cells) {
    bool found = false;
    for (const Json& entry : published) {
      const Json filter = member_at(entry, "where");
      if (filter.contains("at") || !matches(filter, cell)) continue;
      add(cell, cell.best().length, metric_of(entry), published_text(entry));
      found = true;
    }
    if (!found) add(cell, cell.best().length, "token_accuracy", "");
  }
  for (const Json& entry : published) {
    const Json filter = member_at(entry, "where");
    if (!filter.contains("at")) continue;
    for (const Cell& cell : cells)
      if (matches(filter, cell))
        add(cell, filter.at("at"), metric_of(entry), published_text(entry));
  }
  return compared;
}

std::vector<CheckedOrdering> check_orderings(const Json& orderings,
                                             const std::vector<Cell>& cells) {
  std::vector<CheckedOrdering> checked;
  for (const Json& entry : orderings) {
    CheckedOrdering ordering{text_at(entry, "text"), metric_of(entry), {}};
    std::map<Place, std::pair<Side, Side>> places;
    collect(member_at(entry, "ahead"), ordering.metric, cells, places, true);
    collect(member_at(entry, "behind"), ordering.metric, cells, places, false);
    for (const auto& [place, sides] : places) {
      const auto& [ahead, behind] = sides;
      if (ahead.cell == nullptr || behind.cell == nullptr) continue;
      const double lead = ahead.value - behind.value;
      ordering.at.push_back({.length = std::get<2>(place),
                             .ahead = ahead.cell->best().model_label,
                             .behind = behind.cell->best().model_label,
                             .ahead_value = ahead.value,
                             .behind_value = behind.value,
                             .verdict = lead > kLevel    ? 1
                                        : lead < -kLevel ? -1
                                                         : 0});
    }
    checked.push_back(std::move(ordering));
  }
  return checked;
}

std::string label(const Cell& cell) {
  const Setting& s = cell.best();
  return fmt::format("{}, width {}, {}N = {}", s.model_label, s.width,
                     s.task_label == s.task ? "" : s.task_label + ", ", s.length);
}

Json to_json(const ComparedSetting& c, const std::string& source) {
  const Setting& best = c.cell->best();
  Json json = {{"setting", label(*c.cell)},
               {"task", best.task},
               {"model", best.model_label},
               {"width", best.width},
               {"length", best.length},
               {"at", c.length},
               {"metric", c.metric},
               {"ours", nullptr},
               {"seeds", best.seeds},
               {"solved", best.solved},
               {"lr", best.lr},
               {"published", c.published.empty() ? Json(nullptr) : Json(c.published)},
               {"source", source}};
  if (c.ours.n > 0) {
    json["ours"] = c.ours.mean;
    json["min"] = c.ours.min;
    json["max"] = c.ours.max;
  }
  return json;
}

Json to_json(const CheckedOrdering& ordering, const std::string& source) {
  Json at = Json::array();
  for (const OrderingAt& each : ordering.at)
    at.push_back({{"length", each.length},
                  {"ahead", each.ahead},
                  {"ahead_value", each.ahead_value},
                  {"behind", each.behind},
                  {"behind_value", each.behind_value},
                  {"verdict", each.verdict > 0   ? "ahead"
                              : each.verdict < 0 ? "behind"
                                                 : "level"}});
  return {{"setting", ordering.text},
          {"metric", ordering.metric},
          {"ours", ordering.at.empty() ? Json(nullptr) : Json(ordering.holds())},
          {"published", true},
          {"source", source},
          {"at", at}};
}

}  // namespace separatrix

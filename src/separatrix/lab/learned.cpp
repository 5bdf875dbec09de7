#include "separatrix/lab/learned.h"

#include <algorithm>
#include <map>
#include <tuple>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace separatrix {
namespace {

/// The middle one, or the mean of the two in the middle.
double median(const std::vector<Index>& ascending) {
  if (ascending.empty()) return 0;
  const std::size_t half = ascending.size() / 2;
  const double upper = double(ascending[half]);
  return ascending.size() % 2 == 1 ? upper : (double(ascending[half - 1]) + upper) / 2;
}

double accuracy_of(const StoredTrial& trial) {
  const auto found = trial.result.find("token_accuracy");
  return found != trial.result.end() && found->is_number() ? found->get<double>() : 0;
}

void count_in(RateTried& rate, const StoredTrial& trial) {
  ++rate.seeds;
  rate.diverged += trial.status == TrialStatus::diverged ? 1 : 0;
  rate.failed += trial.status == TrialStatus::failed ? 1 : 0;
  rate.accuracy += accuracy_of(trial);  // the sum, for now
  if (trial.status != TrialStatus::done) return;
  rate.gave_up += trial.result.value("gave_up", false) ? 1 : 0;
  if (!trial.result.value("solved", false)) return;
  ++rate.solved;
  rate.steps.push_back(trial.result.at("step").get<Index>());
}

Json to_json(const RateTried& rate) {
  return {{"lr", rate.lr},           {"seeds", rate.seeds},       {"solved", rate.solved},
          {"gave_up", rate.gave_up}, {"diverged", rate.diverged}, {"failed", rate.failed},
          {"steps", rate.steps},     {"token_accuracy", rate.accuracy}};
}

Json to_json(const WidthTried& tried) {
  Json rates = Json::array();
  for (const RateTried& rate : tried.rates) rates.push_back(to_json(rate));
  return {{"width", tried.width},
          {"parameters", tried.parameters},
          {"state_bits", tried.state_bits ? Json(*tried.state_bits) : Json(nullptr)},
          {"solved", tried.solved},
          {"best_accuracy", tried.best_accuracy},
          {"rates", rates}};
}

template <class T>
void read(const Json& json, const char* key, T& value) {
  const auto found = json.find(key);
  if (found == json.end()) return;
  const bool fits = std::is_same_v<T, bool>          ? found->is_boolean()
                    : std::is_same_v<T, std::string> ? found->is_string()
                                                     : found->is_number();
  if (fits) found->get_to(value);
}

void read(const Json& json, const char* key, std::optional<Index>& value) {
  Index number = -1;
  read(json, key, number);
  if (number >= 0) value = number;
}

/// The elements of a list of maps; none where there is no such list.
template <class T>
void read(const Json& json, const char* key, std::vector<T>& values, T (*read_one)(const Json&)) {
  const auto found = json.find(key);
  if (found == json.end() || !found->is_array()) return;
  for (const Json& each : *found)
    if (each.is_object()) values.push_back(read_one(each));
}

RateTried read_rate(const Json& json) {
  RateTried rate;
  read(json, "lr", rate.lr);
  read(json, "seeds", rate.seeds);
  read(json, "solved", rate.solved);
  read(json, "gave_up", rate.gave_up);
  read(json, "diverged", rate.diverged);
  read(json, "failed", rate.failed);
  read(json, "token_accuracy", rate.accuracy);
  if (const auto steps = json.find("steps"); steps != json.end() && steps->is_array())
    for (const Json& step : *steps)
      if (step.is_number()) rate.steps.push_back(step.get<Index>());
  return rate;
}

WidthTried read_width(const Json& json) {
  WidthTried tried;
  read(json, "width", tried.width);
  read(json, "parameters", tried.parameters);
  read(json, "state_bits", tried.state_bits);
  read(json, "solved", tried.solved);
  read(json, "best_accuracy", tried.best_accuracy);
  read(json, "rates", tried.rates, read_rate);
  return tried;
}

}  // namespace

const RateTried& WidthTried::best() const {
  return *std::max_element(rates.begin(), rates.end(), [](const RateTried& a, const RateTried& b) {
    return std::tuple(a.solved, a.accuracy, -a.lr) < std::tuple(b.solved, b.accuracy, -b.lr);
  });
}

Index WidthTried::count(Index RateTried::*what) const {
  Index sum = 0;
  for (const RateTried& rate : rates) sum += rate.*what;
  return sum;
}

WidthTried summarize_width(std::span<const StoredTrial> ended, Index seeds_needed) {
  WidthTried tried;
  std::map<double, RateTried> by_lr;
  for (const StoredTrial& trial : ended) {
    count_in(by_lr[trial.spec.train.lr], trial);
    tried.width = trial.spec.model.d_model;
    tried.best_accuracy = std::max(tried.best_accuracy, accuracy_of(trial));
  }
  for (auto& [lr, rate] : by_lr) {
    rate.lr = lr;
    rate.accuracy /= double(rate.seeds);
    std::sort(rate.steps.begin(), rate.steps.end());
    tried.solved = tried.solved || rate.solved >= seeds_needed;
    tried.rates.push_back(rate);
  }
  return tried;
}

void add_width(LearnedAt& learned, WidthTried tried, Index seeds_needed) {
  learned.best_accuracy = std::max(learned.best_accuracy, tried.best_accuracy);
  learned.tried.push_back(std::move(tried));
  std::vector<WidthTried>& all = learned.tried;
  std::sort(all.begin(), all.end(),
            [](const WidthTried& a, const WidthTried& b) { return a.width < b.width; });
  auto at = std::find_if(all.begin(), all.end(), [](const WidthTried& w) { return w.solved; });
  if (at == all.end()) --at;
  const RateTried& best = at->best();
  learned.solved = at->solved;
  learned.width = at->width;
  learned.parameters = at->parameters;
  learned.state_bits = at->state_bits;
  learned.lr = best.lr;
  learned.seeds = best.seeds;
  learned.seeds_solved = best.solved;
  const WilsonInterval success = wilson_interval(best.solved, best.seeds);
  learned.success_low = success.low;
  learned.success_high = success.high;
  learned.steps_median = median(best.steps);
  learned.steps_min = best.steps.empty() ? 0 : best.steps.front();
  learned.steps_max = best.steps.empty() ? 0 : best.steps.back();
  learned.lr_min = learned.lr_max = 0;
  for (const RateTried& rate : at->rates) {
    if (rate.solved < seeds_needed) continue;
    if (learned.lr_max == 0) learned.lr_min = rate.lr;
    learned.lr_max = rate.lr;
  }
}

Json to_json(const LearnedAt& learned) {
  Json tried = Json::array();
  for (const WidthTried& width : learned.tried) tried.push_back(to_json(width));
  return {{"solved", learned.solved},
          {"model", learned.model},
          {"width", learned.width},
          {"state_bits", learned.state_bits ? Json(*learned.state_bits) : Json(nullptr)},
          {"seeds_solved", learned.seeds_solved},
          {"seeds", learned.seeds},
          {"lr_min", learned.lr_min},
          {"lr_max", learned.lr_max},
          {"best_accuracy", learned.best_accuracy},
          {"budget", learned.budget},
          {"parameters", learned.parameters},
          {"lr", learned.lr},
          {"success_low", learned.success_low},
          {"success_high", learned.success_high},
          {"steps_median", learned.steps_median},
          {"steps_min", learned.steps_min},
          {"steps_max", learned.steps_max},
          {"tried", tried}};
}

LearnedAt read_learned_at(const Json& json) {
  LearnedAt learned;
  if (!json.is_object()) return learned;
  read(json, "solved", learned.solved);
  read(json, "model", learned.model);
  read(json, "width", learned.width);
  read(json, "state_bits", learned.state_bits);
  read(json, "seeds_solved", learned.seeds_solved);
  read(json, "seeds", learned.seeds);
  read(json, "lr_min", learned.lr_min);
  read(json, "lr_max", learned.lr_max);
  read(json, "best_accuracy", learned.best_accuracy);
  read(json, "budget", learned.budget);
  read(json, "parameters", learned.parameters);
  read(json, "lr", learned.lr);
  read(json, "success_low", learned.success_low);
  read(json, "success_high", learned.success_high);
  read(json, "steps_median", learned.steps_median);
  read(json, "steps_min", learned.steps_min);
  read(json, "steps_max", learned.steps_max);
  read(json, "tried", learned.tried, read_width);
  return learned;
}

std::string lr_words(double lr) {
  if (lr >= 0.1 || lr <= 0) return fmt::format("{:g}", lr);
  std::string text = fmt::format("{:e}", lr);  // "3.000000e-03"
  const std::size_t e = text.find('e');
  return fmt::format("{:g}e{}", std::stod(text.substr(0, e)), std::stoi(text.substr(e + 1)));
}

std::string width_words(const std::string& model, const WidthTried& tried) {
  std::vector<std::string> parts;
  for (const RateTried& rate : tried.rates)
    parts.push_back(fmt::format("{}/{} seeds at lr {}", rate.solved, rate.seeds, lr_words(rate.lr)));
  std::string line = fmt::format("{}, width {}: {} ({}; best accuracy {:.2f} %", model, tried.width,
                                 tried.solved ? "solved" : "not solved", fmt::join(parts, ", "),
                                 100 * tried.best_accuracy);
  const auto also = [&](Index RateTried::*what, const char* words) {
    if (const Index count = tried.count(what); count > 0) line += fmt::format("; {} {}", count, words);
  };
  also(&RateTried::gave_up, "given up early");
  also(&RateTried::diverged, "diverged");
  also(&RateTried::failed, "failed");
  return line + ")";
}

}  // namespace separatrix

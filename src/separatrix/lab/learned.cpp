#include "separatrix/lab/learned.h"

#include <algorithm>
#include <map>
#include <tuple>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "separatrix/base/json.h"
#include "separatrix/lab/summary.h"

namespace separatrix {

// One list of fields for writing and reading each; sizes that may be absent and lists of maps are
// added by hand.
template <class V>
void visit(V& v, RateTried& r) {
  v("lr", r.lr, "learning rate");
  v("seeds", r.seeds, "trials");
  v("solved", r.solved, "of these, solved");
  v("gave_up", r.gave_up, "ended early as hopeless");
  v("diverged", r.diverged, "ended by a loss or gradient that is not finite");
  v("failed", r.failed, "measured nothing");
  v("token_accuracy", r.accuracy, "mean");
  v("steps", r.steps, "of those that solved");
}
template <class V>
void visit(V& v, WidthTried& w) {
  v("width", w.width, "d_model");
  v("parameters", w.parameters, "trained numbers");
  v("solved", w.solved, "whether enough seeds solved at one learning rate");
  v("best_accuracy", w.best_accuracy, "token accuracy of the best trial");
}
template <class V>
void visit(V& v, LearnedAt& l) {
  v("solved", l.solved, "whether at any width");
  v("model", l.model, "as parse_model reads it");
  v("width", l.width, "smallest solved, or largest tried");
  v("seeds_solved", l.seeds_solved, "at that width and the best learning rate");
  v("seeds", l.seeds, "of so many");
  v("lr_min", l.lr_min, "least learning rate that worked");
  v("lr_max", l.lr_max, "largest one");
  v("best_accuracy", l.best_accuracy, "token accuracy of the best trial at any width");
  v("budget", l.budget, "in words");
  v("parameters", l.parameters, "trained numbers at that width");
  v("lr", l.lr, "best learning rate at that width");
  v("success_low", l.success_low, "of the success fraction, 95 %");
  v("success_high", l.success_high, "the same");
  v("steps_median", l.steps_median, "to solve");
  v("steps_min", l.steps_min, "the same");
  v("steps_max", l.steps_max, "the same");
}

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

/// Sets what is there and of the right kind: a store may be of another version.
struct LenientReader {
  const Json& json;
  template <class T>
  void operator()(const char* name, T& value, const char*) {
    try {
      if (const Json& found = member_at(json, name); !found.is_null()) found.get_to(value);
    } catch (const Json::exception&) {
      return;  // of another kind
    }
  }
};

template <class T>
T read_lenient(const Json& json) {
  T value;
  LenientReader reader{json};
  visit(reader, value);
  return value;
}

Json or_null(const std::optional<Index>& bits) { return bits ? Json(*bits) : Json(nullptr); }

std::optional<Index> read_bits(const Json& json) {
  const Json& bits = member_at(json, "state_bits");
  return bits.is_number() ? std::optional<Index>(bits.get<double>()) : std::nullopt;
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
  Json json = write_config(learned);
  json["state_bits"] = or_null(learned.state_bits);
  json["tried"] = Json::array();
  for (const WidthTried& tried : learned.tried) {
    Json width = write_config(tried);
    width["state_bits"] = or_null(tried.state_bits);
    width["rates"] = Json::array();
    for (const RateTried& rate : tried.rates) width["rates"].push_back(write_config(rate));
    json["tried"].push_back(std::move(width));
  }
  return json;
}

LearnedAt read_learned_at(const Json& json) {
  auto learned = read_lenient<LearnedAt>(json);
  learned.state_bits = read_bits(json);
  for (const Json& width : member_at(json, "tried")) {
    auto tried = read_lenient<WidthTried>(width);
    tried.state_bits = read_bits(width);
    for (const Json& rate : member_at(width, "rates"))
      tried.rates.push_back(read_lenient<RateTried>(rate));
    learned.tried.push_back(std::move(tried));
  }
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
    parts.push_back(
        fmt::format("{}/{} seeds at lr {}", rate.solved, rate.seeds, lr_words(rate.lr)));
  std::string line = fmt::format("{}, width {}: {} ({}; best accuracy {:.2f} %", model, tried.width,
                                 tried.solved ? "solved" : "not solved", fmt::join(parts, ", "),
                                 100 * tried.best_accuracy);
  const auto also = [&](Index RateTried::*what, const char* words) {
    if (const Index count = tried.count(what); count > 0)
      line += fmt::format("; {} {}", count, words);
  };
  also(&RateTried::gave_up, "given up early");
  also(&RateTried::diverged, "diverged");
  also(&RateTried::failed, "failed");
  return line + ")";
}

}  // namespace separatrix

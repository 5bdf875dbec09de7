#include <algorithm>
#include <map>
#include <tuple>

#include <fmt/format.h>

#include "separatrix/report/html.h"
#include "separatrix/report/text.h"

namespace separatrix {
namespace {

/// The trials that differ only in their seed.
struct Setting {
  const ReportTrial* first = nullptr;
  Index seeds = 0, solved = 0, diverged = 0, failed = 0, unfinished = 0;
  Index most_steps = 0;
  double best = 0, seconds = 0;
};

using SettingKey = std::tuple<std::string, Index, Index, double>;  // model, layers, width, lr

std::map<SettingKey, Setting> settings_of(const ReportData& data) {
  std::map<SettingKey, Setting> settings;
  for (const ReportTrial& trial : data.trials) {
    Setting& s = settings[{trial.model, trial.layers, trial.width, trial.stored.spec.train.lr}];
    if (s.first == nullptr) s.first = &trial;
    ++s.seeds;
    s.solved += trial.solved() ? 1 : 0;
    s.diverged += trial.outcome == "diverged" ? 1 : 0;
    s.failed += trial.stored.status == TrialStatus::failed ? 1 : 0;
    s.unfinished +=
        trial.stored.status == TrialStatus::pending || trial.stored.status == TrialStatus::running
            ? 1
            : 0;
    s.seconds += trial.seconds;
    if (!trial.last) continue;
    s.most_steps = std::max(s.most_steps, trial.last->step);
    s.best = std::max(s.best, trial.last->token_accuracy);
  }
  return settings;
}

std::string setting_row(const SettingKey& key, const Setting& s) {
  std::string remarks;
  const auto remark = [&](Index n, const char* what) {
    if (n > 0) remarks += fmt::format("{}{} {}", remarks.empty() ? "" : ", ", n, what);
  };
  remark(s.diverged, "diverged");
  remark(s.failed, "failed");
  remark(s.unfinished, "not finished");
  return fmt::format(
      "<tr{}><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td>{}</td><td>{}/{}</td><td>{}</td>"
      "<td>{}</td><td>{}</td><td class=\"text\">{}</td></tr>\n",
      s.solved == s.seeds ? " class=\"solved\"" : "", escape_html(std::get<0>(key)),
      std::get<2>(key), s.first->state_bits ? format_count(*s.first->state_bits) : "&ndash;",
      format_lr(std::get<3>(key)), s.solved, s.seeds, format_percent(s.best),
      format_count(s.most_steps), format_seconds(s.seconds), escape_html(remarks));
}

std::string trial_details(const ReportTrial& trial) {
  std::string summary =
      fmt::format("{}, width {}, lr {}, seed {}: {}", trial.model, trial.width,
                  format_lr(trial.stored.spec.train.lr), trial.stored.spec.seed, trial.outcome);
  if (trial.last)
    summary += fmt::format(", {} after {} steps", format_percent(trial.last->token_accuracy),
                           format_count(trial.last->step));
  const Json json = {{"id", trial.stored.id},
                     {"spec", to_json(trial.stored.spec)},
                     {"result", trial.stored.result}};
  return fmt::format("<details><summary>{}</summary><pre>{}</pre></details>\n",
                     escape_html(summary),
                     escape_html(json.dump(2, ' ', false, Json::error_handler_t::replace)));
}

std::string failures(const ReportData& data) {
  std::string out;
  for (const ReportTrial& trial : data.trials)
    if (!trial.stored.error.empty())
      out +=
          fmt::format("<li>{}, width {}, lr {}, seed {}: <code>{}</code></li>\n",
                      escape_html(trial.model), trial.width, format_lr(trial.stored.spec.train.lr),
                      trial.stored.spec.seed, escape_html(trial.stored.error));
  return out.empty() ? out
                     : "<h3>Trials that failed</h3>\n<ul class=\"errors\">\n" + out + "</ul>\n";
}

}  // namespace

std::string runs_section(const ReportData& data) {
  if (data.trials.empty()) return {};
  double seconds = 0;
  for (const ReportTrial& trial : data.trials) seconds += trial.seconds;
  std::string out = fmt::format(
      "<section aria-labelledby=\"runs\">\n<h2 id=\"runs\">What was run</h2>\n<p>{} training runs, "
      "{} of computing in all. Each line is one setting with all its seeds; accuracy is the best "
      "of them, steps the most that any of them took.</p>\n"
      "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"What was run\">\n"
      "<table class=\"runs\">\n<thead><tr><th scope=\"col\">model</th><th scope=\"col\">width</th>"
      "<th scope=\"col\">state bits</th><th scope=\"col\">learning rate</th><th "
      "scope=\"col\">solved</th><th scope=\"col\">accuracy</th><th scope=\"col\">steps</th><th "
      "scope=\"col\">time</th><th scope=\"col\" "
      "class=\"text\">remarks</th></tr></thead>\n<tbody>\n",
      data.trials.size(), format_seconds(seconds));
  for (const auto& [key, setting] : settings_of(data)) out += setting_row(key, setting);
  out += "</tbody>\n</table>\n</div>\n" + failures(data);
  out += "<details class=\"all\"><summary>Every trial with its full specification</summary>\n";
  for (const ReportTrial& trial : data.trials) out += trial_details(trial);
  return out + "</details>\n</section>\n";
}

}  // namespace separatrix

#include "separatrix/report/table.h"

#include <algorithm>
#include <array>
#include <vector>

#include <fmt/format.h>

#include "separatrix/report/html.h"
#include "separatrix/report/text.h"

namespace separatrix {
namespace {

using Line = std::array<std::string, 4>;

/// "transformer: ..." unless the row is already called after the model, and has no other.
std::string learned_line(const SeparationRow& row, const LearnedAt& learned) {
  const bool named = row.label.rfind(learned.model, 0) == 0 && row.learned_at.size() == 1;
  return (named ? "" : learned.model + ": ") + learned_text(learned);
}

std::vector<Line> table_lines(const SeparationRow& row) {
  std::vector<Line> lines;
  for (const LearnedAt& learned : row.learned_at)
    lines.push_back({"", "", "", learned_line(row, learned)});
  if (lines.empty()) lines.push_back({"", "", "", "-"});
  lines[0][0] = row.label;
  lines[0][1] = impossible_text(row.impossible_below);
  lines[0][2] = certified_text(row.certified_at);
  return lines;
}

/// Below the table, each budget at which a search ended without an answer, with its models where
/// there are several: "(budget of lstm, gru: ...)".
std::string budget_lines(const std::vector<SeparationRow>& rows) {
  std::vector<std::pair<std::string, std::string>> budgets;  // and whose
  for (const SeparationRow& row : rows)
    for (const LearnedAt& learned : row.learned_at) {
      if (learned.solved || learned.budget.empty()) continue;
      const auto same = std::find_if(budgets.begin(), budgets.end(), [&](const auto& each) {
        return each.first == learned.budget;
      });
      if (same == budgets.end())
        budgets.emplace_back(learned.budget, learned.model);
      else
        same->second += ", " + learned.model;
    }
  std::string out;
  for (const auto& [budget, models] : budgets)
    out += "(budget" + (budgets.size() > 1 ? " of " + models : "") + ": " + budget + ")\n";
  return out;
}

std::string joined(const std::vector<Line>& lines) {
  std::array<size_t, 4> width{};
  for (const Line& line : lines)
    for (size_t c = 0; c < line.size(); ++c) width[c] = std::max(width[c], line[c].size());
  std::string out;
  for (const Line& line : lines) {
    std::string text;
    for (size_t c = 0; c + 1 < line.size(); ++c)
      text += fmt::format("{:<{}}", line[c], width[c] + 2);
    text += line.back();
    text.erase(text.find_last_not_of(' ') + 1);
    out += text + '\n';
  }
  return out;
}

}  // namespace

std::string impossible_text(const Json& bound) {
  const double bits = number_at(bound, "bits", -1);
  if (bits < 0) return "-";
  if (const Json& inequality = member_at(bound, "inequality"); inequality.is_object())
    return fmt::format("H d_v = {:.0f} ({})", number_at(inequality, "smallest_width", 0),
                       dashed(text_at(bound, "method")));
  return fmt::format("{:.0f} bits{}", bits,
                     member_at(bound, "exact") == true ? " (exact)" : " (lower bound)");
}

std::string certified_text(const Json& certified) {
  if (!certified.is_object()) return "-";
  const Json& certificate = member_at(certified, "certificate");
  std::string verdict = text_at(certificate, "verdict");
  if (verdict.empty()) verdict = "not certified";
  if (verdict == "proved" && member_at(certified, "rechecked") == false)
    verdict += ", not rechecked";
  if (member_at(certified, "state_bits").is_number())
    return fmt::format("{:.0f} bits, {} ({})", number_at(certified, "state_bits", 0),
                       dashed(text_at(certified, "construction")), verdict);
  std::string text = fmt::format("width {:.0f}", number_at(certified, "width", 0));
  const std::string arithmetic = text_at(member_at(certificate, "claim"), "arithmetic");
  if (!arithmetic.empty()) text += ", " + arithmetic;
  if (verdict.rfind("proved", 0) == 0)
    text += ", margin " + format_margin(number_at(certificate, "margin", 0));
  return fmt::format("{} ({})", text, verdict);
}

std::string learned_text(const LearnedAt& learned) {
  if (learned.seeds == 0) return "not tried";
  std::string size = learned.state_bits
                         ? fmt::format("{} units = {} bits", learned.width, *learned.state_bits)
                         : fmt::format("width {}", learned.width);
  if (learned.solved) {
    std::string lr = format_lr(learned.lr_min);
    if (learned.lr_max != learned.lr_min) lr += ".." + format_lr(learned.lr_max);
    std::string text = fmt::format("{}, {}/{} seeds", size, learned.seeds_solved, learned.seeds);
    if (!learned.tried.empty()) text += fmt::format(" ({})", success_text(learned));
    text += ", lr " + lr;
    if (learned.steps_median > 0) text += fmt::format(", {:g} steps", learned.steps_median);
    return text;
  }
  std::string text =
      fmt::format("not solved up to {}, best {}", size, format_percent(learned.best_accuracy));
  Index most = 0;  // else "not solved, best 100 %" would look like a mistake
  for (const WidthTried& tried : learned.tried)
    if (!tried.rates.empty()) most = std::max(most, tried.best().solved);
  if (most > 0) text += fmt::format(", at most {}/{} seeds", most, learned.seeds);
  return text;
}

std::string success_text(const LearnedAt& learned) {
  return fmt::format("{:.0f}..{:.0f} %", 100 * learned.success_low, 100 * learned.success_high);
}

std::string criterion_text(const TrainConfig& criterion) {
  return fmt::format("{} of {} fresh inputs", format_percent(criterion.target_accuracy),
                     criterion.final_examples);
}

std::optional<TrainConfig> criterion_of(const Store& store, const std::string& experiment) {
  const std::vector<StoredTrial> trials = store.trials(experiment);
  if (trials.empty()) return std::nullopt;
  return trials.front().spec.train;
}

std::string separation_table(const Separation& separation,
                             const std::optional<TrainConfig>& criterion) {
  std::vector<Line> lines = {
      {"", "impossible below", "certified at",
       criterion ? "learned at (" + criterion_text(*criterion) + ")" : "learned at"}};
  for (const SeparationRow& row : separation.rows)
    for (Line& line : table_lines(row)) lines.push_back(std::move(line));
  std::string out = task_title(separation.task) + ": " + separation.description + ".\n\n" +
                    joined(lines) + budget_lines(separation.rows);
  if (separation.interrupted) out += "(interrupted: the same command goes on where it stopped)\n";
  return out;
}

}  // namespace separatrix

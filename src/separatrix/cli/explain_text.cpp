#include "separatrix/cli/explain_text.h"

#include <algorithm>
#include <numeric>

#include <fmt/format.h>

#include "separatrix/report/text.h"

namespace separatrix {
namespace {

/// What a reader is told of an average.
constexpr double kLeastShown = 0.01;

using Row = std::vector<std::string>;

/// Columns as wide as their widest cell, two blanks between them; nothing behind the last.
std::string aligned(const std::vector<Row>& rows) {
  std::vector<std::size_t> width;
  for (const Row& row : rows)
    for (std::size_t c = 0; c < row.size(); ++c) {
      if (c == width.size()) width.push_back(0);
      width[c] = std::max(width[c], row[c].size());
    }
  std::string text;
  for (const Row& row : rows) {
    std::string line = " ";
    for (std::size_t c = 0; c < row.size(); ++c)
      line += " " + row[c] + std::string(width[c] - row[c].size() + 1, ' ');
    text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  return text;
}

std::string slot_table(const Explanation& e, std::size_t stage, const std::vector<Slot>& slots) {
  Row header{"position", "token"};
  for (const Slot& slot : slots) header.push_back(slot.name);
  std::vector<Row> table{header};
  for (std::size_t row = 0; row < e.trace.rows.size(); ++row) {
    const Index t = e.trace.rows[row];
    Row line{std::to_string(t), e.spelled[std::size_t(t)]};
    for (const Slot& slot : slots) line.push_back(e.text(stage, row, slot));
    table.push_back(std::move(line));
  }
  return aligned(table);
}

/// Neighbouring positions of the same weight.
struct Run {
  Index begin = 0, end = 0;
  double each = 0;
  double weight() const { return each * double(end - begin); }
};

std::vector<Run> runs_of(std::span<const double> weights) {
  std::vector<Run> runs;
  for (Index j = 0; j < Index(weights.size()); ++j) {
    const double a = weights[std::size_t(j)];
    if (!runs.empty() && runs.back().end == j &&
        std::abs(runs.back().each - a) <= 1e-6 * runs.back().each)
      ++runs.back().end;
    else
      runs.push_back({j, j + 1, a});
  }
  return runs;
}

/// "2 s1 (99.8 %), 0-1 (0.1 % each)": the largest first.
std::string averaged(const Explanation& e, std::span<const double> weights) {
  std::vector<Run> runs = runs_of(weights);
  std::stable_sort(runs.begin(), runs.end(),
                   [](const Run& a, const Run& b) { return a.each > b.each; });
  const bool few = Index(e.tokens.size()) > Explanation::kMostRows;
  std::string text;
  Index shown = 0;
  double rest = 1;
  for (const Run& run : runs) {
    if (run.weight() < kLeastShown || (few && shown == Explanation::kMostKeys)) continue;
    text += shown++ == 0 ? "" : ", ";
    rest -= run.weight();
    text += run.end - run.begin == 1
                ? fmt::format("{} {} ({})", run.begin, e.spelled[std::size_t(run.begin)],
                              format_percent(run.each))
                : fmt::format("{}-{} ({} each)", run.begin, run.end - 1, format_percent(run.each));
  }
  if (rest >= kLeastShown) text += fmt::format(", others {}", format_percent(rest));
  return text;
}

std::string head_text(const Explanation& e, const Trace::Layer& layer, Index head) {
  std::vector<Row> table;
  for (std::size_t row = 0; row < e.trace.rows.size(); ++row) {
    const Index t = e.trace.rows[row];
    table.push_back({std::to_string(t), e.spelled[std::size_t(t)], "<-",
                     averaged(e, e.attention(layer, row, head))});
  }
  return aligned(table);
}

std::string layer_text(const Explanation& e, std::size_t i) {
  const Trace::Layer& layer = e.trace.layers[i];
  std::string text;
  for (Index h = 0; h < layer.heads; ++h)
    text += fmt::format("\nlayer {}, {}{}: position <- positions averaged\n", i, layer.block,
                        layer.heads > 1 ? fmt::format(" head {}", h) : "") +
            head_text(e, layer, h);
  const std::vector<Slot> written = e.changed(i + 1);
  if (!written.empty())
    text += (layer.heads > 0 ? std::string("  and writes\n")
                             : fmt::format("\nlayer {}, {}, writes\n", i, layer.block)) +
            slot_table(e, i + 1, written);
  else if (layer.heads == 0 && e.named(i + 1))
    text += fmt::format("\nlayer {}, {}, changes no slot on this input\n", i, layer.block);
  return text;
}

std::string answers_text(const Explanation& e, const Task& task) {
  std::string text = "\nanswers\n";
  std::vector<Row> table;
  for (std::size_t row = 0; row < e.trace.rows.size(); ++row) {
    const Explanation::Answer& a = e.answers[row];
    if (a.target == kIgnore) continue;
    const Index t = e.trace.rows[row];
    const std::string asked = task.spell_class(a.target, e.length);
    // A model may know classes that the task does not.
    const auto spell = [&](Token c) {
      return c < task.info(e.length).n_classes ? task.spell_class(c, e.length)
                                               : fmt::format("class {}", c);
    };
    std::string words = "right";
    if (a.margin && *a.margin <= 0) words = fmt::format("WRONG: {} is asked", asked);
    if (a.margin) words += fmt::format(", margin {:.4g} over {}", *a.margin, spell(a.rival));
    table.push_back(
        {std::to_string(t), e.spelled[std::size_t(t)], "->", spell(a.prediction), words});
  }
  return text + (table.empty() ? "  nothing is asked at these positions\n" : aligned(table));
}

std::string notes(const Explanation& e) {
  std::string text;
  const auto shown = Index(e.trace.rows.size()), T = Index(e.tokens.size());
  if (shown < T) {
    const Index asked = std::count_if(e.answers.begin(), e.answers.end(),
                                      [](const auto& a) { return a.target != kIgnore; });
    text += fmt::format("shown: {} of {} positions, {} of the {} asked; --rows chooses others\n",
                        shown, T, asked, e.n_asked);
  }
  if (e.illegal >= 0)
    text += fmt::format("note: no instance of the task has {} at position {} after these tokens\n",
                        e.spelled[std::size_t(e.illegal)], e.illegal);
  if (e.slots.empty())
    text += "note: this model names no slots (constructions do): averages and answers only\n";
  return text;
}

}  // namespace

std::string explanation_text(const Explanation& e, const Task& task) {
  std::string text = notes(e);
  if (e.named(0)) text += "\nembedding\n" + slot_table(e, 0, e.changed(0));
  for (std::size_t i = 0; i < e.trace.layers.size(); ++i) text += layer_text(e, i);
  return text + answers_text(e, task);
}

}  // namespace separatrix

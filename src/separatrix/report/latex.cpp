#include "separatrix/report/latex.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include <fmt/format.h>

#include "separatrix/base/file.h"
#include "separatrix/report/table.h"
#include "separatrix/report/text.h"

namespace separatrix {
namespace {

constexpr std::size_t kMostColumns = 8;  // of numbers, on a page's width

/// A column of the accuracy table; ordered as it stands there.
struct LengthAndWidth {
  Index length, width;
  auto operator<=>(const LengthAndWidth&) const = default;
};
using Columns = std::vector<LengthAndWidth>;

/// A percentage to one digit, never rounded up to what was not reached.
std::string percent(double fraction) {
  std::string text = format_percent(fraction);
  return text.substr(0, text.find(' '));
}

std::string per_cent_of(double fraction) { return percent(fraction) + "\\,\\%"; }

std::string table(const std::string& columns, const std::string& head, const std::string& body,
                  const std::string& caption, const std::string& label) {
  return "\\begin{table}\n\\centering\n\\caption{" + caption + "}\n\\label{" + label +
         "}\n\\begin{tabular}{" + columns + "}\n\\toprule\n" + head + "\\midrule\n" + body +
         "\\bottomrule\n\\end{tabular}\n\\end{table}\n";
}

/// "99.6 (2/3)": of the seeds that ended.
std::string cell_text(const Cell* cell) {
  if (cell == nullptr) return "--";
  const Setting& best = cell->best();
  const Spread& accuracy = best.final("token_accuracy");
  if (accuracy.n == 0) return "--";
  return fmt::format("{} ({}/{})", percent(accuracy.mean), best.solved, best.ended());
}

/// Neighbouring columns of equal length; each table gets whole groups, as many as fit.
std::vector<Columns> split(const std::set<LengthAndWidth>& all) {
  std::map<Index, Columns> groups;
  for (const LengthAndWidth& column : all) groups[column.length].push_back(column);
  std::vector<Columns> tables;
  for (const auto& [length, group] : groups)
    for (std::size_t at = 0; at < group.size(); at += kMostColumns) {
      const Columns part(group.begin() + std::ptrdiff_t(at),
                         group.begin() + std::ptrdiff_t(std::min(at + kMostColumns, group.size())));
      if (tables.empty() || tables.back().size() + part.size() > kMostColumns)
        tables.emplace_back();
      tables.back().insert(tables.back().end(), part.begin(), part.end());
    }
  return tables;
}

/// Two lines: the lengths over the widths that belong to them.
std::string head(const Columns& columns) {
  std::string lengths, rules, widths = "Model";
  for (std::size_t begin = 0; begin < columns.size();) {
    std::size_t end = begin;
    while (end < columns.size() && columns[end].length == columns[begin].length) ++end;
    lengths +=
        fmt::format(" & \\multicolumn{{{}}}{{c}}{{length {}}}", end - begin, columns[begin].length);
    rules += fmt::format("\\cmidrule(lr){{{}-{}}}", begin + 2, end + 1);
    begin = end;
  }
  for (const LengthAndWidth& column : columns) widths += fmt::format(" & width {}", column.width);
  return lengths + " \\\\\n" + rules + "\n" + widths + " \\\\\n";
}

/// "1e-3, 3e-3", or how many between which two.
std::string listed(const std::set<double>& rates) {
  constexpr std::size_t kMost = 8;
  if (rates.size() > kMost)
    return fmt::format("{} from {} to {}", rates.size(), format_lr(*rates.begin()),
                       format_lr(*rates.rbegin()));
  std::string text;
  for (const double rate : rates) text += (text.empty() ? "" : ", ") + format_lr(rate);
  return text;
}

/// The learning rates and chance levels of the cells at these columns, as sentences.
std::string conditions(std::span<const Cell* const> cells) {
  std::set<double> rates;
  std::map<Index, double> chance;
  Index most_seeds = 0;
  for (const Cell* cell : cells) {
    for (const Setting& setting : cell->settings) {
      rates.insert(setting.lr);
      most_seeds = std::max(most_seeds, setting.seeds);
    }
    if (const auto& at = cell->best().lengths.front(); at.chance) chance[at.length] = *at.chance;
  }
  std::string text = "Best of the learning rates tried (" + listed(rates);
  text += fmt::format("), up to {} seed{} each; chance: ", most_seeds, most_seeds == 1 ? "" : "s");
  for (const auto& [length, value] : chance)
    text += (length == chance.begin()->first ? "" : ", ") + per_cent_of(value) +
            fmt::format(" at length {}", length);
  return text + (chance.empty() ? "unknown." : ".");
}

std::string accuracy_table(std::span<const Cell* const> of_task, const Columns& columns,
                           const std::string& label) {
  std::vector<std::string> models;
  std::map<std::pair<std::string, LengthAndWidth>, const Cell*> at;
  std::vector<const Cell*> shown;
  for (const Cell* cell : of_task) {
    const Setting& best = cell->best();
    const LengthAndWidth column{best.length, best.width};
    if (std::find(columns.begin(), columns.end(), column) == columns.end()) continue;
    if (std::find(models.begin(), models.end(), best.model_label) == models.end())
      models.push_back(best.model_label);
    at[{best.model_label, column}] = cell;
    shown.push_back(cell);
  }
  std::string body;
  for (const std::string& model : models) {
    body += escape_latex(model);
    for (const LengthAndWidth& column : columns) {
      const auto found = at.find({model, column});
      body += " & " + cell_text(found == at.end() ? nullptr : found->second);
    }
    body += " \\\\\n";
  }
  const std::string caption =
      "Token accuracy in per cent on fresh inputs of " +
      escape_latex(dashed(of_task.front()->best().task_label)) +
      ", mean over seeds, and (seeds that solved the task/seeds that ended). " + conditions(shown);
  return table("l" + std::string(columns.size(), 'r'), head(columns), body, caption, label);
}

/// Letters, digits and hyphens: what a label may be made of without a thought.
std::string label_of(std::string text) {
  for (char& c : text)
    if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9')) c = '-';
  return text;
}

/// The comment that names the experiment, and its tables.
std::string experiment_tables(const Store& store, const std::string& experiment,
                              const Catalogue& catalogue) {
  const std::vector<StoredTrial> trials = store.trials(experiment);
  const std::string label = "tab:" + label_of(experiment);
  std::string out = "\n% " + escape_latex(experiment) + "\n";
  if (const std::vector<Json> found = store.findings(experiment, "separation"); !found.empty()) {
    std::vector<SeparationRow> rows;
    for (const Json& row : member_at(found.back(), "rows"))
      rows.push_back(read_separation_row(row));
    std::string about = text_at(found.back(), "description");
    if (!trials.empty())
      about += ". Learned: " + criterion_text(trials.front().spec.train) + " answered right";
    out += "\n" + latex_separation(rows, about + ".", label);
  }
  if (!trials.empty()) out += "\n" + latex_accuracy(cells_of(trials, catalogue), label);
  return out;
}

}  // namespace

std::string escape_latex(std::string_view text) {
  static const std::map<char, std::string> kSpecials = {{'\\', "\\textbackslash{}"},
                                                        {'~', "\\textasciitilde{}"},
                                                        {'^', "\\textasciicircum{}"},
                                                        {'<', "\\textless{}"},
                                                        {'>', "\\textgreater{}"},
                                                        {'|', "\\textbar{}"},
                                                        {'"', "\\textquotedbl{}"},
                                                        {'&', "\\&"},
                                                        {'%', "\\%"},
                                                        {'$', "\\$"},
                                                        {'#', "\\#"},
                                                        {'_', "\\_"},
                                                        {'{', "\\{"},
                                                        {'}', "\\}"}};
  std::string out;
  for (const char c : text) {
    const auto special = kSpecials.find(c);
    if (special != kSpecials.end())
      out += special->second;
    else
      out += c >= 0 && c < ' ' ? ' ' : c;
  }
  return out;
}

std::string latex_separation(std::span<const SeparationRow> rows, const std::string& about,
                             const std::string& label) {
  if (rows.empty()) return {};
  std::string body;
  for (const SeparationRow& row : rows) {
    body += escape_latex(row.label) + " & " + escape_latex(impossible_text(row.impossible_below)) +
            " & " + escape_latex(certified_text(row.certified_at));
    if (row.learned_at.empty()) body += " & -- \\\\\n";
    for (std::size_t i = 0; i < row.learned_at.size(); ++i) {
      const LearnedAt& learned = row.learned_at[i];
      body += (i == 0 ? " & " : " & & & ") +
              escape_latex(learned.model + ": " + learned_text(learned)) + " \\\\\n";
    }
  }
  return table("llll", " & impossible below & certified at & learned at \\\\\n", body,
               escape_latex(about), label);
}

std::string latex_accuracy(std::span<const Cell> cells, const std::string& label) {
  std::vector<std::string> tasks;
  std::map<std::string, std::vector<const Cell*>> of_task;
  for (const Cell& cell : cells) {
    const std::string& task = cell.best().task_label;
    if (!of_task.contains(task)) tasks.push_back(task);
    of_task[task].push_back(&cell);
  }
  std::string out;
  int number = 0;
  for (const std::string& task : tasks) {
    std::set<LengthAndWidth> columns;
    for (const Cell* cell : of_task[task])
      columns.insert({cell->best().length, cell->best().width});
    for (const Columns& part : split(columns))
      out += (out.empty() ? "" : "\n") +
             accuracy_table(of_task[task], part, fmt::format("{}-{}", label, ++number));
  }
  return out;
}

std::string write_latex(const Store& store, std::span<const std::string> experiments,
                        const std::string& folder) {
  const Catalogue catalogue = Catalogue::builtin();
  std::string out = "% Tables by Separatrix; they need \\usepackage{booktabs}\n";
  for (const std::string& experiment : experiments)
    out += experiment_tables(store, experiment, catalogue);
  make_folder(folder);
  const std::string path = (std::filesystem::path(folder) / "tables.tex").string();
  write_file_atomic(path, out);
  return path;
}

}  // namespace separatrix

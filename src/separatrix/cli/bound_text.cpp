#include "separatrix/cli/bound_text.h"

#include <fmt/format.h>

#include "separatrix/bounds/ceiling.h"

namespace separatrix {
namespace {

/// The machines of the table, in its order: a recurrent state, or a method for one layer.
struct Column {
  const char* heading;
  const char* method;      ///< null: every bound on the recurrent state
  const char* arithmetic;  ///< the inequality's words contain this
};
constexpr Column kColumns[] = {
    {"recurrent state, bits", nullptr, ""},
    {"one layer, fixed point, two-way (a)", "one-layer-fixed-point", "two-way"},
    {"one layer, fixed point, one-way", "one-layer-fixed-point", "one-way"},
    {"one layer, streaming (b)", "one-layer-streaming", ""},
    {"one layer, margin (c)", "one-layer-margin", ""},
};

bool belongs(const Bound& bound, const Column& column) {
  if (column.method != nullptr)
    return bound.method == column.method && bound.inequality &&
           bound.inequality->arithmetic.find(column.arithmetic) != std::string::npos;
  return bound.resource == Resource::recurrent_state_bits && bound.scope.empty();
}

/// The largest bound of a column; null when there is none.
const Bound* largest(const std::vector<Bound>& bounds, const Column& column) {
  const Bound* best = nullptr;
  for (const Bound& bound : bounds)
    if (belongs(bound, column) && (best == nullptr || bound.count > best->count ||
                                   (bound.count == best->count && bound.exact && !best->exact)))
      best = &bound;
  return best;
}

std::string cell(const Bound* bound) {
  if (bound == nullptr) return "-";
  const std::string count = bound->formula.empty() ? spell_count(bound->count) : bound->formula;
  const std::string bits = fmt::format("{}{}", bound->bits(),
                                       bound->exact        ? ""
                                       : bound->inequality ? ""
                                                           : " (at least)");
  if (!bound->inequality) return fmt::format("log2({}) = {}", count, bits);
  return fmt::format("log2({}) = {}: H d_v >= {}", count, bits, bound->inequality->smallest_width);
}

}  // namespace

ModelVerdict judge(const ModelSize& size, const BoundRequest& request, const Bound& bound) {
  if (bound.resource == Resource::recurrent_state_bits) {
    if (!size.state_bits) return {};
    const bool small = *size.state_bits < bound.bits();
    std::string sentence =
        bound.scope.empty()
            ? fmt::format("it carries {} bits; the task needs {}: {}", *size.state_bits,
                          bound.bits(), small ? "it is wrong on some input" : "not excluded")
            : fmt::format("it carries {} bits, {} are needed: {}", *size.state_bits, bound.bits(),
                          small ? "too few" : "not excluded");
    if (const auto most = accuracy_ceiling(request.task_name, request.task_config, request.length,
                                           double(*size.state_bits));
        most && *most < 1 && !bound.scope.empty())
      sentence += fmt::format("; its mean accuracy is at most {:.4f}", *most);
    return {.applies = true, .excluded = small, .sentence = sentence};
  }
  if (!size.one_layer || !bound.inequality || !bound.inequality->satisfied) return {};
  const bool small = !*bound.inequality->satisfied;
  std::string sentence =
      small ? "it is too small: in that arithmetic it is wrong on some input" : "not excluded";
  if (bound.method == "one-layer-margin") {
    const auto margin = excluded_margin(*size.one_layer, request, bound);
    sentence = margin
                   ? fmt::format("on some input it is wrong, or right by less than {:.3g}", *margin)
                   : "no margin is excluded";
  }
  return {.applies = true, .excluded = small, .sentence = sentence};
}

std::string spell_count(const mpz_class& count) {
  // Printing all digits of a huge number costs seconds; its length and first digits do not matter
  // to a reader. 2^1000 still prints at once.
  const std::size_t digits = mpz_sizeinbase(count.get_mpz_t(), 10);
  if (digits > 1000)
    return fmt::format("a number of {} bits", mpz_sizeinbase(count.get_mpz_t(), 2));
  const std::string text = count.get_str();
  return text.size() <= 30 ? text
                           : fmt::format("{}... ({} digits)", text.substr(0, 12), text.size());
}

std::string show_bound(const Bound& bound, const std::string& checked) {
  const std::string count =
      spell_count(bound.count) + (bound.formula.empty() ? "" : " = " + bound.formula);
  std::vector<std::string> lines;
  if (bound.inequality) {
    const Inequality& i = *bound.inequality;
    lines.push_back(i.formula);
    lines.push_back(fmt::format("{}; {}: {}{}", i.arithmetic, i.partition, count,
                                bound.exact ? " (exact)" : ""));
  } else {
    lines.push_back(fmt::format(
        ">= {} {} ({}): {} {} after {} {}", bound.bits(), bound.bits() == 1 ? "bit" : "bits",
        bound.exact ? "exact" : "lower bound", count, bound.count == 1 ? "class" : "classes",
        bound.split, bound.split == 1 ? "token" : "tokens"));
  }
  if (!bound.scope.empty()) lines.push_back("about " + bound.scope);
  lines.push_back(bound.method + "; " + bound.theorem +
                  (checked.empty() ? "" : "; witness checked: " + checked));
  std::string text = fmt::format("{:<28} {}\n", to_string(bound.resource), lines.front());
  for (std::size_t i = 1; i < lines.size(); ++i) text += fmt::format("{:<32}{}\n", "", lines[i]);
  return text;
}

std::string show_cuts(const Bound& bound) {
  std::string text;
  for (const CutCount& cut : bound.cuts)
    text += fmt::format("{:<32}{:>8} {:<40} {}\n", "", cut.split, spell_count(cut.count),
                        cut.exact ? "exact" : "lower bound");
  return text;
}

std::string table_head() {
  std::string head = "| task |", rule = "|---|";
  for (const Column& column : kColumns) {
    head += fmt::format(" {} |", column.heading);
    rule += "---|";
  }
  return head + "\n" + rule + "\n";
}

std::string table_row(const std::string& task, const std::vector<Bound>& bounds) {
  std::string row = "| " + task + " |";
  for (const Column& column : kColumns) row += " " + cell(largest(bounds, column)) + " |";
  return row + "\n";
}

}  // namespace separatrix

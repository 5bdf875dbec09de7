#include <cmath>

#include <fmt/format.h>

#include "separatrix/cli/session.h"
#include "separatrix/codes/comparison.h"

namespace separatrix {
namespace {

struct CodesOptions {
  Index positions = 0;
  double leak = kUsualLeak, coherence = 0.5;
};

/// "m=3" or "base=10, digits=3, squares=1".
std::string show_parameters(const Json& parameters) {
  std::string text;
  for (const auto& [name, value] : parameters.items())
    text += fmt::format("{}{}={}", text.empty() ? "" : " ", name, value.dump());
  return text;
}

/// 4, 0.25, but 2^-11; x is a power of two.
std::string show_power(double x) {
  return x >= 0.125 && x < 1e4 ? fmt::format("{}", x) : fmt::format("2^{}", std::ilogb(x));
}

/// What a format does with the weights and scores of a code.
std::string show_format(const CodeNumbers& n) {
  if (!n.fits())
    return fmt::format(
        "N <= {}", n.largest < 10000 ? std::to_string(n.largest) : show_power(double(n.largest)));
  if (!n.exact) return "rounded";
  return n.exact_scores ? "scores" : "weights";
}

/// 3, or "3, 4, 4" where formats differ.
std::string show_width(const ComparedCode& code) {
  std::string text;
  bool equal = true;
  for (const CodeInFormat& row : code.formats) {
    text += fmt::format("{}{}", text.empty() ? "" : ", ", row.numbers.width);
    equal = equal && row.numbers.width == code.in_float32().numbers.width;
  }
  return equal ? std::to_string(code.in_float32().numbers.width) : text;
}

std::string show_coherence(const CodeNumbers& n) {
  if (!n.coherence) return "-";
  return 1 - *n.coherence > 1e-3 ? fmt::format("{:.3g}", *n.coherence)
                                 : fmt::format("1-{:.1g}", n.gap / n.peak);
}

std::string show_range(double x) {
  return x < 1e5 ? fmt::format("{:.4g}", x) : fmt::format("{:.1e}", x);
}

std::string show_row(const ComparedCode& code, bool best) {
  const CodeInFormat& row = code.in_float32();
  const CodeNumbers& n = row.numbers;
  std::string text = fmt::format(
      "{} {:<12} {:>10}  {:<28} {:>9} {:>11} {:>9} {:>11}", best ? '*' : ' ', code.name,
      show_width(code), show_parameters(n.parameters), show_coherence(n),
      show_power(row.temperature), fmt::format("{:.3g}", row.leak), show_range(row.score_range));
  for (const CodeInFormat& format : code.formats)
    text += fmt::format("  {:<9}", show_format(format.numbers));
  text.resize(text.find_last_not_of(' ') + 1);
  return text + "\n";
}

std::string show(const CodeComparison& comparison, const CodesOptions& o) {
  std::string text =
      fmt::format("{} position{}; leak at most {:.4g} at the least power of two as temperature\n\n",
                  o.positions, o.positions == 1 ? "" : "s", o.leak);
  text += fmt::format("  {:<12} {:>10}  {:<28} {:>9} {:>11} {:>9} {:>11}  {:<9}  {:<9}  {}\n",
                      "code", "width", "parameters", "coherence", "temperature", "leak",
                      "score range", "float32", "bfloat16", "float16");
  for (const ComparedCode& code : comparison.codes)
    text += show_row(code, code.name == comparison.choices.front().code);
  text +=
      "\nscores: weights and scores are exact even where the format keeps the scores, too\n"
      "weights: weights are exact, and so are scores kept in float32\n"
      "rounded: weights are rounded, the leak allows for it\n"
      "several widths: in float32, bfloat16 and float16; other columns are those of float32\n";
  for (const ComparedCode& code : comparison.codes)
    for (const CodeInFormat& row : code.formats)
      if (!row.numbers.fits()) {
        text += fmt::format("{}, N <= M: {}\n", code.name, row.numbers.caveat);
        break;
      }
  text += "\n";
  for (const CodeChoice& c : comparison.choices)
    text += fmt::format("{}: {}, {}\n", c.purpose, c.code, c.reason);
  return text;
}

}  // namespace

/// `separatrix codes --positions N`
void add_codes(Command command, Session& session) {
  auto o = std::make_shared<CodesOptions>();
  command.required_option("positions", o->positions, "how many positions are to be told apart");
  command.option("leak", o->leak, "weight of all other positions, of that of the right one");
  command.option("coherence", o->coherence, "for codes made for one: largest inner product, of 1");
  command.run([o, &session] {
    const CodeComparison comparison =
        compare_codes(session.catalogue.codes, o->positions, o->leak, o->coherence);
    Json json = to_json(comparison);
    json["positions"] = o->positions;
    json["leak"] = o->leak;
    session.print(json, show(comparison, *o));
  });
}

}  // namespace separatrix

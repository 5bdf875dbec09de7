#include "separatrix/codes/comparison.h"

#include <algorithm>
#include <functional>

namespace separatrix {
namespace {

CodeInFormat at_leak(const AddressCode& code, CodeNumbers numbers, double leak) {
  CodeInFormat row;
  row.least_temperature = code.temperature(numbers, leak);
  row.temperature = code.power_of_two_temperature(numbers, leak);
  row.leak = code.leak(numbers, row.temperature);
  row.score_range = numbers.score_range(row.temperature);
  row.numbers = std::move(numbers);
  return row;
}

Json coherence_config(const Json& described, double coherence) {
  for (const Json& parameter : described)
    if (parameter.at("name") == "coherence") return {{"coherence", coherence}};
  return Json::object();
}

bool in_every_format(const ComparedCode& code, bool with_scores) {
  return std::all_of(code.formats.begin(), code.formats.end(), [&](const CodeInFormat& row) {
    const CodeNumbers& n = row.numbers;
    return n.fits() && n.exact && (!with_scores || n.exact_scores);
  });
}

/// Width in the format that needs most.
Index widest(const ComparedCode& code) {
  Index width = 0;
  for (const CodeInFormat& row : code.formats) width = std::max(width, row.numbers.width);
  return width;
}

using Wanted = std::function<bool(const ComparedCode&)>;

/// The narrowest code that is wanted; of equals, the first registered. `rule` says what was wanted;
/// what else its user should know is added.
void choose(CodeComparison& comparison, const std::string& purpose, const Wanted& wanted,
            const std::string& rule) {
  const ComparedCode* best = nullptr;
  for (const ComparedCode& code : comparison.codes)
    if (wanted(code) && (best == nullptr || widest(code) < widest(*best))) best = &code;
  if (best == nullptr) return;
  std::string reason = rule;
  if (!best->in_float32().numbers.one_length) reason += "; its keys differ in length";
  if (!in_every_format(*best, true)) reason += "; its scores need float32";
  comparison.choices.push_back({purpose, best->name, reason});
}

}  // namespace

CodeComparison compare_codes(const Registry<AddressCode>& codes, Index positions, double leak,
                             double coherence) {
  CodeComparison comparison;
  for (const auto& entry : codes.entries()) {
    const auto code = entry.make(coherence_config(entry.parameters, coherence), entry.name);
    ComparedCode compared{.name = entry.name, .summary = entry.summary, .formats = {}};
    for (std::size_t i = 0; i < kWeightFormats.size(); ++i)
      compared.formats[i] = at_leak(*code, code->numbers(positions, kWeightFormats[i]), leak);
    comparison.codes.push_back(std::move(compared));
  }
  choose(
      comparison, "best",
      [](const ComparedCode& code) {
        return code.in_float32().numbers.one_length && in_every_format(code, true);
      },
      "the narrowest with keys of one length whose weights and scores every format holds exactly");
  choose(
      comparison, "narrowest",
      [](const ComparedCode& code) { return in_every_format(code, false); },
      "the least width with exact weights in every format");
  choose(
      comparison, "for sums of addresses",
      [&](const ComparedCode& code) {
        const auto& two_sided = code.in_float32().numbers.two_sided;
        return two_sided && *two_sided <= coherence && in_every_format(code, false);
      },
      "the narrowest whose inner products are small on both sides");
  return comparison;
}

Json to_json(const CodeComparison& comparison) {
  Json codes = Json::array(), choices = Json::array();
  const auto number = [](const std::optional<double>& x) { return x ? Json(*x) : Json(); };
  for (const ComparedCode& code : comparison.codes) {
    Json formats = Json::object();
    for (const CodeInFormat& row : code.formats) {
      const CodeNumbers& n = row.numbers;
      formats[to_string(n.format)] = {{"fits", n.fits()},
                                      {"largest_positions", n.largest},
                                      {"weights_exact", n.fits() && n.exact},
                                      {"scores_exact", n.fits() && n.exact_scores},
                                      {"width", n.width},
                                      {"parameters", n.parameters},
                                      {"coherence", number(n.coherence)},
                                      {"two_sided_coherence", number(n.two_sided)},
                                      {"gap", n.gap},
                                      {"peak", n.peak},
                                      {"lowest", n.lowest},
                                      {"least_temperature", row.least_temperature},
                                      {"temperature", row.temperature},
                                      {"leak", row.leak},
                                      {"leak_attained", n.leak_attained},
                                      {"score_range", row.score_range},
                                      {"caveat", n.caveat}};
    }
    codes.push_back({{"code", code.name}, {"summary", code.summary}, {"formats", formats}});
  }
  for (const CodeChoice& c : comparison.choices)
    choices.push_back({{"purpose", c.purpose}, {"code", c.code}, {"reason", c.reason}});
  return {{"codes", codes}, {"choices", choices}};
}

}  // namespace separatrix

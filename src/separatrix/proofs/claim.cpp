#include <array>

#include "separatrix/proofs/certificate.h"

namespace separatrix {
namespace {

constexpr std::array kCodes = {"signs", "bits", "one-hot", "number"};
constexpr std::array kVerdicts = {"proved", "refuted", "undecided"};

/// Which of the names the text is; the enums are in the order of their names.
template <class Enum, std::size_t n>
Enum read_enum(const std::array<const char*, n>& names, const std::string& text,
               const std::string& where) {
  for (std::size_t i = 0; i < n; ++i)
    if (names[i] == text) return Enum(i);
  throw Error(ErrorKind::spec, "unknown value '" + text + "'", where,
              did_you_mean(text, {names.begin(), names.end()}));
}

const Json& field(const Json& json, const char* name, const std::string& where) {
  if (!json.is_object()) throw Error(ErrorKind::spec, "expected a map of fields", where);
  const auto it = json.find(name);
  if (it == json.end()) throw Error(ErrorKind::spec, "this field is missing", where + "/" + name);
  return *it;
}
template <class T>
T read(const Json& json, const char* name, const std::string& where) {
  T value{};
  detail::read_value(field(json, name, where), value, where + "/" + name);
  return value;
}

}  // namespace

Json to_json(const Claim& claim) {
  return {{"task", claim.task},       {"task_config", claim.task_config},
          {"length", claim.length},   {"margin", claim.margin},
          {"theorem", claim.theorem}, {"arithmetic", to_string(claim.arithmetic)}};
}

Claim read_claim(const Json& json, const std::string& where) {
  Claim claim;
  claim.task = read<std::string>(json, "task", where);
  claim.task_config = field(json, "task_config", where);
  claim.length = read<Index>(json, "length", where);
  claim.margin = read<double>(json, "margin", where);
  claim.arithmetic =
      read_arithmetic(read<std::string>(json, "arithmetic", where), where + "/arithmetic");
  claim.theorem = read<std::string>(json, "theorem", where);
  return claim;
}

Json to_json(const Slot& slot) {
  return {{"name", slot.name},
          {"begin", slot.begin},
          {"width", slot.width},
          {"code", kCodes[std::size_t(slot.code)]}};
}

Slot read_slot(const Json& json, const std::string& where) {
  return {.name = read<std::string>(json, "name", where),
          .begin = read<Index>(json, "begin", where),
          .width = read<Index>(json, "width", where),
          .code = read_enum<Slot::Code>(kCodes, read<std::string>(json, "code", where),
                                        where + "/code")};
}

Json to_json(const Certificate& c) {
  Json json = {{"claim", to_json(c.claim)},
               {"verdict", kVerdicts[std::size_t(c.verdict)]},
               {"method", c.method},
               {"arithmetic", to_string(c.claim.arithmetic)},
               {"weights_sha256", c.weights_sha256},
               {"margin", c.margin},
               {"inputs", c.inputs},
               {"reason", c.reason},
               {"trusted_base", c.trusted_base},
               {"evidence", c.evidence},
               {"counterexample", nullptr}};
  if (c.verdict == Verdict::refuted) json["counterexample"] = c.counterexample;
  return json;
}

Certificate read_certificate(const Json& json, const std::string& where) {
  Certificate c;
  c.claim = read_claim(field(json, "claim", where), where + "/claim");
  c.verdict =
      read_enum<Verdict>(kVerdicts, read<std::string>(json, "verdict", where), where + "/verdict");
  c.method = read<std::string>(json, "method", where);
  c.weights_sha256 = read<std::string>(json, "weights_sha256", where);
  c.margin = read<double>(json, "margin", where);
  c.inputs = read<std::string>(json, "inputs", where);
  c.reason = read<std::string>(json, "reason", where);
  c.trusted_base = read<std::string>(json, "trusted_base", where);
  c.evidence = field(json, "evidence", where);
  const Json& counterexample = field(json, "counterexample", where);
  if (!counterexample.is_null())
    detail::read_value(counterexample, c.counterexample, where + "/counterexample");
  return c;
}

}  // namespace separatrix

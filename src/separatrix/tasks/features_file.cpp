#include <algorithm>

#include "separatrix/base/yaml.h"
#include "separatrix/tasks/checks.h"
#include "separatrix/tasks/features.h"

namespace separatrix {
namespace {

constexpr Index kMaxArity = SparseFeatures::kMaxArity;

struct FileFields {
  Json features, function;
};
template <class V>
void visit(V& v, FileFields& f) {
  v("features", f.features, "list of features");
  v("function", f.function, "of the number that hold");
}

struct FeatureFields {
  Json positions, computes, table;
};
template <class V>
void visit(V& v, FeatureFields& f) {
  v("positions", f.positions, "bits that it reads");
  v("computes", f.computes, "and, or, xor or majority");
  v("table", f.table, "its 2^k values");
}

struct FunctionFields {
  Json at_least, exactly, values;
};
template <class V>
void visit(V& v, FunctionFields& f) {
  v("at-least", f.at_least, "threshold");
  v("exactly", f.exactly, "number");
  v("values", f.values, "for each number");
}

const Json& present(const Json& value, const std::string& where) {
  if (value.is_null())
    throw Error(ErrorKind::spec, "this field is missing", where, "docs/tasks.md shows a file");
  return value;
}

Index read_number(const Json& json, Index low, Index high, const std::string& where) {
  Index number = 0;
  detail::read_value(json, number, where);
  require_range(where, number, low, high);
  return number;
}

std::string read_text(const Json& json, const std::string& where) {
  std::string text;
  detail::read_value(json, text, where);
  return text;
}

const Json& list(const Json& json, const std::string& where) {
  if (!present(json, where).is_array() || json.empty())
    throw Error(ErrorKind::spec, "expected a list of values, got " + detail::shown(json), where,
                "write for example [0, 1]");
  return json;
}

std::vector<Index> read_numbers(const Json& json, Index low, Index high, const std::string& where) {
  std::vector<Index> out;
  for (const Json& item : list(json, where))
    out.push_back(read_number(item, low, high, where + "/" + std::to_string(out.size())));
  return out;
}

/// A list of `size` bits.
std::vector<bool> read_bits(const Json& json, std::size_t size, const std::string& where) {
  const std::vector<Index> numbers = read_numbers(json, 0, 1, where);
  if (numbers.size() != size)
    throw Error(
        ErrorKind::spec,
        "the list has " + std::to_string(numbers.size()) + " values, not " + std::to_string(size),
        where, "give one for each case, from the lowest on");
  return {numbers.begin(), numbers.end()};
}

std::vector<bool> named_table(const std::string& name, Index arity, const std::string& where) {
  const Index rule = require_choice(where, name, {"and", "or", "xor", "majority"});
  std::vector<bool> table;
  for (Index row = 0; row < Index{1} << arity; ++row) {
    Index ones = 0;
    for (Index j = 0; j < arity; ++j) ones += row >> j & 1;
    const bool value[] = {ones == arity, ones > 0, ones % 2 == 1, 2 * ones > arity};
    table.push_back(value[rule]);
  }
  return table;
}

SparseFeatures::Feature read_feature(const Json& json, const std::string& where) {
  const auto fields = read_config<FeatureFields>(json, where);
  SparseFeatures::Feature out;
  // One position fewer than an instance has tokens: EOS stands after all bits.
  out.positions = read_numbers(fields.positions, 0, kMaxTokens - 2, where + "/positions");
  const Index arity = Index(out.positions.size());
  if (arity > kMaxArity)
    throw Error(ErrorKind::spec, "a feature of more than " + std::to_string(kMaxArity) + " bits",
                where + "/positions", "split it");
  std::vector<Index> sorted = out.positions;
  std::sort(sorted.begin(), sorted.end());
  if (const auto twice = std::adjacent_find(sorted.begin(), sorted.end()); twice != sorted.end())
    throw Error(ErrorKind::spec, "position " + std::to_string(*twice) + " is listed twice",
                where + "/positions", "name it once");
  if (fields.computes.is_null() == fields.table.is_null())
    throw Error(ErrorKind::spec, "a feature needs either computes or table", where,
                "write for example {positions: [0, 1], computes: and}");
  if (!fields.table.is_null())
    out.table = read_bits(fields.table, std::size_t{1} << arity, where + "/table");
  else
    out.table =
        named_table(read_text(fields.computes, where + "/computes"), arity, where + "/computes");
  return out;
}

/// values[m] for m = 0 .. M, where g(m) does.
template <class F>
std::vector<bool> tabulate(Index M, F g) {
  std::vector<bool> values;
  for (Index m = 0; m <= M; ++m) values.push_back(g(m));
  return values;
}

void read_named_function(const std::string& name, const std::string& where, SparseFeatures& out) {
  const Index M = out.size();
  switch (require_choice(where, name, {"or", "and", "majority", "parity"})) {
    case 0:
      out.condition = "at least 1";
      out.values = tabulate(M, [](Index m) { return m > 0; });
      return;
    case 1:
      out.condition = "all";
      out.values = tabulate(M, [M](Index m) { return m == M; });
      return;
    case 2:
      out.condition = "more than half";
      out.values = tabulate(M, [M](Index m) { return 2 * m > M; });
      return;
    default:
      out.condition = "an odd number";
      out.values = tabulate(M, [](Index m) { return m % 2 == 1; });
  }
}

void read_function(const Json& json, const std::string& where, SparseFeatures& out) {
  const Index M = out.size();
  if (!present(json, where).is_object())
    return read_named_function(read_text(json, where), where, out);
  const auto fields = read_config<FunctionFields>(json, where);
  if (json.size() != 1)
    throw Error(ErrorKind::spec, "a function needs one of at-least, exactly and values", where,
                "write for example {at-least: 2}");
  if (!fields.at_least.is_null()) {
    const Index t = read_number(fields.at_least, 0, M, where + "/at-least");
    out.condition = "at least " + std::to_string(t);
    out.values = tabulate(M, [t](Index m) { return m >= t; });
  } else if (!fields.exactly.is_null()) {
    const Index t = read_number(fields.exactly, 0, M, where + "/exactly");
    out.condition = "exactly " + std::to_string(t);
    out.values = tabulate(M, [t](Index m) { return m == t; });
  } else {
    out.condition = "one of the listed numbers";
    out.values = read_bits(fields.values, std::size_t(M + 1), where + "/values");
  }
}

SparseFeatures read(const Json& json, const std::string& where) {
  const auto fields = read_config<FileFields>(json, where);
  SparseFeatures out;
  const std::string at = where + "/features";
  if (Index(list(fields.features, at).size()) > SparseFeatures::kMaxFeatures)
    throw Error(ErrorKind::spec, "more than 2^20 features", at, "use fewer");
  for (const Json& feature : fields.features)
    out.features.push_back(read_feature(feature, at + "/" + std::to_string(out.features.size())));
  read_function(fields.function, where + "/function", out);
  return out;
}

}  // namespace

Index SparseFeatures::n_positions() const {
  Index last = -1;
  for (const Feature& feature : features)
    for (const Index p : feature.positions) last = std::max(last, p);
  return last + 1;
}

Index SparseFeatures::count(std::span<const Token> bits) const {
  return std::count_if(features.begin(), features.end(),
                       [&](const Feature& feature) { return feature.holds(bits); });
}

SparseFeatures parse_features(const std::string& yaml, const std::string& where) {
  return with_lines(parse_yaml(yaml, where), read);
}

SparseFeatures adjacent_ones(Index length) {
  SparseFeatures out;
  const std::vector<bool> both = named_table("and", 2, "");
  for (Index i = 0; i + 1 < length; ++i) out.features.push_back({{i, i + 1}, both});
  read_named_function("or", "", out);
  return out;
}

}  // namespace separatrix

#include "separatrix/tasks/dfa_file.h"

#include <algorithm>

#include <yaml-cpp/yaml.h>

#include "separatrix/base/error.h"
#include "separatrix/base/file.h"
#include "separatrix/base/names.h"

namespace separatrix {
namespace {

constexpr Index kMaxEntries = Index{1} << 24;

/// Walks one document and knows its name for messages.
class Reader {
 public:
  explicit Reader(std::string where) : where_(std::move(where)) {}

  [[noreturn]] void fail(const YAML::Node& node, const std::string& what,
                         const std::string& hint) const {
    throw Error(ErrorKind::spec, what, at(node.Mark()), hint);
  }
  std::string at(const YAML::Mark& mark) const {
    return mark.is_null() ? where_ : where_ + ":" + std::to_string(mark.line + 1);
  }
  std::string text(const YAML::Node& node, const std::string& what) const {
    if (!node.IsScalar() || node.Scalar().empty()) fail(node, "expected " + what, "write one name");
    return node.Scalar();
  }
  /// A list of different names.
  std::vector<std::string> names(const YAML::Node& node, const std::string& what) const {
    if (!node.IsSequence() || node.size() == 0)
      fail(node, "expected a list of " + what + "s", "write for example [a, b]");
    std::vector<std::string> out;
    for (const YAML::Node& item : node) {
      out.push_back(text(item, "the name of a " + what));
      if (std::count(out.begin(), out.end(), out.back()) > 1)
        fail(item, quoted(what, out.back(), " is listed twice"), "name it once");
    }
    return out;
  }
  std::size_t index_of(const YAML::Node& node, const std::vector<std::string>& known,
                       const std::string& what) const {
    const std::string name = text(node, "the name of a " + what);
    const auto it = std::find(known.begin(), known.end(), name);
    if (it == known.end())
      fail(node, quoted("unknown " + what, name, ""), did_you_mean(name, known));
    return std::size_t(it - known.begin());
  }
  /// The values of a map whose keys are exactly `keys`, in that order.
  std::vector<YAML::Node> values(const YAML::Node& node, const std::vector<std::string>& keys,
                                 const std::string& what, const std::string& of) const {
    if (!node.IsMap())
      fail(node, "expected a map from " + what + "s" + of,
           "write for example {" + keys[0] + ": ..}");
    std::vector<YAML::Node> out(keys.size());
    std::vector<bool> seen(keys.size(), false);
    for (const auto& entry : node) {
      const std::size_t k = index_of(entry.first, keys, what);
      if (seen[k]) fail(entry.first, quoted(what, keys[k], " stands twice" + of), "keep one");
      seen[k] = true;
      out[k].reset(entry.second);
    }
    for (std::size_t k = 0; k < keys.size(); ++k)
      if (!seen[k]) fail(node, quoted(what, keys[k], " is missing" + of), "add it");
    return out;
  }

 private:
  static std::string quoted(const std::string& what, const std::string& name,
                            const std::string& rest) {
    return what + " '" + name + "'" + rest;
  }

  std::string where_;
};

NamedDfa read(const YAML::Node& document, const Reader& reader) {
  const std::vector<YAML::Node> fields =
      reader.values(document, {"states", "alphabet", "start", "transitions", "outputs"}, "key", "");
  NamedDfa named;
  named.states = reader.names(fields[0], "state");
  named.symbols = reader.names(fields[1], "symbol");
  // Dfa starts in state 0.
  const auto start = std::ptrdiff_t(reader.index_of(fields[2], named.states, "state"));
  std::rotate(named.states.begin(), named.states.begin() + start, named.states.begin() + start + 1);

  Dfa& dfa = named.dfa;
  dfa.n_states = Index(named.states.size());
  dfa.alphabet = Index(named.symbols.size());
  if (dfa.n_states > kMaxEntries / dfa.alphabet)
    reader.fail(document, "more than 2^24 transitions", "use a smaller automaton");
  for (const YAML::Node& row :
       reader.values(fields[3], named.states, "state", " in the transitions")) {
    const std::string& state = named.states[dfa.next.size() / named.symbols.size()];
    for (const YAML::Node& next :
         reader.values(row, named.symbols, "symbol", " in the transitions of '" + state + "'"))
      dfa.next.push_back(Index(reader.index_of(next, named.states, "state")));
  }
  for (const YAML::Node& output :
       reader.values(fields[4], named.states, "state", " in the outputs")) {
    const std::string name = reader.text(output, "the name of an output");
    auto it = std::find(named.classes.begin(), named.classes.end(), name);
    if (it == named.classes.end()) it = named.classes.insert(it, name);
    dfa.output.push_back(std::int32_t(it - named.classes.begin()));
  }
  return named;
}

}  // namespace

NamedDfa parse_dfa(const std::string& yaml, const std::string& where) {
  const Reader reader(where);
  try {
    return read(YAML::Load(yaml), reader);
  } catch (const YAML::Exception& e) {
    throw Error(ErrorKind::spec, "not valid YAML: " + e.msg, reader.at(e.mark),
                "see docs/tasks.md for an example");
  }
}

NamedDfa load_dfa(const std::string& path) { return parse_dfa(read_file(path), path); }

}  // namespace separatrix

#include "separatrix/tasks/dfa_file.h"

#include <algorithm>
#include <unordered_map>

#include <yaml-cpp/yaml.h>

#include "separatrix/base/error.h"
#include "separatrix/base/names.h"
#include "separatrix/base/yaml.h"

namespace separatrix {
namespace {

constexpr Index kMaxEntries = Index{1} << 24;

/// Different names in their order, and the number of each.
class Names {
 public:
  /// False: it is there already.
  bool add(const std::string& name) {
    if (!numbers_.emplace(name, list_.size()).second) return false;
    list_.push_back(name);
    return true;
  }
  /// nullptr when unknown.
  const std::size_t* find(const std::string& name) const {
    const auto it = numbers_.find(name);
    return it == numbers_.end() ? nullptr : &it->second;
  }
  const std::vector<std::string>& list() const { return list_; }

 private:
  std::vector<std::string> list_;
  std::unordered_map<std::string, std::size_t> numbers_;
};

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
  Names names(const YAML::Node& node, const std::string& what) const {
    if (!node.IsSequence() || node.size() == 0)
      fail(node, "expected a list of " + what + "s", "write for example [a, b]");
    Names out;
    for (const YAML::Node& item : node)
      if (const std::string name = text(item, "the name of a " + what); !out.add(name))
        fail(item, quoted(what, name, " is listed twice"), "name it once");
    return out;
  }
  std::size_t index_of(const YAML::Node& node, const Names& known, const std::string& what) const {
    const std::string name = text(node, "the name of a " + what);
    const std::size_t* const number = known.find(name);
    if (number == nullptr)
      fail(node, quoted("unknown " + what, name, ""), did_you_mean(name, known.list()));
    return *number;
  }
  /// The values of a map whose keys are exactly `keys`, in that order.
  std::vector<YAML::Node> values(const YAML::Node& node, const Names& known,
                                 const std::string& what, const std::string& of) const {
    const std::vector<std::string>& keys = known.list();
    if (!node.IsMap())
      fail(node, "expected a map from " + what + "s" + of,
           "write for example {" + keys[0] + ": ..}");
    std::vector<YAML::Node> out(keys.size());
    std::vector<bool> seen(keys.size(), false);
    for (const auto& entry : node) {
      const std::size_t k = index_of(entry.first, known, what);
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
  Names keys;
  for (const char* key : {"states", "alphabet", "start", "transitions", "outputs"}) keys.add(key);
  const std::vector<YAML::Node> fields = reader.values(document, keys, "key", "");
  const Names listed = reader.names(fields[0], "state");
  const Names symbols = reader.names(fields[1], "symbol");
  // Dfa starts in state 0.
  const std::string& start = listed.list()[reader.index_of(fields[2], listed, "state")];
  Names states;
  states.add(start);
  for (const std::string& state : listed.list()) states.add(state);

  NamedDfa named{{}, states.list(), symbols.list(), {}};
  Dfa& dfa = named.dfa;
  dfa.n_states = Index(named.states.size());
  dfa.alphabet = Index(named.symbols.size());
  if (dfa.n_states > kMaxEntries / dfa.alphabet)
    reader.fail(document, "more than 2^24 transitions", "use a smaller automaton");
  for (const YAML::Node& row : reader.values(fields[3], states, "state", " in the transitions")) {
    const std::string& state = named.states[dfa.next.size() / named.symbols.size()];
    for (const YAML::Node& next :
         reader.values(row, symbols, "symbol", " in the transitions of '" + state + "'"))
      dfa.next.push_back(Index(reader.index_of(next, states, "state")));
  }
  Names classes;
  for (const YAML::Node& output : reader.values(fields[4], states, "state", " in the outputs")) {
    const std::string name = reader.text(output, "the name of an output");
    classes.add(name);
    dfa.output.push_back(std::int32_t(*classes.find(name)));
  }
  named.classes = classes.list();
  return named;
}

}  // namespace

NamedDfa parse_dfa(const std::string& yaml, const std::string& where) {
  const Reader reader(where);
  parse_yaml(yaml, where);  // refuses what the node tree below would die of, or keep silent about
  try {
    return read(YAML::Load(yaml), reader);
  } catch (const YAML::Exception& e) {
    throw Error(ErrorKind::spec, "not valid YAML: " + e.msg, reader.at(e.mark),
                "see docs/tasks.md for an example");
  }
}

}  // namespace separatrix

#include <algorithm>
#include <cassert>

#include "separatrix/base/file.h"
#include "separatrix/base/hash.h"
#include "separatrix/tasks/task.h"
#include "separatrix/tasks/truth_table.h"

namespace separatrix {
namespace {

struct TableConfig {
  std::string table;
};
template <class V>
void visit(V& v, TableConfig& c) {
  v("table", c.table, "JSON Lines file of inputs and answers, or its text; empty = majority of 3");
}

/// What an empty `table` stands for.
constexpr const char* kMajority = R"({"tokens":[0,0,0],"answer":0}
{"tokens":[0,0,1],"answer":0}
{"tokens":[0,1,0],"answer":0}
{"tokens":[0,1,1],"answer":1}
{"tokens":[1,0,0],"answer":0}
{"tokens":[1,0,1],"answer":1}
{"tokens":[1,1,0],"answer":1}
{"tokens":[1,1,1],"answer":1}
)";

/// Inputs and their targets as a file lists them: all of a length, or a promise (only those).
/// N is the number of tokens.   [nerode1958]
class Table final : public Task {
 public:
  using Config = TableConfig;
  explicit Table(const Config& config) {
    if (config.table.empty()) {
      table_ = parse_table(kMajority, "table/table");
    } else if (config.table.front() == '{') {
      table_ = parse_table(config.table, "table/table");
    } else {
      const std::string text = read_file(config.table);
      table_ = parse_table(text, config.table);
      fingerprint_ = sha256(text);
    }
  }

  void check_length(Index length) const override {
    if (table_.of_length(length) != nullptr) return;
    constexpr std::size_t kShown = 8;
    const std::vector<Index> lengths = table_.lengths();
    std::string hint = "choose " + std::to_string(lengths.front());
    for (std::size_t i = 1; i < std::min(kShown, lengths.size()); ++i)
      hint += (i + 1 == lengths.size() ? " or " : ", ") + std::to_string(lengths[i]);
    if (lengths.size() > kShown) hint += ", .. or " + std::to_string(lengths.back());
    const std::string task = "table";
    throw Error(ErrorKind::spec, task + " has no instances of length " + std::to_string(length),
                "length", hint);
  }
  TaskInfo info(Index length) const override {
    return {.vocab_size = table_.vocab_size(),
            .n_classes = table_.n_classes(),
            .n_tokens = length,
            .reference = "nerode1958"};
  }
  /// Sequences without an entry ask nothing.
  void label(std::span<const Token> tokens, std::span<Token> targets) const override {
    const TableOfLength& table = of(Index(tokens.size()));
    if (const std::optional<Index> entry = table.find(tokens))
      table.targets(*entry, targets);
    else
      std::fill(targets.begin(), targets.end(), kIgnore);
  }
  /// Uniform over the entries.
  void sample(Rng& rng, std::span<Token> tokens) const override {
    const TableOfLength& table = of(Index(tokens.size()));
    table.tokens(rng.below(table.n_entries()), tokens);
  }
  std::vector<Token> legal_next(std::span<const Token> prefix, Index length) const override {
    return of(length).legal_next(prefix);
  }
  std::string spell(Token token, Index /*length*/) const override { return std::to_string(token); }
  std::string spell_class(Token target, Index /*length*/) const override {
    return std::to_string(target);
  }
  double chance(Index length) const override { return of(length).chance(); }
  std::string describe(Index length) const override {
    const TableOfLength& table = of(length);
    return std::to_string(length) + (length == 1 ? " token" : " tokens") +
           (table.complete() ? ", all " : ", one of the ") + std::to_string(table.n_entries()) +
           (table.complete() ? " inputs" : " inputs that a table promises") +
           "; answer what the table says";
  }
  std::string fingerprint() const override { return fingerprint_; }

 private:
  const TableOfLength& of(Index length) const {
    const TableOfLength* const table = table_.of_length(length);
    assert(table != nullptr);
    return *table;
  }

  TruthTable table_;
  std::string fingerprint_;
};

}  // namespace

void register_table(Registry<Task>& tasks) {
  tasks.add<Table>("table", "the answers of a truth table read from a file");
}

}  // namespace separatrix

#include <algorithm>
#include <cassert>
#include <numeric>

#include "separatrix/base/file.h"
#include "separatrix/base/hash.h"
#include "separatrix/tasks/checks.h"
#include "separatrix/tasks/dfa_file.h"
#include "separatrix/tasks/task.h"

namespace separatrix {
namespace {

struct RegularConfig {
  std::string dfa;
  std::string positions = "all";
};
template <class V>
void visit(V& v, RegularConfig& c) {
  v("dfa", c.dfa, "YAML file of the automaton, or its text in {}; empty = parity of bits");
  v("positions", c.positions, "where the output is asked: all (each symbol) or last");
}

/// What an empty `dfa` stands for.
constexpr const char* kParity = R"(
states: [even, odd]
alphabet: [0, 1]
start: even
transitions:
  even: {0: even, 1: odd}
  odd: {0: odd, 1: even}
outputs: {even: even, odd: odd}
)";

bool is_file(const std::string& dfa) { return !dfa.empty() && dfa.front() != '{'; }

/// State: the automaton's, and nothing else.
class Run final : public StreamingReference {
 public:
  Run(const Dfa& dfa, Index last, bool all) : dfa_(dfa), last_(last), all_(all) {}
  State start() const override { return {0}; }
  State step(const State& state, Token token, Index /*t*/) const override {
    return {std::int32_t(dfa_.step(state[0], token))};
  }
  Token output(const State& state, Index t) const override {
    return all_ || t == last_ ? dfa_.output[std::size_t(state[0])] : kIgnore;
  }

 private:
  Dfa dfa_;
  Index last_;
  bool all_;
};

/// Tokens: the automaton's symbols. The target at each symbol (positions = last: at the last one)
/// is the output of the state reached.   [liu2023]
class Regular final : public Task {
 public:
  using Config = RegularConfig;
  explicit Regular(const Config& config)
      : all_(require_choice("regular/positions", config.positions, {"last", "all"}) == 1) {
    const bool file = is_file(config.dfa);
    const std::string text = config.dfa.empty() ? kParity
                             : file             ? read_file(config.dfa)
                                                : config.dfa;
    named_ = parse_dfa(text, file ? config.dfa : "regular/dfa");
    if (file) fingerprint_ = sha256(text);
  }

  void check_length(Index length) const override { require_length("regular", length, {}); }
  TaskInfo info(Index length) const override {
    return {.vocab_size = named_.dfa.alphabet,
            .n_classes = Index(named_.classes.size()),
            .n_tokens = length,
            .reference = "liu2023"};
  }
  void label(std::span<const Token> tokens, std::span<Token> targets) const override {
    assert(tokens.size() == targets.size() && !tokens.empty());
    Index state = 0;
    for (std::size_t t = 0; t < tokens.size(); ++t) {
      state = named_.dfa.step(state, tokens[t]);
      const bool asked = all_ || t + 1 == tokens.size();
      targets[t] = asked ? named_.dfa.output[std::size_t(state)] : kIgnore;
    }
  }
  /// Symbols uniform and independent.
  void sample(Rng& rng, std::span<Token> tokens) const override {
    for (Token& token : tokens) token = Token(rng.below(named_.dfa.alphabet));
  }
  std::vector<Token> legal_next(std::span<const Token> prefix, Index length) const override {
    if (Index(prefix.size()) >= length) return {};
    std::vector<Token> next(named_.symbols.size());
    std::iota(next.begin(), next.end(), 0);
    return next;
  }
  std::string spell(Token token, Index /*length*/) const override {
    return named_.symbols[std::size_t(token)];
  }
  std::string spell_class(Token target, Index /*length*/) const override {
    return named_.classes[std::size_t(target)];
  }
  /// Largest expected share of a class, from the distribution over states after each uniform
  /// symbol. Cost N times the number of transitions.
  double chance(Index length) const override {
    const Dfa& dfa = named_.dfa;
    std::vector<double> at(std::size_t(dfa.n_states)), next(at.size()),
        share(named_.classes.size());
    at[0] = 1;
    for (Index t = 0; t < length; ++t) {
      std::fill(next.begin(), next.end(), 0);
      for (std::size_t i = 0; i < dfa.next.size(); ++i)
        next[std::size_t(dfa.next[i])] += at[i / named_.symbols.size()] / double(dfa.alphabet);
      at.swap(next);
      if (all_ || t + 1 == length)
        for (std::size_t s = 0; s < at.size(); ++s) share[std::size_t(dfa.output[s])] += at[s];
    }
    return *std::max_element(share.begin(), share.end()) / double(all_ ? length : 1);
  }
  std::string describe(Index length) const override {
    return std::to_string(length) + (length == 1 ? " symbol" : " symbols") +
           " from an alphabet of " + std::to_string(named_.dfa.alphabet) + "; answer " +
           (all_ ? "after each" : "after the last") + " the output of an automaton of " +
           std::to_string(named_.dfa.n_states) + " states";
  }
  std::unique_ptr<StreamingReference> streaming(Index length) const override {
    return std::make_unique<Run>(named_.dfa, length - 1, all_);
  }
  /// With positions = last no automaton can say at which symbol it is asked.
  std::optional<Dfa> automaton() const override {
    return all_ ? std::optional(named_.dfa) : std::nullopt;
  }
  std::optional<Dfa> uniform() const override { return named_.dfa; }
  std::string fingerprint() const override { return fingerprint_; }

 private:
  NamedDfa named_;
  std::string fingerprint_;
  bool all_ = true;
};

}  // namespace

void register_regular(Registry<Task>& tasks) {
  tasks.add<Regular>("regular", "the output of a finite automaton read from a file");
}

}  // namespace separatrix

#include <algorithm>
#include <cassert>
#include <numeric>

#include "separatrix/tasks/checks.h"
#include "separatrix/tasks/task.h"

namespace separatrix {
namespace {

struct IndexLookupConfig {
  Index alphabet = 64;
  std::string query = "last";
};
template <class V>
void visit(V& v, IndexLookupConfig& c) {
  v("alphabet", c.alphabet, "number of symbols");
  v("query", c.query, "where the position token stands: last or first");
}

/// State with the query last: every symbol so far, then only the answer.
class StoreAll final : public StreamingReference {
 public:
  StoreAll(Index alphabet, Index length) : alphabet_(alphabet), length_(length) {}
  State start() const override { return {}; }
  State step(const State& state, Token token, Index t) const override {
    if (t == length_) return {state[std::size_t(token - alphabet_)]};
    State next(state);
    next.push_back(token);
    return next;
  }
  Token output(const State& state, Index t) const override {
    return t == length_ ? state[0] : kIgnore;
  }

 private:
  Index alphabet_, length_;
};

/// State with the query first: (position to wait for, -1), later (-1, the symbol seen there).
class WaitFor final : public StreamingReference {
 public:
  WaitFor(Index alphabet, Index length) : alphabet_(alphabet), length_(length) {}
  State start() const override { return {-1, -1}; }
  State step(const State& state, Token token, Index t) const override {
    if (t == 0) return {Token(token - alphabet_), -1};
    if (state[0] == t - 1) return {-1, token};
    return state;
  }
  Token output(const State& state, Index t) const override {
    return t == length_ ? state[1] : kIgnore;
  }

 private:
  Index alphabet_, length_;
};

/// Tokens: symbols 0 .. q-1, position p = q + p. Query last: s_0 .. s_{N-1} p; query first:
/// p s_0 .. s_{N-1}. Either way the target at the last token is s_p.   [bhattamishra2024]
class IndexLookup final : public Task {
 public:
  using Config = IndexLookupConfig;
  explicit IndexLookup(const Config& config) : q_(config.alphabet) {
    require_range("index-lookup/alphabet", q_, 1, kMaxTokens);
    query_first_ = require_choice("index-lookup/query", config.query, {"last", "first"}) == 1;
  }

  void check_length(Index length) const override {
    require_length("index-lookup", length, {.low = 1, .high = kMaxTokens - 1});
  }
  TaskInfo info(Index length) const override {
    return {.vocab_size = q_ + length,
            .n_classes = q_,
            .n_tokens = length + 1,
            .reference = "bhattamishra2024"};
  }
  void label(std::span<const Token> tokens, std::span<Token> targets) const override {
    assert(tokens.size() == targets.size() && tokens.size() >= 2);
    std::fill(targets.begin(), targets.end(), kIgnore);
    const auto symbols = query_first_ ? tokens.subspan(1) : tokens.first(tokens.size() - 1);
    const Index p = (query_first_ ? tokens.front() : tokens.back()) - q_;
    // A sequence that is no instance asks nothing.
    if (p < 0 || p >= Index(symbols.size())) return;
    if (const Token answer = symbols[std::size_t(p)]; answer < q_) targets.back() = answer;
  }
  void sample(Rng& rng, std::span<Token> tokens) const override {
    const Index length = Index(tokens.size()) - 1;
    for (Token& token : tokens) token = Token(rng.below(q_));
    (query_first_ ? tokens.front() : tokens.back()) = Token(q_ + rng.below(length));
  }
  std::vector<Token> legal_next(std::span<const Token> prefix, Index length) const override {
    const Index t = Index(prefix.size());
    if (t > length) return {};
    const bool at_query = t == (query_first_ ? 0 : length);
    std::vector<Token> next(std::size_t(at_query ? length : q_));
    std::iota(next.begin(), next.end(), at_query ? Token(q_) : 0);
    return next;
  }
  std::string spell(Token token, Index /*length*/) const override {
    return token < q_ ? spell_class(token, 0) : "p=" + std::to_string(token - q_);
  }
  std::string spell_class(Token target, Index /*length*/) const override {
    return "s" + std::to_string(target);
  }
  double chance(Index /*length*/) const override { return 1.0 / double(q_); }
  std::string describe(Index length) const override {
    const std::string symbols = std::to_string(length) + (length == 1 ? " symbol" : " symbols") +
                                " from an alphabet of " + std::to_string(q_);
    return (query_first_ ? "a position, then " + symbols : symbols + ", then a position") +
           "; answer the symbol there";
  }
  std::unique_ptr<StreamingReference> streaming(Index length) const override {
    if (query_first_) return std::make_unique<WaitFor>(q_, length);
    return std::make_unique<StoreAll>(q_, length);
  }

 private:
  Index q_ = 0;
  bool query_first_ = false;
};

}  // namespace

void register_index_lookup(Registry<Task>& tasks) {
  tasks.add<IndexLookup>("index-lookup", "the symbol that stands at a given position");
}

}  // namespace separatrix

#include <algorithm>
#include <cassert>
#include <numeric>

#include "separatrix/tasks/checks.h"
#include "separatrix/tasks/task.h"

namespace separatrix {
namespace {

struct InductionConfig {
  Index alphabet = 8;
};
template <class V>
void visit(V& v, InductionConfig& c) {
  v("alphabet", c.alphabet, "number of symbols");
}

/// State: {p, a, f(a), b, f(b), ..}: the last symbol p, and for every other symbol that has been
/// read, ascending, what followed it last. What followed p before is overwritten by what comes. The
/// last but one token leaves p = -1 and f(p) = p: of what comes, only p itself can ask for p.
class Followers final : public StreamingReference {
 public:
  Followers(Index alphabet, Index length) : none_(Token(alphabet)), last_(length - 1) {}
  State start() const override { return {-1}; }
  State step(const State& state, Token token, Index t) const override {
    if (t == last_) return {find(state, token)};
    State next = state;
    if (state[0] >= 0) set(next, state[0], token);
    const bool asked_next = t + 1 == last_;
    if (asked_next)
      set(next, token, token);
    else
      erase(next, token);
    next[0] = asked_next ? -1 : token;
    return next;
  }
  Token output(const State& state, Index t) const override {
    return t == last_ ? state[0] : kIgnore;
  }

 private:
  /// Where the symbol's pair stands, or would.
  static std::size_t place(const State& state, Token symbol) {
    std::size_t at = 1;
    while (at < state.size() && state[at] < symbol) at += 2;
    return at;
  }
  static bool has(const State& state, std::size_t at, Token symbol) {
    return at < state.size() && state[at] == symbol;
  }
  Token find(const State& state, Token symbol) const {
    const std::size_t at = place(state, symbol);
    return has(state, at, symbol) ? state[at + 1] : none_;
  }
  static void set(State& state, Token symbol, Token follower) {
    const std::size_t at = place(state, symbol);
    if (!has(state, at, symbol))
      state.insert(state.begin() + std::ptrdiff_t(at), {symbol, follower});
    else
      state[at + 1] = follower;
  }
  static void erase(State& state, Token symbol) {
    const std::size_t at = place(state, symbol);
    if (!has(state, at, symbol)) return;
    const auto first = state.begin() + std::ptrdiff_t(at);
    state.erase(first, first + 2);
  }

  Token none_;
  Index last_;
};

/// Tokens: symbols x_0 .. x_{N-1}, each 0 .. q-1. The target at the last is x_{j+1} for the largest
/// j <= N-2 with x_j = x_{N-1}, or q where there is none.   [olsson2022]
class Induction final : public Task {
 public:
  using Config = InductionConfig;
  explicit Induction(const Config& config) : q_(config.alphabet) {
    require_range("induction/alphabet", q_, 1, kMaxTokens);
  }

  void check_length(Index length) const override {
    require_length("induction", length, {.low = 2, .high = kMaxTokens});
  }
  TaskInfo info(Index length) const override {
    return {.vocab_size = q_, .n_classes = q_ + 1, .n_tokens = length, .reference = "olsson2022"};
  }
  void label(std::span<const Token> tokens, std::span<Token> targets) const override {
    assert(tokens.size() == targets.size() && tokens.size() >= 2);
    std::fill(targets.begin(), targets.end(), kIgnore);
    targets.back() = Token(q_);
    for (std::size_t j = tokens.size() - 1; j-- > 0;)
      if (tokens[j] == tokens.back()) {
        targets.back() = tokens[j + 1];
        return;
      }
  }
  /// One of q + 1 inputs asks for a symbol that has not occurred: the last symbol uniform, the
  /// others uniform among the other q - 1. Else all symbols but the last are uniform, and the last
  /// repeats the one at a uniform place. By the symmetry of the symbols, all q + 1 answers are
  /// equally likely.
  void sample(Rng& rng, std::span<Token> tokens) const override {
    const std::span<Token> before = tokens.first(tokens.size() - 1);
    if (q_ > 1 && rng.below(q_ + 1) == q_) {
      tokens.back() = Token(rng.below(q_));
      for (Token& token : before) token = Token((tokens.back() + 1 + rng.below(q_ - 1)) % q_);
      return;
    }
    for (Token& token : before) token = Token(rng.below(q_));
    tokens.back() = before[std::size_t(rng.below(Index(before.size())))];
  }
  std::vector<Token> legal_next(std::span<const Token> prefix, Index length) const override {
    if (Index(prefix.size()) >= length) return {};
    std::vector<Token> next(static_cast<std::size_t>(q_));
    std::iota(next.begin(), next.end(), 0);
    return next;
  }
  std::string spell(Token token, Index /*length*/) const override {
    return "s" + std::to_string(token);
  }
  std::string spell_class(Token target, Index length) const override {
    return target == q_ ? "none" : spell(target, length);
  }
  double chance(Index /*length*/) const override { return q_ == 1 ? 1 : 1 / double(q_ + 1); }
  std::string describe(Index length) const override {
    return std::to_string(length) + " symbols from an alphabet of " + std::to_string(q_) +
           "; answer at the last what followed it when it occurred before";
  }
  std::unique_ptr<StreamingReference> streaming(Index length) const override {
    return std::make_unique<Followers>(q_, length);
  }

 private:
  Index q_ = 0;
};

}  // namespace

void register_induction(Registry<Task>& tasks) {
  tasks.add<Induction>("induction", "what followed the last symbol when it occurred before");
}

}  // namespace separatrix

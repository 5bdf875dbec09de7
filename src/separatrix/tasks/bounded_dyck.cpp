#include <algorithm>
#include <cassert>
#include <numeric>

#include "separatrix/tasks/checks.h"
#include "separatrix/tasks/task.h"

namespace separatrix {
namespace {

struct BoundedDyckConfig {
  Index types = 2, depth = 2;
  std::string mode = "recognition";
};
template <class V>
void visit(V& v, BoundedDyckConfig& c) {
  v("types", c.types, "n: kinds of brackets");
  v("depth", c.depth, "k: deepest nesting allowed");
  v("mode", c.mode, "recognition (accepted or not, at EOS) or next-token (what may follow)");
}

constexpr Token kRejected = 0, kAccepted = 1;
constexpr Index kMaxDfaEntries = Index{1} << 22;

/// The language's parameters and its one rule. Opening brackets are 0 .. n-1, closing ones n ..
/// 2n-1.
struct Brackets {
  Index types, depth;

  Token bos() const { return Token(2 * types); }
  Token eos() const { return Token(2 * types + 1); }
  /// Reads a bracket onto the stack of open types; false if it may not stand here.
  bool read(Token bracket, std::vector<Token>& open) const {
    if (0 <= bracket && bracket < types) {
      open.push_back(bracket);
      return Index(open.size()) <= depth;
    }
    if (open.empty() || bracket != open.back() + types) return false;
    open.pop_back();
    return true;
  }
  /// Class of what may follow: 0 = the stack is empty, 1 + 2 type + full = its top and whether it
  /// is full.
  Token follow(const std::vector<Token>& open) const {
    if (open.empty()) return 0;
    return Token(1 + 2 * open.back() + (Index(open.size()) == depth ? 1 : 0));
  }
};

/// State: the stack of open types, or (-1) once a bracket was wrong; after EOS only the answer.
class Stack final : public StreamingReference {
 public:
  Stack(Brackets brackets, bool recognition, Index length)
      : brackets_(brackets), recognition_(recognition), end_(length + 1) {}
  State start() const override { return {}; }
  State step(const State& state, Token token, Index t) const override {
    if (t == end_) return {state.empty() ? kAccepted : kRejected};
    if (t == 0 || is_dead(state)) return state;
    State next(state);
    return brackets_.read(token, next) ? next : State{-1};
  }
  Token output(const State& state, Index t) const override {
    if (recognition_) return t == end_ ? state[0] : kIgnore;
    return t == end_ || is_dead(state) ? kIgnore : brackets_.follow(state);
  }

 private:
  static bool is_dead(const State& state) { return !state.empty() && state[0] < 0; }

  Brackets brackets_;
  bool recognition_;
  Index end_;
};

/// Dyck-(n,k): n kinds of brackets, well nested, never more than k open. Tokens: open 0 .. n-1,
/// close n .. 2n-1, BOS = 2n, EOS = 2n+1; inputs are BOS, N brackets, EOS with N even.
/// Recognition: any brackets; the target at EOS is 1 if they are in the language, else 0.
/// Next-token: words of the language only; the target at BOS and at every bracket is
/// Brackets::follow.   [hewitt2020, yao2021]
class BoundedDyck final : public Task {
 public:
  using Config = BoundedDyckConfig;
  explicit BoundedDyck(const Config& config)
      : brackets_{.types = config.types, .depth = config.depth} {
    require_range("bounded-dyck/types", config.types, 1, Index{1} << 20);
    require_range("bounded-dyck/depth", config.depth, 1, Index{1} << 20);
    recognition_ =
        require_choice("bounded-dyck/mode", config.mode, {"recognition", "next-token"}) == 0;
  }

  void check_length(Index length) const override {
    require_length("bounded-dyck", length, {.low = 2, .high = kMaxTokens - 2, .step = 2});
  }
  TaskInfo info(Index length) const override {
    return {.vocab_size = 2 * brackets_.types + 2,
            .n_classes = recognition_ ? 2 : 1 + 2 * brackets_.types,
            .n_tokens = length + 2,
            .reference = recognition_ ? "hewitt2020" : "yao2021"};
  }
  void label(std::span<const Token> tokens, std::span<Token> targets) const override {
    assert(tokens.size() == targets.size() && tokens.size() >= 2);
    std::fill(targets.begin(), targets.end(), kIgnore);
    std::vector<Token> open;
    bool valid = true;
    for (std::size_t t = 0; t + 1 < tokens.size() && valid; ++t) {
      if (t > 0) valid = brackets_.read(tokens[t], open);
      if (!recognition_ && valid) targets[t] = brackets_.follow(open);
    }
    if (recognition_) targets.back() = valid && open.empty() ? kAccepted : kRejected;
  }
  /// Words: random_word. Recognition: half words; the other half rejected, of which half are a
  /// word with one bracket replaced, a quarter nested one too deep and a quarter uniform strings
  /// (where these come out accepted, one bracket is replaced).
  void sample(Rng& rng, std::span<Token> tokens) const override {
    tokens.front() = brackets_.bos();
    tokens.back() = brackets_.eos();
    const std::span<Token> word = tokens.subspan(1, tokens.size() - 2);
    if (!recognition_ || rng.coin()) return random_word(rng, brackets_.depth, word);
    const Index kind = rng.below(4);
    if (kind == 0)
      for (Token& bracket : word) bracket = Token(rng.below(2 * brackets_.types));
    else
      random_word(rng, brackets_.depth + (kind == 1 ? 1 : 0), word);
    if (!accepted(word)) return;
    // Any single replacement breaks a word: it unbalances it or gives a pair two types.
    Token& bracket = word[std::size_t(rng.below(Index(word.size())))];
    bracket = Token((bracket + 1 + rng.below(2 * brackets_.types - 1)) % (2 * brackets_.types));
  }
  std::vector<Token> legal_next(std::span<const Token> prefix, Index length) const override {
    const Index t = Index(prefix.size());
    if (t == 0) return {brackets_.bos()};
    if (t == length + 1) return {brackets_.eos()};
    if (t > length) return {};
    std::vector<Token> next;
    if (recognition_) {
      next.resize(std::size_t(2 * brackets_.types));
      std::iota(next.begin(), next.end(), 0);
      return next;
    }
    std::vector<Token> open;
    for (const Token bracket : prefix.subspan(1))
      if (!brackets_.read(bracket, open)) return {};
    const Index depth = Index(open.size());
    if (depth < std::min(brackets_.depth, length + 1 - t))
      for (Token type = 0; type < brackets_.types; ++type) next.push_back(type);
    if (depth > 0) next.push_back(Token(open.back() + brackets_.types));
    return next;
  }
  std::string spell(Token token, Index /*length*/) const override {
    if (token == brackets_.bos()) return "BOS";
    if (token == brackets_.eos()) return "EOS";
    return token < brackets_.types ? "(" + std::to_string(token)
                                   : ")" + std::to_string(token - brackets_.types);
  }
  std::string spell_class(Token target, Index /*length*/) const override {
    if (recognition_) return target == kAccepted ? "accepted" : "rejected";
    if (target == 0) return "empty";
    return "(" + std::to_string((target - 1) / 2) + (target % 2 == 0 ? ",full" : "");
  }
  /// Next-token: the largest expected share of a class under random_word. By symmetry of the types
  /// only the depth matters. Cost N min(k, N/2).
  double chance(Index length) const override {
    if (recognition_) return 0.5;
    const Index limit = std::min(brackets_.depth, length / 2);
    std::vector<double> at(std::size_t(limit + 1)), next(at.size());  // P(depth)
    at[0] = 1;
    double empty = 0, full = 0;
    for (Index t = 0; t <= length; ++t) {
      empty += at[0];
      if (limit == brackets_.depth) full += at.back();
      std::fill(next.begin(), next.end(), 0);
      for (Index d = 0; d <= limit && t < length; ++d) {
        const double up = open_probability(d, length - t, brackets_.depth) * at[std::size_t(d)];
        if (d < limit) next[std::size_t(d + 1)] += up;
        if (d > 0) next[std::size_t(d - 1)] += at[std::size_t(d)] - up;
      }
      at.swap(next);
    }
    const double asked = double(length + 1), types = double(brackets_.types);
    return std::max({empty, full / types, (asked - empty - full) / types}) / asked;
  }
  std::string describe(Index length) const override {
    const std::string types = std::to_string(brackets_.types) +
                              (brackets_.types == 1 ? " type" : " types"),
                      brackets = std::to_string(length) + " brackets of " + types,
                      depth = "nested at most " + std::to_string(brackets_.depth) + " deep";
    if (recognition_)
      return brackets + " between BOS and EOS; answer at EOS whether they are balanced and " +
             depth;
    return "a balanced word of " + brackets + ", " + depth +
           "; answer at each what may follow: the type on top and whether the nesting is full";
  }
  std::unique_ptr<StreamingReference> streaming(Index length) const override {
    return std::make_unique<Stack>(brackets_, recognition_, length);
  }
  std::optional<Dfa> automaton() const override;

 private:
  /// With `remaining` brackets to come: open at depth 0, close when full or when every one left is
  /// needed, otherwise a fair coin.
  static double open_probability(Index depth, Index remaining, Index limit) {
    if (depth == 0) return 1;
    return depth == limit || depth == remaining ? 0 : 0.5;
  }
  /// A random walk of the depth with open_probability and uniform types. It reaches every word of
  /// the language; for limit <= 2 all words are equally likely.
  void random_word(Rng& rng, Index limit, std::span<Token> word) const {
    std::vector<Token> open;
    Index remaining = Index(word.size());
    for (Token& bracket : word) {
      const double p = open_probability(Index(open.size()), remaining--, limit);
      if (p == 1 || (p > 0 && rng.coin())) {
        bracket = Token(rng.below(brackets_.types));
        open.push_back(bracket);
      } else {
        bracket = Token(open.back() + brackets_.types);
        open.pop_back();
      }
    }
  }
  bool accepted(std::span<const Token> word) const {
    std::vector<Token> open;
    for (const Token bracket : word)
      if (!brackets_.read(bracket, open)) return false;
    return open.empty();
  }

  Brackets brackets_;
  bool recognition_ = true;
};

/// States: 0 before BOS, 1 dead, 2 accepted, 3 rejected, then one per stack: the stacks of depth d
/// are numbered by their types as a base-n number, bottom first, after all shallower ones. None
/// when the table would have more than 2^22 entries.
std::optional<Dfa> BoundedDyck::automaton() const {
  constexpr Index kDead = 1, kYes = 2, kNo = 3;
  const Index n = brackets_.types;
  std::vector<Index> first{4};  // of the stacks of depth d
  for (Index d = 0, count = 1; d <= brackets_.depth; ++d, count *= n) {
    first.push_back(first.back() + count);
    if (first.back() > kMaxDfaEntries / (2 * n + 2)) return std::nullopt;
  }
  Dfa dfa{.n_states = first.back(), .alphabet = 2 * n + 2, .next = {}, .output = {}};
  dfa.next.assign(std::size_t(dfa.n_states * dfa.alphabet), kDead);
  dfa.output.assign(std::size_t(dfa.n_states), kIgnore);
  dfa.legal.assign(dfa.next.size(), false);
  auto connect = [&](Index from, Index symbol, Index to) {
    dfa.next[std::size_t(from * dfa.alphabet + symbol)] = to;
    dfa.legal[std::size_t(from * dfa.alphabet + symbol)] = true;
  };
  connect(0, brackets_.bos(), first[0]);
  if (recognition_) {
    dfa.output[kYes] = kAccepted;
    dfa.output[kNo] = kRejected;
    for (Index symbol = 0; symbol < 2 * n; ++symbol)
      for (Index state = kDead; state < dfa.n_states; ++state)
        if (state != kYes && state != kNo) connect(state, symbol, kDead);
    connect(kDead, brackets_.eos(), kNo);
  }
  for (Index d = 0; d <= brackets_.depth; ++d)
    for (Index state = first[std::size_t(d)]; state < first[std::size_t(d + 1)]; ++state) {
      const Index stack = state - first[std::size_t(d)], top = stack % n;
      if (d < brackets_.depth)
        for (Index type = 0; type < n; ++type)
          connect(state, type, first[std::size_t(d + 1)] + stack * n + type);
      if (d > 0) connect(state, n + top, first[std::size_t(d - 1)] + stack / n);
      if (recognition_) {
        connect(state, brackets_.eos(), d == 0 ? kYes : kNo);
        continue;
      }
      if (d == 0) connect(state, brackets_.eos(), kDead);
      dfa.output[std::size_t(state)] =
          Token(d == 0 ? 0 : 1 + 2 * top + (d == brackets_.depth ? 1 : 0));
    }
  return dfa;
}

}  // namespace

void register_bounded_dyck(Registry<Task>& tasks) {
  tasks.add<BoundedDyck>("bounded-dyck", "brackets of several types nested to a bounded depth");
}

}  // namespace separatrix

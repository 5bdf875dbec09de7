#include <algorithm>
#include <cassert>
#include <cmath>
#include <numeric>
#include <unordered_map>
#include <utility>

#include "separatrix/tasks/checks.h"
#include "separatrix/tasks/task.h"

namespace separatrix {
namespace {

struct MqarConfig {
  Index vocab_size = 8192, pairs = 4;
  double power_a = 0.01;
  bool random_non_queries = false;
};
template <class V>
void visit(V& v, MqarConfig& c) {
  v("vocab_size", c.vocab_size, "tokens: 0 is blank, the lower half are keys, the upper values");
  v("pairs", c.pairs, "k: key-value pairs, each asked once");
  v("power_a", c.power_a, "query slot i has weight i^(power_a - 1); 1 = all slots alike");
  v("random_non_queries", c.random_non_queries, "random tokens instead of blanks between queries");
}

/// k different numbers of 0 .. n-1, every sequence equally likely (Fisher-Yates on a sparse array).
std::vector<Index> draw_distinct(Rng& rng, Index n, Index k) {
  std::unordered_map<Index, Index> moved;
  auto at = [&](Index i) {
    const auto it = moved.find(i);
    return it == moved.end() ? i : it->second;
  };
  std::vector<Index> drawn;
  drawn.reserve(std::size_t(k));
  for (Index i = 0; i < k; ++i) {
    const Index j = i + rng.below(n - i);
    drawn.push_back(at(j));
    moved[j] = at(i);
  }
  return drawn;
}

/// k different slots of 0 .. n-1, one after the other with probability proportional to
/// (slot + 1)^(a-1): the order in which exponential clocks of those rates ring.
std::vector<Index> draw_slots(Rng& rng, Index n, Index k, double a) {
  std::vector<std::pair<double, Index>> rings;
  rings.reserve(std::size_t(n));
  for (Index i = 0; i < n; ++i)
    rings.emplace_back(-std::log1p(-rng.uniform()) * std::pow(double(i + 1), 1 - a), i);
  std::partial_sort(rings.begin(), rings.begin() + k, rings.end());
  std::vector<Index> slots;
  for (Index i = 0; i < k; ++i) slots.push_back(rings[std::size_t(i)].second);
  return slots;
}

/// State: (answer at this token or kIgnore, key that waits for its value or -1, then key, value of
/// the pairs so far in ascending order of keys; kIgnore for the value of a key already asked, which
/// no instance asks again).
class Dictionary final : public StreamingReference {
 public:
  explicit Dictionary(Index pairs) : pairs_(pairs) {}
  State start() const override { return {kIgnore, -1}; }
  State step(const State& state, Token token, Index t) const override {
    State next(state);
    next[0] = kIgnore;
    std::size_t at = 2;
    const Token key = t < 2 * pairs_ && t % 2 == 1 ? state[1] : token;
    while (at < next.size() && next[at] < key) at += 2;
    const bool known = at < next.size() && next[at] == key;
    if (t >= 2 * pairs_) {
      if (known) next[0] = std::exchange(next[at + 1], kIgnore);
    } else if (t % 2 == 0) {
      next[1] = key;
    } else {
      next[1] = -1;
      if (known)
        next[at + 1] = token;
      else
        next.insert(next.begin() + std::ptrdiff_t(at), {key, token});
    }
    return next;
  }
  Token output(const State& state, Index /*t*/) const override { return state[0]; }

 private:
  Index pairs_;
};

/// Multi-query associative recall in the format of Zoology. Tokens: 0 blank, keys 1 .. V/2-1,
/// values V/2 .. V-1. Input: k pairs "key value" with different keys and different values; then
/// N-2k tokens in which every key stands once, at an even offset, the rest blank (or, with
/// random_non_queries, any token but those keys). The target at a key after the pairs is its
/// value.   [arora2024]
class Mqar final : public Task {
 public:
  using Config = MqarConfig;
  explicit Mqar(const Config& config) : config_(config), vocab_(config.vocab_size) {
    require_range("mqar/vocab_size", vocab_, 4, kMaxTokens);
    require_range("mqar/pairs", config.pairs, 1, std::min(vocab_ / 2 - 1, kMaxTokens / 4));
    if (!(config.power_a > 0 && config.power_a <= 16))
      throw Error(ErrorKind::spec, "value is out of range", "mqar/power_a",
                  "choose a number above 0 and at most 16");
  }

  void check_length(Index length) const override {
    require_length("mqar with " + std::to_string(config_.pairs) + " pairs", length,
                   {.low = 4 * config_.pairs, .high = kMaxTokens, .step = 2});
  }
  TaskInfo info(Index length) const override {
    return {
        .vocab_size = vocab_, .n_classes = vocab_, .n_tokens = length, .reference = "arora2024"};
  }
  void label(std::span<const Token> tokens, std::span<Token> targets) const override {
    assert(tokens.size() == targets.size() && tokens.size() >= context());
    std::fill(targets.begin(), targets.end(), kIgnore);
    std::unordered_map<Token, Token> value_of;
    for (std::size_t t = 0; t < context(); t += 2) value_of[tokens[t]] = tokens[t + 1];
    for (std::size_t t = context(); t < tokens.size(); ++t)
      if (const auto pair = value_of.find(tokens[t]); pair != value_of.end())
        targets[t] = pair->second;
  }
  void sample(Rng& rng, std::span<Token> tokens) const override {
    const Index k = config_.pairs;
    const std::vector<Index> keys = draw_distinct(rng, first_value() - 1, k),
                             values = draw_distinct(rng, vocab_ - first_value(), k);
    for (std::size_t i = 0; i < keys.size(); ++i) {
      tokens[2 * i] = Token(1 + keys[i]);
      tokens[2 * i + 1] = Token(first_value() + values[i]);
    }
    const std::span<Token> rest = tokens.subspan(context());
    fill_rest(rng, tokens.first(context()), rest);
    const std::vector<Index> slots = draw_slots(rng, Index(rest.size()) / 2, k, config_.power_a);
    for (std::size_t i = 0; i < keys.size(); ++i) rest[std::size_t(2 * slots[i])] = tokens[2 * i];
  }
  std::vector<Token> legal_next(std::span<const Token> prefix, Index length) const override {
    const Index t = Index(prefix.size()), k = config_.pairs;
    if (t >= length) return {};
    std::vector<bool> may(static_cast<std::size_t>(vocab_), false);
    auto range = [&](Index first, Index end) {
      std::fill(may.begin() + first, may.begin() + end, true);
    };
    if (t < 2 * k) {
      range(t % 2 == 0 ? 1 : first_value(), t % 2 == 0 ? first_value() : vocab_);
      for (const Token used : prefix) may[std::size_t(used)] = false;
    } else {
      const auto asked = prefix.subspan(context());
      range(0, config_.random_non_queries ? vocab_ : 1);
      std::vector<Token> waiting;
      for (std::size_t i = 0; i < context(); i += 2) {
        may[std::size_t(prefix[i])] = false;
        if (std::find(asked.begin(), asked.end(), prefix[i]) == asked.end())
          waiting.push_back(prefix[i]);
      }
      if (t % 2 == 0) {
        if (Index(waiting.size()) == (length - t) / 2) std::fill(may.begin(), may.end(), false);
        for (const Token key : waiting) may[std::size_t(key)] = true;
      }
    }
    std::vector<Token> next;
    for (std::size_t token = 0; token < may.size(); ++token)
      if (may[token]) next.push_back(Token(token));
    return next;
  }
  std::string spell(Token token, Index /*length*/) const override {
    if (token == 0) return "_";
    return token < first_value() ? "k" + std::to_string(token)
                                 : "v" + std::to_string(token - first_value());
  }
  std::string spell_class(Token target, Index length) const override {
    return spell(target, length);
  }
  /// One over the number of values.
  double chance(Index /*length*/) const override { return 1.0 / double(vocab_ - first_value()); }
  std::string describe(Index length) const override {
    return std::to_string(config_.pairs) + " key-value pairs from a vocabulary of " +
           std::to_string(vocab_) + ", then every key once among " +
           std::to_string(length - 2 * config_.pairs) + " tokens; answer the value at each key";
  }
  std::unique_ptr<StreamingReference> streaming(Index /*length*/) const override {
    return std::make_unique<Dictionary>(config_.pairs);
  }

 private:
  Index first_value() const { return vocab_ / 2; }
  std::size_t context() const { return std::size_t(2 * config_.pairs); }

  void fill_rest(Rng& rng, std::span<const Token> pairs, std::span<Token> rest) const {
    std::fill(rest.begin(), rest.end(), 0);
    if (!config_.random_non_queries) return;
    std::vector<Token> keys;
    for (std::size_t t = 0; t < pairs.size(); t += 2) keys.push_back(pairs[t]);
    std::sort(keys.begin(), keys.end());
    for (Token& token : rest) do
        token = Token(rng.below(vocab_));
      while (std::binary_search(keys.begin(), keys.end(), token));
  }

  Config config_;
  Index vocab_ = 0;
};

}  // namespace

void register_mqar(Registry<Task>& tasks) {
  tasks.add<Mqar>("mqar", "multi-query associative recall in the format of Zoology");
}

}  // namespace separatrix

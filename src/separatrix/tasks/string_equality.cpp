#include <algorithm>
#include <cassert>
#include <numeric>

#include "separatrix/tasks/pair_layout.h"
#include "separatrix/tasks/task.h"

namespace separatrix {
namespace {

struct StringEqualityConfig {
  Index alphabet = 2;
  std::string layout = "halves";
};
template <class V>
void visit(V& v, StringEqualityConfig& c) {
  v("alphabet", c.alphabet, "number of symbols");
  v("layout", c.layout, "order of the two strings' symbols: halves or interleaved");
}

constexpr Token kUnequal = 0, kEqual = 1;

/// Tokens: symbols 0 .. q-1, EOS = q. Two strings x, y of N/2 symbols, then EOS, whose target is 1
/// if x = y, else 0.   [bhattamishra2024]
class StringEquality final : public Task {
 public:
  using Config = StringEqualityConfig;
  explicit StringEquality(const Config& config)
      : q_(config.alphabet), layout_(PairLayout::parse("string-equality/layout", config.layout)) {
    require_range("string-equality/alphabet", q_, 1, kMaxTokens);
  }

  void check_length(Index length) const override {
    require_length("string-equality", length, kPairLengths);
  }
  TaskInfo info(Index length) const override {
    return {.vocab_size = q_ + 1,
            .n_classes = 2,
            .n_tokens = length + 1,
            .reference = "bhattamishra2024"};
  }
  void label(std::span<const Token> tokens, std::span<Token> targets) const override {
    assert(tokens.size() == targets.size() && tokens.size() % 2 == 1);
    std::fill(targets.begin(), targets.end(), kIgnore);
    const Index n = Index(tokens.size()) / 2;
    targets.back() = kEqual;
    for (Index i = 0; i < n; ++i)
      if (tokens[layout_.x(i, n)] != tokens[layout_.y(i, n)]) targets.back() = kUnequal;
  }
  /// Half equal (uniform x); a quarter with exactly one difference (uniform x, place and symbol); a
  /// quarter uniform among unequal pairs.
  void sample(Rng& rng, std::span<Token> tokens) const override {
    const Index n = Index(tokens.size()) / 2;
    tokens.back() = Token(q_);
    for (Index i = 0; i < n; ++i)
      tokens[layout_.x(i, n)] = tokens[layout_.y(i, n)] = Token(rng.below(q_));
    if (q_ == 1 || rng.coin()) return;  // one symbol: all strings are equal
    if (rng.coin()) {
      Token& y = tokens[layout_.y(rng.below(n), n)];
      y = Token((y + 1 + rng.below(q_ - 1)) % q_);
      return;
    }
    bool equal = true;
    while (equal)
      for (Index i = 0; i < n; ++i) {
        Token& y = tokens[layout_.y(i, n)] = Token(rng.below(q_));
        equal = equal && y == tokens[layout_.x(i, n)];
      }
  }
  std::vector<Token> legal_next(std::span<const Token> prefix, Index length) const override {
    const Index t = Index(prefix.size());
    if (t > length) return {};
    if (t == length) return {Token(q_)};
    std::vector<Token> next(static_cast<std::size_t>(q_));
    std::iota(next.begin(), next.end(), 0);
    return next;
  }
  std::string spell(Token token, Index /*length*/) const override {
    return token == q_ ? "EOS" : std::to_string(token);
  }
  std::string spell_class(Token target, Index /*length*/) const override {
    return target == kEqual ? "equal" : "unequal";
  }
  double chance(Index /*length*/) const override { return q_ == 1 ? 1 : 0.5; }
  std::string describe(Index length) const override {
    const Index n = length / 2;
    return "two strings of " + std::to_string(n) + (n == 1 ? " symbol" : " symbols") +
           " from an alphabet of " + std::to_string(q_) + ", " + layout_.words() +
           "; answer at the end whether they are equal";
  }
  std::unique_ptr<StreamingReference> streaming(Index length) const override {
    return std::make_unique<PairReader>(layout_, length, [](Token x, Token y) { return x != y; });
  }

 private:
  Index q_ = 0;
  PairLayout layout_;
};

}  // namespace

void register_string_equality(Registry<Task>& tasks) {
  tasks.add<StringEquality>("string-equality", "whether two strings are equal");
}

}  // namespace separatrix

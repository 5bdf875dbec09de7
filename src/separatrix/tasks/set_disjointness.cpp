#include <algorithm>
#include <cassert>

#include "separatrix/tasks/pair_layout.h"
#include "separatrix/tasks/task.h"

namespace separatrix {
namespace {

struct SetDisjointnessConfig {
  std::string layout = "halves";
};
template <class V>
void visit(V& v, SetDisjointnessConfig& c) {
  v("layout", c.layout, "order of the two sets' bits: halves or interleaved");
}

constexpr Token kIntersecting = 0, kDisjoint = 1;
constexpr Token kEos = 2;

/// Tokens: bits 0 and 1, EOS = 2. The indicator bits x, y of two subsets of {0 .. N/2-1}, then EOS,
/// whose target is 1 if no i has x_i = y_i = 1, else 0.   [bhattamishra2024]
class SetDisjointness final : public Task {
 public:
  using Config = SetDisjointnessConfig;
  explicit SetDisjointness(const Config& config)
      : layout_(PairLayout::parse("set-disjointness/layout", config.layout)) {}

  void check_length(Index length) const override {
    require_length("set-disjointness", length, kPairLengths);
  }
  TaskInfo info(Index length) const override {
    return {
        .vocab_size = 3, .n_classes = 2, .n_tokens = length + 1, .reference = "bhattamishra2024"};
  }
  void label(std::span<const Token> tokens, std::span<Token> targets) const override {
    assert(tokens.size() == targets.size() && tokens.size() % 2 == 1);
    std::fill(targets.begin(), targets.end(), kIgnore);
    const Index n = Index(tokens.size()) / 2;
    targets.back() = kDisjoint;
    for (Index i = 0; i < n; ++i)
      if (tokens[layout_.x(i, n)] == 1 && tokens[layout_.y(i, n)] == 1)
        targets.back() = kIntersecting;
  }
  /// Half uniform among disjoint pairs (each element in x, in y or in neither); a quarter such a
  /// pair with one uniform element put in both; a quarter uniform among intersecting pairs whose
  /// elements are each in x with probability 1/2 and in y with probability 1/2.
  void sample(Rng& rng, std::span<Token> tokens) const override {
    const Index n = Index(tokens.size()) / 2;
    tokens.back() = kEos;
    for (Index i = 0; i < n; ++i) {
      const Index owner = rng.below(3);
      tokens[layout_.x(i, n)] = owner == 1;
      tokens[layout_.y(i, n)] = owner == 2;
    }
    if (rng.coin()) return;
    if (rng.coin()) {
      const Index common = rng.below(n);
      tokens[layout_.x(common, n)] = tokens[layout_.y(common, n)] = 1;
      return;
    }
    bool disjoint = true;
    while (disjoint)
      for (Index i = 0; i < n; ++i) {
        const Index both = rng.below(4);
        tokens[layout_.x(i, n)] = Token(both & 1);
        tokens[layout_.y(i, n)] = Token(both >> 1);
        disjoint = disjoint && both != 3;
      }
  }
  std::vector<Token> legal_next(std::span<const Token> prefix, Index length) const override {
    const Index t = Index(prefix.size());
    if (t > length) return {};
    if (t == length) return {kEos};
    return {0, 1};
  }
  std::string spell(Token token, Index /*length*/) const override {
    return token == kEos ? "EOS" : std::to_string(token);
  }
  std::string spell_class(Token target, Index /*length*/) const override {
    return target == kDisjoint ? "disjoint" : "intersecting";
  }
  double chance(Index /*length*/) const override { return 0.5; }
  std::string describe(Index length) const override {
    return "two subsets of a set of " + std::to_string(length / 2) + " as bits, " +
           layout_.words() + "; answer at the end whether they are disjoint";
  }
  std::unique_ptr<StreamingReference> streaming(Index length) const override {
    return std::make_unique<PairReader>(layout_, length,
                                        [](Token x, Token y) { return x == 1 && y == 1; });
  }

 private:
  PairLayout layout_;
};

}  // namespace

void register_set_disjointness(Registry<Task>& tasks) {
  tasks.add<SetDisjointness>("set-disjointness", "whether two sets have no element in common");
}

}  // namespace separatrix

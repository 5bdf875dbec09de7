#include <algorithm>
#include <bit>
#include <cassert>
#include <numeric>

#include "separatrix/tasks/checks.h"
#include "separatrix/tasks/task.h"

namespace separatrix {
namespace {

struct NearestNeighborConfig {
  Index dimension = 8, labels = 2;
  std::string positions = "last";
};
template <class V>
void visit(V& v, NearestNeighborConfig& c) {
  v("dimension", c.dimension, "d: points are in {-1,+1}^d");
  v("labels", c.labels, "C: number of labels");
  v("positions", c.positions, "which points are asked: last (the query) or all after the first");
}

/// Bits in which two points differ; on the cube, nearest by it is nearest by Euclid.
int hamming(Token a, Token b) { return std::popcount(std::uint32_t(a) ^ std::uint32_t(b)); }

/// The label of the earliest nearest point in x_0 y_0 x_1 y_1 ..; kIgnore if a point stands in that
/// label's place, which no instance has.
Token nearest_label(std::span<const Token> pairs, Token query, Index n_points) {
  std::size_t nearest = 0;
  for (std::size_t j = 2; j + 1 < pairs.size(); j += 2)
    if (hamming(pairs[j], query) < hamming(pairs[nearest], query)) nearest = j;
  return std::max(kIgnore, Token(pairs[nearest + 1] - n_points));
}

/// State after a point: (answer for it, the point, known pairs ..); after a label: (-1, -1, known
/// pairs ..). A point seen again is not kept: the earlier one wins every tie.
class Examples final : public StreamingReference {
 public:
  Examples(Index n_points, Index last, bool all) : n_points_(n_points), last_(last), all_(all) {}
  State start() const override { return {-1, -1}; }
  State step(const State& state, Token token, Index t) const override {
    const std::span<const Token> known = std::span(state).subspan(2);
    State next(state);
    if (t % 2 == 0) {
      const bool asked = t == last_ || (all_ && t > 0);
      next[0] = asked ? nearest_label(known, token, n_points_) : kIgnore;
      next[1] = token;
      return next;
    }
    next[0] = next[1] = -1;
    for (std::size_t j = 0; j < known.size(); j += 2)
      if (known[j] == state[1]) return next;
    next.push_back(state[1]);
    next.push_back(token);
    return next;
  }
  Token output(const State& state, Index t) const override {
    return t % 2 == 0 ? state[0] : kIgnore;
  }

 private:
  Index n_points_, last_;
  bool all_;
};

/// Tokens: points 0 .. 2^d-1 (bit i set: coordinate i is +1), label y = 2^d + y. Input
/// x_0 y_0 .. x_{N-1} y_{N-1} x_N; the target at x_N (positions = all: at every x_i, i > 0) is the
/// label of the nearest earlier point, of the earliest one on ties.   [bhattamishra2024]
class NearestNeighbor final : public Task {
 public:
  using Config = NearestNeighborConfig;
  explicit NearestNeighbor(const Config& config) : labels_(config.labels) {
    require_range("nearest-neighbor/dimension", config.dimension, 1, 20);
    require_range("nearest-neighbor/labels", labels_, 2, Index{1} << 20);
    dimension_ = config.dimension;
    n_points_ = Index{1} << dimension_;
    all_ = require_choice("nearest-neighbor/positions", config.positions, {"last", "all"}) == 1;
  }

  void check_length(Index length) const override {
    require_length("nearest-neighbor", length, {.low = 1, .high = kMaxTokens / 2 - 1});
  }
  TaskInfo info(Index length) const override {
    return {.vocab_size = n_points_ + labels_,
            .n_classes = labels_,
            .n_tokens = 2 * length + 1,
            .reference = "bhattamishra2024"};
  }
  /// Cost: N distances for the last point, N^2 / 2 for all.
  void label(std::span<const Token> tokens, std::span<Token> targets) const override {
    assert(tokens.size() == targets.size() && tokens.size() % 2 == 1 && tokens.size() >= 3);
    std::fill(targets.begin(), targets.end(), kIgnore);
    for (std::size_t t = all_ ? 2 : tokens.size() - 1; t < tokens.size(); t += 2)
      targets[t] = nearest_label(tokens.first(t), tokens[t], n_points_);
  }
  /// Points and labels uniform and independent, so every label is equally likely to be right.
  void sample(Rng& rng, std::span<Token> tokens) const override {
    for (std::size_t t = 0; t < tokens.size(); ++t)
      tokens[t] = Token(t % 2 == 0 ? rng.below(n_points_) : n_points_ + rng.below(labels_));
  }
  std::vector<Token> legal_next(std::span<const Token> prefix, Index length) const override {
    const Index t = Index(prefix.size());
    if (t > 2 * length) return {};
    std::vector<Token> next(std::size_t(t % 2 == 0 ? n_points_ : labels_));
    std::iota(next.begin(), next.end(), t % 2 == 0 ? 0 : Token(n_points_));
    return next;
  }
  std::string spell(Token token, Index /*length*/) const override {
    if (token >= n_points_) return spell_class(Token(token - n_points_), 0);
    std::string signs;
    for (Index i = 0; i < dimension_; ++i) signs += (token >> i & 1) != 0 ? '+' : '-';
    return signs;
  }
  std::string spell_class(Token target, Index /*length*/) const override {
    return "y" + std::to_string(target);
  }
  double chance(Index /*length*/) const override { return 1.0 / double(labels_); }
  std::string describe(Index length) const override {
    return std::to_string(length) + " points of {-1,+1}^" + std::to_string(dimension_) +
           " with one of " + std::to_string(labels_) + " labels each, then a point; answer " +
           (all_ ? "at every point after the first" : "at the last point") +
           " the label of the nearest earlier one";
  }
  std::unique_ptr<StreamingReference> streaming(Index length) const override {
    return std::make_unique<Examples>(n_points_, 2 * length, all_);
  }

 private:
  Index dimension_ = 0, n_points_ = 0, labels_ = 0;
  bool all_ = false;
};

}  // namespace

void register_nearest_neighbor(Registry<Task>& tasks) {
  tasks.add<NearestNeighbor>("nearest-neighbor", "the label of the nearest earlier point");
}

}  // namespace separatrix

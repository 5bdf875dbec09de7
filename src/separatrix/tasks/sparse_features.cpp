#include <algorithm>
#include <cassert>

#include "separatrix/base/file.h"
#include "separatrix/base/hash.h"
#include "separatrix/tasks/checks.h"
#include "separatrix/tasks/feature_sampler.h"
#include "separatrix/tasks/feature_stream.h"
#include "separatrix/tasks/features.h"
#include "separatrix/tasks/task.h"

namespace separatrix {
namespace {

struct SparseFeaturesConfig {
  std::string features;
};
template <class V>
void visit(V& v, SparseFeaturesConfig& c) {
  v("features", c.features,
    "YAML file of the features, or its text in {}; empty = two neighbours both 1, or");
}

/// What `features` holds when it is not empty.
struct Source {
  SparseFeatures features;
  std::string file_text;  ///< empty: the config says everything
};
Source read_source(const std::string& field) {
  if (field.front() == '{') return {parse_features(field, "sparse-features/features"), {}};
  std::string text = read_file(field);
  return {parse_features(text, field), std::move(text)};
}

void require_features_length(Index length, Index low) {
  require_length("sparse-features", length, {.low = low, .high = kMaxTokens - 1});
}

constexpr Index kShortestPairs = 2;
constexpr Token kEos = 2;

/// Tokens: bits 0 and 1, EOS = 2. N bits, then EOS, whose target is g(number of features that
/// hold).   [bhattamishra2024]
class SparseFeaturesTask final : public Task {
 public:
  using Config = SparseFeaturesConfig;
  explicit SparseFeaturesTask(const Config& config) {
    if (config.features.empty()) return;
    Source source = read_source(config.features);
    if (!source.file_text.empty()) fingerprint_ = sha256(source.file_text);
    shortest_ = source.features.n_positions();
    fixed_.emplace(std::move(source.features));
  }

  void check_length(Index length) const override { require_features_length(length, shortest_); }
  TaskInfo info(Index length) const override {
    return {
        .vocab_size = 3, .n_classes = 2, .n_tokens = length + 1, .reference = "bhattamishra2024"};
  }
  void label(std::span<const Token> tokens, std::span<Token> targets) const override {
    assert(tokens.size() == targets.size() && Index(tokens.size()) > shortest_);
    std::fill(targets.begin(), targets.end(), kIgnore);
    const auto bits = tokens.first(tokens.size() - 1);
    targets.back() = fixed_ ? fixed_->features().answer(bits) : has_adjacent_ones(bits);
  }
  /// FeatureSampler::sample.
  void sample(Rng& rng, std::span<Token> tokens) const override {
    tokens.back() = kEos;
    const auto bits = tokens.first(tokens.size() - 1);
    if (fixed_)
      fixed_->sample(rng, bits);
    else
      FeatureSampler(adjacent_ones(Index(bits.size()))).sample(rng, bits);
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
    return target == 1 ? "yes" : "no";
  }
  double chance(Index /*length*/) const override {
    return !fixed_ || (fixed_->has(false) && fixed_->has(true)) ? 0.5 : 1;
  }
  std::string describe(Index length) const override {
    const SparseFeatures features = at(length);
    std::size_t widest = 0;
    for (const auto& feature : features.features)
      widest = std::max(widest, feature.positions.size());
    return std::to_string(length) + (length == 1 ? " bit" : " bits") +
           "; answer at the end whether so many of " + std::to_string(features.size()) +
           (features.size() == 1 ? " feature" : " features") + " of up to " +
           std::to_string(widest) + (widest == 1 ? " bit" : " bits") +
           " hold: " + features.condition;
  }
  std::unique_ptr<StreamingReference> streaming(Index length) const override {
    return std::make_unique<FeatureReader>(at(length), length);
  }
  std::string fingerprint() const override { return fingerprint_; }

 private:
  static bool has_adjacent_ones(std::span<const Token> bits) {
    for (std::size_t i = 1; i < bits.size(); ++i)
      if (bits[i - 1] == 1 && bits[i] == 1) return true;
    return false;
  }
  SparseFeatures at(Index length) const {
    return fixed_ ? fixed_->features() : adjacent_ones(length);
  }

  std::optional<FeatureSampler> fixed_;  ///< empty: adjacent_ones
  Index shortest_ = kShortestPairs;
  std::string fingerprint_;
};

}  // namespace

SparseFeatures read_features(const Json& task_config, Index length) {
  const auto config = read_config<SparseFeaturesConfig>(task_config, "sparse-features");
  if (config.features.empty()) {
    require_features_length(length, kShortestPairs);
    return adjacent_ones(length);
  }
  SparseFeatures features = read_source(config.features).features;
  require_features_length(length, features.n_positions());
  return features;
}

void register_sparse_features(Registry<Task>& tasks) {
  tasks.add<SparseFeaturesTask>("sparse-features",
                                "a function of how many features of few bits hold");
}

}  // namespace separatrix

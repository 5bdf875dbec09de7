#pragma once

#include <memory>
#include <span>

#include "separatrix/refute/judge.h"
#include "separatrix/refute/state_runner.h"

namespace separatrix {

/// One symbol of a prefix replaced.
struct Edit {
  Index position = 0;
  Token token = 0;
};

/// All that the rest of a model's run sees of a prefix: two prefixes of one length with equal
/// states get equal answers after every (admitted) suffix. Holds working memory: one per thread.
class PrefixState {
 public:
  virtual ~PrefixState() = default;
  virtual Index size() const = 0;
  /// state [size()] = that after the prefix.
  virtual void after(std::span<const Token> prefix, float* state) = 0;
  /// states [edits, size()]: those after the prefix with one symbol replaced, for each edit.
  virtual void after_edits(std::span<const Token> prefix, std::span<const Edit> edits,
                           float* states) = 0;
};

/// What the recurrent layers carry. The model must have no attention.
class RecurrentState final : public PrefixState {
 public:
  explicit RecurrentState(const Target& target) : runner_(target.weights, target.blocks) {}
  Index size() const override { return runner_.size(); }
  void after(std::span<const Token> prefix, float* state) override;
  /// Runs on from the replaced symbol, not from the start.
  void after_edits(std::span<const Token> prefix, std::span<const Edit> edits,
                   float* states) override;

 private:
  StateRunner runner_;
  std::vector<float> path_;  ///< states before each position of one prefix
};

/// Sup-norm distance of two states.
double distance(std::span<const float> a, std::span<const float> b);

}  // namespace separatrix

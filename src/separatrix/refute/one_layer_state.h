#pragma once

#include <memory>
#include <string>

#include "separatrix/refute/prefix_state.h"

namespace separatrix {

/// What a transformer with one attention layer keeps of a prefix, for the answer at the last token:
/// per head log sum_j e^(s_j) and sum_j softmax_j(s) v_j over the prefix's positions j, s_j being
/// the last token's scores. Bob's part of the attention and everything after it is a function of
/// these and of the suffix alone, as long as the last token stays the same.
class OneLayerState final : public PrefixState {
 public:
  /// Empty if the model is of this kind, else why not.
  static std::string why_not(const Target& target);

  /// Tabulates scores and values of every token at every position of the prefix.
  OneLayerState(const Target& target, Index cut, Token last);

  Index size() const override { return heads_ * (1 + d_value_); }
  void after(std::span<const Token> prefix, float* state) override;
  void after_edits(std::span<const Token> prefix, std::span<const Edit> edits,
                   float* states) override;

 private:
  struct Tables {
    std::vector<float> scores;  ///< [cut, vocab_size, heads]
    std::vector<float> values;  ///< [cut, vocab_size, heads, d_value]
  };
  Index heads_ = 0, d_value_ = 0, vocab_ = 0;
  std::shared_ptr<const Tables> tables_;  ///< copies for other threads share them
  Tokens edited_;
};

}  // namespace separatrix

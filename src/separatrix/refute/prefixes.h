#pragma once

#include <memory>
#include <span>
#include <vector>

#include "separatrix/refute/judge.h"
#include "separatrix/refute/prefix_state.h"

namespace separatrix {

/// Beginnings of a task's samples, all cut at one place.
class Prefixes {
 public:
  Prefixes(const Target& target, std::uint64_t seed, Index cut);

  Index cut() const { return cut_; }
  /// Sample number `index`, the whole instance; the same for every call.
  Tokens instance(std::uint64_t index) const;
  /// A number per residual class, as far as the task's streaming reference knows them: prefixes
  /// that it leaves in one state have equal futures. Without one: a number per prefix.
  std::uint64_t class_of(std::span<const Token> prefix) const;

  /// Edits of single symbols of `tokens` before position `end` whose results still begin an
  /// instance; at most `most`, in random order.
  std::vector<Edit> edits(const Tokens& tokens, Index end, std::size_t most, Rng& rng) const;

 private:
  const Target& target_;
  std::uint64_t seed_;
  Index cut_;
  std::unique_ptr<StreamingReference> reference_;
};

/// Where to cut: after how many tokens the samples' prefixes fall into the most classes (the latest
/// such place); without a streaming reference, the middle and before the last token.
std::vector<Index> choose_cuts(const Target& target, std::uint64_t seed);

/// 64-bit mix of the bits of a state, -0 read as 0.
std::uint64_t hash_state(std::span<const float> state);

}  // namespace separatrix

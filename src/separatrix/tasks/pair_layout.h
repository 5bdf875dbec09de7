#pragma once

#include <string>

#include "separatrix/tasks/checks.h"
#include "separatrix/tasks/task.h"

namespace separatrix {

/// Where the i-th elements of two strings x and y of n symbols stand in an input of 2n symbols:
/// x_0 .. x_{n-1} y_0 .. y_{n-1} (halves) or x_0 y_0 x_1 y_1 .. (interleaved).
struct PairLayout {
  bool interleaved = false;

  std::size_t x(Index i, Index /*n*/) const { return std::size_t(interleaved ? 2 * i : i); }
  std::size_t y(Index i, Index n) const { return std::size_t(interleaved ? 2 * i + 1 : n + i); }
  /// Whether the symbol at position t belongs to x, in an input of 2n symbols.
  bool is_x(Index t, Index n) const { return interleaved ? t % 2 == 0 : t < n; }
  std::string words() const { return interleaved ? "interleaved" : "one after the other"; }

  /// Throws Error(spec) unless the text is "halves" or "interleaved".
  static PairLayout parse(const std::string& field, const std::string& text) {
    return {.interleaved = require_choice(field, text, {"halves", "interleaved"}) == 1};
  }
};

/// Reads x and y and answers at EOS: 0 once some pair (x_i, y_i) has clashed, else 1. State: (1,
/// symbols of x that still wait for their partner ..), only (0) after a clash.
class PairReader final : public StreamingReference {
 public:
  PairReader(PairLayout layout, Index length, bool (*clash)(Token x, Token y))
      : layout_(layout), length_(length), clash_(clash) {}
  State start() const override { return {1}; }
  State step(const State& state, Token token, Index t) const override {
    if (t == length_ || state[0] == 0) return {state[0]};
    State next(state);
    if (layout_.is_x(t, length_ / 2))
      next.push_back(token);
    else if (clash_(next[1], token))
      next = {0};
    else
      next.erase(next.begin() + 1);
    return next;
  }
  Token output(const State& state, Index t) const override {
    return t == length_ ? state[0] : kIgnore;
  }

 private:
  PairLayout layout_;
  Index length_;
  bool (*clash_)(Token, Token);
};

/// Even lengths, with room for EOS.
inline constexpr LengthRange kPairLengths{.low = 2, .high = kMaxTokens - 2, .step = 2};

}  // namespace separatrix

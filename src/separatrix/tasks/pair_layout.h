#pragma once

#include <string>

#include "separatrix/tasks/checks.h"

namespace separatrix {

/// Where the i-th elements of two strings x and y of n symbols stand in an input of 2n symbols:
/// x_0 .. x_{n-1} y_0 .. y_{n-1} (halves) or x_0 y_0 x_1 y_1 .. (interleaved).
struct PairLayout {
  bool interleaved = false;

  std::size_t x(Index i, Index /*n*/) const { return std::size_t(interleaved ? 2 * i : i); }
  std::size_t y(Index i, Index n) const { return std::size_t(interleaved ? 2 * i + 1 : n + i); }
  std::string words() const { return interleaved ? "interleaved" : "one after the other"; }

  /// Throws Error(spec) unless the text is "halves" or "interleaved".
  static PairLayout parse(const std::string& field, const std::string& text) {
    return {.interleaved = require_choice(field, text, {"halves", "interleaved"}) == 1};
  }
};

/// Even lengths, with room for EOS.
inline constexpr LengthRange kPairLengths{.low = 2, .high = kMaxTokens - 2, .step = 2};

}  // namespace separatrix

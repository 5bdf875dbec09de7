#pragma once

#include <cmath>

#include "separatrix/base/names.h"
#include "separatrix/bounds/closed_forms/closed_form.h"

namespace separatrix {

/// Two strings x, y of n = N/2 symbols over q letters, then EOS, where one clash of a pair (x_i,
/// y_i) decides: after t tokens the states are "clashed" and what of x still waits for its partner.
/// Set disjointness is the case q = 2. docs/theory.md, "Equality and disjointness".
struct PairStates {
  Index alphabet = 2, length = 2;
  bool interleaved = false;

  /// q^waiting + clashed.
  Index waiting(Index split) const {
    if (split >= length) return 0;
    if (interleaved) return split % 2;
    return split <= length / 2 ? split : length - split;
  }
  /// 1 once a whole pair has been read, of symbols that can clash.
  Index clashed(Index split) const {
    return alphabet > 1 && split > (interleaved ? 1 : length / 2) ? 1 : 0;
  }
  mpz_class count(Index split) const {
    return power(alphabet, waiting(split)) + long(clashed(split));
  }
  double log2_count(Index split) const {
    const double bits = double(waiting(split)) * std::log2(double(alphabet));
    // Beyond 2^53 one more state is lost in a double's rounding anyway.
    return bits > 60 ? bits : std::log2(std::exp2(bits) + double(clashed(split)));
  }
  Index worst_split() const {
    if (!interleaved) return length / 2;
    return length >= 4 ? 3 : 1;
  }
  /// With "q" or "2" for the alphabet.
  std::string formula(const std::string& q) const {
    if (!interleaved) return q + "^(N/2)";
    return length >= 4 && alphabet > 1 ? q + " + 1" : q;
  }
};

inline PairStates pair_states(const Json& config, Index alphabet, Index length) {
  return {.alphabet = alphabet,
          .length = length,
          .interleaved = same_name(config.at("layout").get<std::string>(), "interleaved")};
}

}  // namespace separatrix

#pragma once

#include <cstdint>
#include <vector>

#include "separatrix/base/index.h"

namespace separatrix {

/// GF(p^e) by tables of powers of a primitive element, p^e <= 2^22. An element is a number below
/// p^e, its digits in base p the coefficients of a polynomial modulo an irreducible one; 0 and 1
/// are the field's. Irreducible polynomials and the products behind the tables come from NTL.
class FiniteField {
 public:
  using Element = std::uint32_t;
  /// p prime, e >= 1.
  FiniteField(Index p, Index e);

  Index size() const { return size_; }
  Element add(Element a, Element b) const;
  Element multiply(Element a, Element b) const {
    return a == 0 || b == 0 ? 0 : powers_[std::size_t(logs_[a]) + std::size_t(logs_[b])];
  }
  /// a + a^p + ... + a^(p^(e-1)), in 0 .. p - 1.
  Element trace(Element a) const;

 private:
  Index characteristic_, degree_, size_;
  std::vector<Element> powers_;       ///< of a primitive element, twice round
  std::vector<std::uint32_t> logs_;   ///< logs_[0] is not used
  std::vector<Element> basis_trace_;  ///< traces of 1, x, .., x^(e-1); the trace is linear
};

/// p and e with p^e == q, or {0, 0}. q >= 2.
struct PrimePower {
  Index prime = 0, exponent = 0;
};
PrimePower prime_power(Index q);

}  // namespace separatrix

#pragma once

#include <functional>

#include "separatrix/bounds/bound.h"

namespace separatrix::one_layer {

/// Digit strings: the first digit has `first` values, the next ones `size`, each one less than the
/// one before if `shrinking`.
struct Family {
  Index first = 1, size = 1, count = 0;
  bool shrinking = false;

  Index radix(Index i) const { return i == 0 ? first : shrinking ? first - i : size; }
  mpz_class total() const { return product(0, count); }  ///< strings

 private:
  mpz_class product(Index from, Index to) const;
};

/// One class of Alice's parts: digits of one family.
struct Class {
  Index family = 0;
  std::vector<Index> digits;
  bool operator==(const Class&) const = default;
};

/// Positions first, first + step, .. (count of them).
struct Progression {
  Index first = 0, step = 1, count = 0;
  bool operator==(const Progression&) const = default;
};

/// What a rule of witness.h says, in terms of whole inputs.
struct Rule {
  std::vector<Family> families = {};
  std::function<std::vector<Token>(const Class&)>
      alice;  ///< her tokens, in the order of her positions
  /// Bob's tokens: a's partner (b is unused), or what tells a and b apart.
  std::function<std::vector<Token>(const Class& a, const Class& b)> bob = {};
  bool partners = false;
  std::vector<Token> dead = {};  ///< Alice's part that has no partner, if that is one more row
  bool exact = false;            ///< there are no other rows (docs/theory.md)
  Progression positions = {};    ///< Alice's
};

/// The input that a rule is carried out on.
struct RuleInput {
  const Task& task;
  Index length = 0, asked = 0;
  Token last = 0;
  Progression alice;  ///< as the witness claims them
};
/// Empty families: no such rule, or not for inputs of this form.
Rule find_rule(const std::string& name, const RuleInput& input);

}  // namespace separatrix::one_layer

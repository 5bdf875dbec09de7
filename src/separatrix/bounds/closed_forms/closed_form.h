#pragma once

#include <memory>
#include <string>
#include <vector>

#include "separatrix/bounds/bound.h"

namespace separatrix {

/// The number of states after each cut of one task at one length, as a formula. docs/theory.md
/// derives each; tests/registered/closed_forms_test.cpp compares each with enumeration.
class ClosedForm {
 public:
  virtual ~ClosedForm() = default;
  /// A cut with the largest count.
  virtual Index worst_split() const = 0;
  /// log2 of the count, as a double: decides whether the number itself is worth computing.
  virtual double log2_count(Index split) const = 0;
  virtual mpz_class count(Index split) const = 0;  ///< after `split` tokens, 0 .. n_tokens
  virtual bool exact(Index split) const = 0;       ///< the minimum, and the level is total
  virtual std::string formula() const = 0;         ///< of the worst cut, in the task's symbols
  virtual std::string theorem() const = 0;
  virtual const char* rule() const = 0;  ///< of the witness: rules/names.h
};

/// `config` has all defaults written out and the length was checked.
struct ClosedFormEntry {
  const char* task;  ///< as registered
  std::unique_ptr<ClosedForm> (*make)(const Json& config, Index length);
};
const std::vector<ClosedFormEntry>& closed_forms();  // closed_form.cpp: one line per task

std::unique_ptr<ClosedForm> index_lookup_form(const Json& config, Index length);
std::unique_ptr<ClosedForm> string_equality_form(const Json& config, Index length);
std::unique_ptr<ClosedForm> set_disjointness_form(const Json& config, Index length);
std::unique_ptr<ClosedForm> bounded_dyck_form(const Json& config, Index length);
std::unique_ptr<ClosedForm> mqar_form(const Json& config, Index length);
std::unique_ptr<ClosedForm> nearest_neighbor_form(const Json& config, Index length);

/// base^exponent.
mpz_class power(Index base, Index exponent);

}  // namespace separatrix

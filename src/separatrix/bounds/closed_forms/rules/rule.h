#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "separatrix/bounds/bound.h"
#include "separatrix/bounds/closed_forms/rules/names.h"

namespace separatrix {

/// Classes that are told from each other by `digits` numbers below `radix` (falling: below radix,
/// radix - 1, ...).
struct ClassGroup {
  Index radix = 1, digits = 0;
  bool falling = false;
};
struct ClassName {
  Index group = 0;
  std::vector<Index> digits = {};
  bool operator==(const ClassName&) const = default;
};

/// What a rule says at one cut of one task and length: a prefix for every class, and for every two
/// classes a suffix after which both are asked and the right answers differ. It knows the task
/// through label and legal_next (and its pairs parameter), never through the formula it is to
/// check.
class Rule {
 public:
  using Tokens = std::vector<Token>;
  virtual ~Rule() = default;
  virtual std::vector<ClassGroup> groups() const = 0;
  virtual Tokens prefix(const ClassName& name) const = 0;  ///< of `split` tokens
  /// Legal after both prefixes; the answers differ somewhere from its position before the first
  /// token (the last of the prefix) on. May be shorter than the rest of the instance.
  virtual Tokens suffix(const ClassName& a, const ClassName& b) const = 0;
  /// Appends tokens until the instance is complete; what they are does not matter.
  virtual void complete(Tokens& tokens) const = 0;
  /// The class that a legal prefix falls into, when every prefix falls into one and all may be
  /// followed by the same suffixes: then the number of classes is the minimum.
  virtual std::optional<ClassName> classify(const Tokens& prefix) const = 0;
};

struct RuleRequest {
  const Task& task;
  const Json& config;
  Index length = 0, split = 0;  ///< 0 <= split <= n_tokens

  Index n_tokens() const { return task.info(length).n_tokens; }
};
/// nullptr when the task is not of the kind the rule is about.
using MakeRule = std::unique_ptr<Rule> (*)(const RuleRequest& request);

std::unique_ptr<Rule> index_query_last_rule(const RuleRequest& request);
std::unique_ptr<Rule> index_query_first_rule(const RuleRequest& request);
std::unique_ptr<Rule> equality_halves_rule(const RuleRequest& request);
std::unique_ptr<Rule> equality_interleaved_rule(const RuleRequest& request);
std::unique_ptr<Rule> disjointness_halves_rule(const RuleRequest& request);
std::unique_ptr<Rule> disjointness_interleaved_rule(const RuleRequest& request);
std::unique_ptr<Rule> dyck_recognition_rule(const RuleRequest& request);
std::unique_ptr<Rule> dyck_next_token_rule(const RuleRequest& request);
std::unique_ptr<Rule> mqar_rule(const RuleRequest& request);
std::unique_ptr<Rule> nearest_neighbor_rule(const RuleRequest& request);

/// Carries out the rule that the witness names: all pairs of classes when there are at most 4096,
/// otherwise drawn ones; counts its classes; and where the bound says exact, that drawn prefixes
/// behave as their class. check.cpp.
WitnessCheck check_rule(const BoundRequest& request, const Bound& bound);

}  // namespace separatrix

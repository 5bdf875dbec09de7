#include <algorithm>
#include <map>
#include <set>

#include "separatrix/base/error.h"
#include "separatrix/bounds/closed_forms/rules/rule.h"
#include "separatrix/tasks/instances.h"

// Checks the closed forms through Task::label and Task::legal_next, sharing nothing with the
// formulas: the number of classes is counted from the rule's own groups, the pairs are labelled.

namespace separatrix {
namespace {

using Tokens = Rule::Tokens;
constexpr Index kAllPairs = 4096;
constexpr Index kDrawnPairs = 1000;
constexpr Index kDrawnPrefixes = 64;
constexpr Index kLabelledTokens = Index{1} << 26;  ///< of drawn pairs, at most
constexpr double kFollowedSteps = 0x1p27;          ///< of legal_next, at most

MakeRule find_rule(const Json& name) {
  static const std::map<std::string, MakeRule> rules = {
      {kRuleIndexQueryLast, index_query_last_rule},
      {kRuleIndexQueryFirst, index_query_first_rule},
      {kRuleEqualityHalves, equality_halves_rule},
      {kRuleEqualityInterleaved, equality_interleaved_rule},
      {kRuleDisjointnessHalves, disjointness_halves_rule},
      {kRuleDisjointnessInterleaved, disjointness_interleaved_rule},
      {kRuleDyckRecognition, dyck_recognition_rule},
      {kRuleDyckNextToken, dyck_next_token_rule},
      {kRuleMqar, mqar_rule},
      {kRuleNearestNeighbor, nearest_neighbor_rule},
  };
  if (!name.is_string()) return nullptr;
  const auto found = rules.find(name.get<std::string>());
  return found == rules.end() ? nullptr : found->second;
}

/// Sum over the groups of radix^digits, or of k! binomial(radix, k).
mpz_class number_of_classes(const std::vector<ClassGroup>& groups) {
  mpz_class sum = 0, running = 1;
  Index radix = 0, digits = 0;  // of running = radix^digits: groups of growing size cost a step
  for (const ClassGroup& group : groups) {
    mpz_class step;
    if (group.falling) {
      mpz_class orders;
      mpz_bin_uiui(step.get_mpz_t(), std::uint64_t(group.radix), std::uint64_t(group.digits));
      mpz_fac_ui(orders.get_mpz_t(), std::uint64_t(group.digits));
      sum += step * orders;
      continue;
    }
    if (group.radix != radix || group.digits < digits) {
      running = 1;
      digits = 0;
    }
    mpz_ui_pow_ui(step.get_mpz_t(), std::uint64_t(group.radix),
                  std::uint64_t(group.digits - digits));
    running *= step;
    radix = group.radix;
    digits = group.digits;
    sum += running;
  }
  return sum;
}

Index radix_at(const ClassGroup& group, Index digit) {
  return group.radix - (group.falling ? digit : 0);
}

class RuleCheck {
 public:
  RuleCheck(const RuleRequest& request, const Rule& rule)
      : request_(request),
        rule_(rule),
        n_tokens_(request.n_tokens()),
        groups_(rule.groups()),
        rng_(0, RngUse::search) {
    const TaskInfo info = request.task.info(request.length);
    const double steps = double(n_tokens_) * double(n_tokens_ + info.vocab_size);
    may_follow_ = Index(kFollowedSteps / (2 * steps));
  }

  WitnessCheck check(const Bound& bound) {
    const mpz_class covered = number_of_classes(groups_);
    if (bound.count != covered)
      return {false, "the rule covers another number of prefixes than the count"};
    const bool all = covered * (covered - 1) / 2 <= kAllPairs;
    const Index pairs = all ? all_pairs() : drawn_pairs();
    if (pairs < 0) return {false, failure_};
    const std::string n = std::to_string(pairs);
    std::string how = all ? "all " + n + " pairs" : "rule on " + n + " random pairs, seed 0";
    if (followed_ < pairs)
      how += "; legality token by token on " + std::to_string(followed_) + " of them";
    if (!bound.exact) return {true, how};
    const Index prefixes = drawn_prefixes();
    if (prefixes < 0) return {false, failure_};
    return {true, how + "; " + std::to_string(prefixes) + " random prefixes fall into its classes"};
  }

 private:
  Index fail(const std::string& why) {
    failure_ = why;
    return -1;
  }

  bool is_instance(const Tokens& tokens) const {
    return separatrix::is_instance(request_.task, request_.length, tokens);
  }

  Tokens labels(const Tokens& tokens) const {
    Tokens targets(tokens.size());
    request_.task.label(tokens, targets);
    return targets;
  }

  /// Empty when the two are told apart, otherwise why not.
  std::string told_apart(const ClassName& a, const ClassName& b) {
    Tokens x = rule_.prefix(a), y = rule_.prefix(b);
    if (Index(x.size()) != request_.split || Index(y.size()) != request_.split)
      return "a prefix of the rule does not end at the cut";
    const Tokens suffix = rule_.suffix(a, b);
    x.insert(x.end(), suffix.begin(), suffix.end());
    y.insert(y.end(), suffix.begin(), suffix.end());
    const std::size_t end = x.size();
    rule_.complete(x);
    rule_.complete(y);
    if (Index(x.size()) != n_tokens_ || Index(y.size()) != n_tokens_)
      return "an input of the rule has another size than the task's";
    if (followed_ < may_follow_) {
      ++followed_;
      if (!is_instance(x) || !is_instance(y)) return "an input of the rule is not legal";
    }
    const Tokens p = labels(x), q = labels(y);
    for (std::size_t t = std::size_t(std::max<Index>(request_.split - 1, 0)); t < end; ++t)
      if (p[t] != kIgnore && q[t] != kIgnore && p[t] != q[t]) return {};
    return "a pair is not told apart";
  }

  /// The first `limit` classes, group by group.
  std::vector<ClassName> some_classes(std::size_t limit) const {
    std::vector<ClassName> out;
    for (Index g = 0; g < Index(groups_.size()); ++g) {
      const ClassGroup& group = groups_[std::size_t(g)];
      ClassName name{g, std::vector<Index>(std::size_t(group.digits), 0)};
      for (bool more = true; more && out.size() < limit;) {
        out.push_back(name);
        more = false;
        for (Index i = group.digits; i-- > 0 && !more;) {
          Index& digit = name.digits[std::size_t(i)];
          more = ++digit < radix_at(group, i);
          if (!more) digit = 0;
        }
      }
    }
    return out;
  }

  Index all_pairs() {
    const std::vector<ClassName> names = some_classes(std::size_t(kAllPairs));
    Index pairs = 0;
    for (std::size_t i = 0; i < names.size(); ++i)
      for (std::size_t j = 0; j < i; ++j, ++pairs)
        if (std::string why = told_apart(names[i], names[j]); !why.empty()) return fail(why);
    return pairs;
  }

  /// Half of the time in the last group, which is the largest.
  ClassName draw() {
    const Index n = Index(groups_.size());
    ClassName name{rng_.coin() ? n - 1 : rng_.below(n), {}};
    const ClassGroup& group = groups_[std::size_t(name.group)];
    name.digits.resize(std::size_t(group.digits));
    for (Index i = 0; i < group.digits; ++i)
      name.digits[std::size_t(i)] = rng_.below(radix_at(group, i));
    return name;
  }

  /// Mostly the hardest pairs: classes that differ in one digit.
  Index drawn_pairs() {
    const Index pairs = std::clamp<Index>(kLabelledTokens / (2 * n_tokens_), 4, kDrawnPairs);
    for (Index done = 0; done < pairs; ++done) {
      const ClassName a = draw();
      ClassName b = a;
      const ClassGroup& group = groups_[std::size_t(a.group)];
      if (group.digits > 0 && rng_.below(4) > 0) {
        const Index i = rng_.below(group.digits), radix = radix_at(group, i);
        Index& digit = b.digits[std::size_t(i)];
        if (radix > 1) digit = (digit + 1 + rng_.below(radix - 1)) % radix;
      }
      while (a == b) b = draw();
      if (std::string why = told_apart(a, b); !why.empty()) return fail(why);
    }
    return pairs;
  }

  /// Prefixes of sampled inputs against the prefix of their class, with the suffixes of two inputs:
  /// the right answers must be the same from the cut on.
  Index drawn_prefixes() {
    const Index prefixes = std::clamp<Index>(kLabelledTokens / (8 * n_tokens_), 1, kDrawnPrefixes);
    const auto split = std::ptrdiff_t(request_.split);
    Tokens own(static_cast<std::size_t>(n_tokens_)), other(own);
    for (Index done = 0; done < prefixes; ++done) {
      request_.task.sample(rng_, own);
      request_.task.sample(rng_, other);
      const Tokens prefix(own.begin(), own.begin() + split);
      const std::optional<ClassName> name = rule_.classify(prefix);
      if (!name) return fail("the rule does not cover every prefix, so the count is not exact");
      const Tokens standing_for = rule_.prefix(*name);
      for (const Tokens& from : {own, other}) {
        Tokens x(prefix), y(standing_for);
        x.insert(x.end(), from.begin() + split, from.end());
        y.insert(y.end(), from.begin() + split, from.end());
        const Tokens p = labels(x), q = labels(y);
        if (!std::equal(p.begin() + std::max<std::ptrdiff_t>(split - 1, 0), p.end(),
                        q.begin() + std::max<std::ptrdiff_t>(split - 1, 0)))
          return fail("a prefix does not behave as its class, so the count is not exact");
      }
    }
    return prefixes;
  }

  const RuleRequest& request_;
  const Rule& rule_;
  Index n_tokens_;
  std::vector<ClassGroup> groups_;
  Rng rng_;
  Index may_follow_ = 0, followed_ = 0;
  std::string failure_;
};

}  // namespace

WitnessCheck check_rule(const BoundRequest& request, const Bound& bound) {
  if (!bound.witness.is_object() || bound.witness.value("kind", Json()) != kRuleKind)
    return {false, "not a witness of this method"};
  const MakeRule make = find_rule(bound.witness.value("rule", Json()));
  if (make == nullptr) return {false, "no rule of that name is known"};
  if (bound.length != request.length || bound.resource != Resource::recurrent_state_bits)
    return {false, "the bound is about another length or resource"};
  const Json split = bound.witness.value("split", Json());
  if (!split.is_number_integer() || split != bound.split)
    return {false, "the witness is about another cut"};
  const RuleRequest at{request.task, request.task_config, request.length, bound.split};
  if (bound.split < 0 || bound.split > at.n_tokens()) return {false, "the cut is not in the input"};
  try {
    const std::unique_ptr<Rule> rule = make(at);
    if (!rule) return {false, "the rule is about another task"};
    return RuleCheck(at, *rule).check(bound);
  } catch (const Error& e) {  // the task's own, on tokens that it never has
    return {false, std::string("the rule does not fit the task: ") + e.what()};
  }
}

}  // namespace separatrix

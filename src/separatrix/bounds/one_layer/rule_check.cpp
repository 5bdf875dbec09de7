#include "separatrix/bounds/one_layer/rule_check.h"

#include <algorithm>
#include <set>

#include "separatrix/bounds/one_layer/rule_book.h"
#include "separatrix/bounds/one_layer/witness.h"

namespace separatrix::one_layer {
namespace {

using Tokens = std::vector<Token>;
constexpr Index kAllPairs = 4096;
constexpr Index kDrawnPairs = 1000;
constexpr Index kDrawnTokens = Index{1} << 26;  ///< labelled at most, and as many read as prefixes

Class draw(const Rule& rule, Rng& rng) {
  // The first family is the largest; every second class comes from it.
  const Index families = Index(rule.families.size());
  Class out{.family = rng.coin() ? 0 : rng.below(families), .digits = {}};
  const Family& family = rule.families[std::size_t(out.family)];
  for (Index i = 0; i < family.count; ++i) out.digits.push_back(rng.below(family.radix(i)));
  return out;
}

/// The same but for one digit, where there is one to change.
Class neighbour(const Rule& rule, Class c, Rng& rng) {
  const Family& family = rule.families[std::size_t(c.family)];
  if (family.count == 0) return c;
  const Index at = rng.below(family.count), radix = family.radix(at);
  Index& digit = c.digits[std::size_t(at)];
  if (radix > 1) digit = (digit + 1 + rng.below(radix - 1)) % radix;
  return c;
}

std::vector<Class> all_classes(const Rule& rule) {
  std::vector<Class> out;
  for (std::size_t f = 0; f < rule.families.size(); ++f) {
    const Family& family = rule.families[f];
    Class c{.family = Index(f), .digits = std::vector<Index>(std::size_t(family.count), 0)};
    for (bool more = family.total() > 0; more;) {
      out.push_back(c);
      Index i = family.count;
      while (--i >= 0 && ++c.digits[std::size_t(i)] == family.radix(i))
        c.digits[std::size_t(i)] = 0;
      more = i >= 0;
    }
  }
  return out;
}

class RuleChecker {
 public:
  RuleChecker(const RuleInput& input, Rule rule)
      : in_(input), rule_(std::move(rule)), n_tokens_(in_.task.info(in_.length).n_tokens) {
    is_alice_.resize(std::size_t(n_tokens_), false);
    const Progression& p = rule_.positions;
    for (Index i = 0; i < p.count; ++i) is_alice_[std::size_t(p.first + i * p.step)] = true;
  }

  WitnessCheck check(const Bound& bound, bool leaves, Token answer) {
    answer_ = answer;
    mpz_class classes = 0;
    for (const Family& family : rule_.families) classes += family.total();
    mpz_class claimed = classes;
    if (leaves ? rule_.partners : !rule_.dead.empty()) claimed += 1;
    if (bound.count != claimed) return {false, "the rule covers another number than the count"};
    const mpz_class n_pairs = classes * (classes - 1) / 2;
    const bool all = n_pairs <= kAllPairs;
    const Index pairs = all ? Index(n_pairs.get_si()) : drawn_pairs();
    walked_ = std::max<Index>(1, kDrawnTokens / (4 * (pairs + 1) * n_tokens_));
    const std::string wrong = all ? all_pairs() : draw_pairs(pairs);
    if (!wrong.empty()) return {false, wrong};
    if (leaves && rule_.partners && !other_seen_) return {false, "no other answer was met"};
    const std::string what = std::to_string(pairs);
    return {true, (all ? "rule on all " + what + " pairs"
                       : "rule on " + what + " pairs, half random and half nearest, seed 0") +
                      (leaves ? " (leaves)" : " (rows)")};
  }

 private:
  Index drawn_pairs() const {
    return std::clamp<Index>(kDrawnTokens / (4 * n_tokens_), 4, kDrawnPairs);
  }
  std::string all_pairs() {
    const std::vector<Class> classes = all_classes(rule_);
    for (std::size_t i = 0; i < classes.size(); ++i) {
      if (!alone(classes[i])) return "a class is not what the rule says";
      for (std::size_t j = 0; j < i; ++j)
        if (!told_apart(classes[i], classes[j])) return "a pair is not told apart";
    }
    return {};
  }
  std::string draw_pairs(Index pairs) {
    Rng rng(0, RngUse::search);
    for (Index i = 0; i < pairs; ++i) {
      const Class a = draw(rule_, rng);
      const Class b = i % 2 == 0 ? draw(rule_, rng) : neighbour(rule_, a, rng);
      if (!alone(a) || !alone(b)) return "a drawn class is not what the rule says";
      if (a != b && !told_apart(a, b)) return "a drawn pair is not told apart";
    }
    return {};
  }

  /// The answer to (Alice's, Bob's); kIgnore when that is no instance or is not asked.
  Token answer_to(const Tokens& alice, const Tokens& bob) {
    Tokens tokens(std::size_t(n_tokens_), in_.last), targets(tokens.size());
    std::size_t a = 0, b = 0;
    if (Index(alice.size()) != rule_.positions.count ||
        Index(alice.size() + bob.size()) != n_tokens_ - 1)
      return kIgnore;
    for (std::size_t t = 0; t < tokens.size(); ++t)
      if (Index(t) != in_.asked) tokens[t] = is_alice_[t] ? alice[a++] : bob[b++];
    if (!is_legal(tokens)) return kIgnore;
    in_.task.label(tokens, targets);
    return targets[std::size_t(in_.asked)];
  }
  /// At every position, or for long inputs at some, evenly spread from a drawn one on.
  bool is_legal(const Tokens& tokens) {
    const Index looked = std::min(walked_, n_tokens_), start = rng_.below(n_tokens_);
    for (Index i = 0; i < looked; ++i) {
      const Index t = (start + i * n_tokens_ / looked) % n_tokens_;
      const Tokens next = in_.task.legal_next(std::span(tokens).first(std::size_t(t)), in_.length);
      if (!std::binary_search(next.begin(), next.end(), tokens[std::size_t(t)])) return false;
    }
    return true;
  }

  /// What can be said of one class: its partner's answer, and that the dead part has another.
  bool alone(const Class& c) {
    if (!rule_.partners) return true;
    const Tokens bob = rule_.bob(c, c);
    if (answer_to(rule_.alice(c), bob) != answer_) return false;
    if (rule_.dead.empty()) return true;
    const Token dead = answer_to(rule_.dead, bob);
    other_seen_ = other_seen_ || (dead != kIgnore && dead != answer_);
    return dead != kIgnore && dead != answer_;
  }
  bool told_apart(const Class& a, const Class& b) {
    if (!rule_.partners) {
      const Tokens bob = rule_.bob(a, b);
      const Token x = answer_to(rule_.alice(a), bob), y = answer_to(rule_.alice(b), bob);
      return x != kIgnore && y != kIgnore && x != y;
    }
    const auto crossing = [&](const Class& x, const Class& y) {
      const Token answer = answer_to(rule_.alice(x), rule_.bob(y, y));
      return answer != kIgnore && answer != answer_;
    };
    const bool apart = crossing(a, b) || crossing(b, a);
    other_seen_ = other_seen_ || apart;
    return apart;
  }

  RuleInput in_;
  Rule rule_;
  Index n_tokens_;
  Index walked_ = 1;  ///< positions of an input at which its legality is looked at
  std::vector<bool> is_alice_;
  Token answer_ = kIgnore;
  bool other_seen_ = false;
  Rng rng_{1, RngUse::search};
};

}  // namespace

WitnessCheck check_one_layer_rule(const BoundRequest& request, const Bound& bound, Index asked,
                                  Token last) {
  std::string name, shows;
  Progression alice;
  Token answer = kIgnore;
  try {
    bound.witness.at("rule").get_to(name);
    bound.witness.at("shows").get_to(shows);
    const Json& positions = bound.witness.at("alice");
    alice = {positions.at("first").get<Index>(), positions.at("step").get<Index>(),
             positions.at("count").get<Index>()};
    if (bound.witness.contains("answer")) bound.witness.at("answer").get_to(answer);
  } catch (const Json::exception&) {
    return {false, "the witness is not readable"};
  }
  const Index n_tokens = request.task.info(request.length).n_tokens;
  if (alice.count < 0 || alice.count >= n_tokens || bound.split != alice.count)
    return {false, "the split is not the number of Alice's tokens"};
  const RuleInput input{request.task, request.length, asked, last, alice};
  Rule rule = find_rule(name, input);
  if (rule.families.empty()) return {false, "not a rule for this task"};
  if (rule.positions != alice) return {false, "the rule is about other positions"};
  if (alice.first < 0 || alice.first + (alice.count - 1) * alice.step >= n_tokens ||
      (asked >= alice.first && (asked - alice.first) % alice.step == 0 &&
       asked < alice.first + alice.count * alice.step))
    return {false, "Alice's positions are not among the others"};
  const bool leaves = shows == "leaves";
  if (!leaves && shows != "rows") return {false, "the witness is not readable"};
  if (leaves && !rule.partners && name != kRuleFixed)
    return {false, "the rule says nothing about leaves"};
  if (bound.exact && (leaves || !rule.exact)) return {false, "the rule does not show exactness"};
  return RuleChecker(input, std::move(rule)).check(bound, leaves, answer);
}

}  // namespace separatrix::one_layer

#include "separatrix/bounds/one_layer/rule_book.h"

#include <algorithm>

#include "separatrix/bounds/one_layer/witness.h"

namespace separatrix::one_layer {

mpz_class Family::product(Index from, Index to) const {
  if (!shrinking) {
    mpz_class out;
    mpz_ui_pow_ui(out.get_mpz_t(), std::uint64_t(size), std::uint64_t(std::max<Index>(to - 1, 0)));
    return to == 0 ? mpz_class(1) : mpz_class(out * long(first));
  }
  if (to - from > 16) {
    const Index middle = from + (to - from) / 2;
    return product(from, middle) * product(middle, to);
  }
  mpz_class out = 1;
  for (Index i = from; i < to; ++i) out *= long(std::max<Index>(radix(i), 0));
  return out;
}

namespace {

using Tokens = std::vector<Token>;

class RuleBook {
 public:
  explicit RuleBook(const RuleInput& input)
      : task_(input.task),
        length_(input.length),
        asked_(input.asked),
        last_(input.last),
        alice_(input.alice) {}

  Rule find(const std::string& name) const {
    const Tokens start = task_.legal_next({}, length_);
    if (name == kRuleCopy || name == kRuleComplement) return pairs(name, start);
    if (name == kRuleRepair || name == kRuleClose) return brackets(name, start);
    if (name == kRuleNest) return nest(start);
    if (name == kRulePoints) return points(start);
    if (name == kRuleKeys || name == kRuleFirstValue) return keys(name, start);
    if (name == kRuleQuery) return query(start);
    if (name == kRuleFixed) return fixed(start);
    if (name == kRuleWaiting) return waiting(start);
    return {};
  }

 private:
  static std::function<Tokens(const Class&)> digits_as(const Tokens& symbols) {
    return [symbols](const Class& c) {
      Tokens out;
      for (const Index digit : c.digits) out.push_back(symbols[std::size_t(digit)]);
      return out;
    };
  }
  static Index first_difference(const Class& a, const Class& b) {
    return std::mismatch(a.digits.begin(), a.digits.end(), b.digits.begin()).first -
           a.digits.begin();
  }
  Index size_of(const Tokens& tokens) const { return Index(tokens.size()); }

  Rule pairs(const std::string& name, const Tokens& symbols) const {
    const Index half = length_ / 2, q = size_of(symbols);
    Rule rule{.families = {{q, q, half}}, .alice = digits_as(symbols), .bob = {}, .dead = {}};
    const bool copy = name == kRuleCopy;
    rule.bob = [symbols, copy, q](const Class& a, const Class&) {
      Tokens out;
      for (const Index digit : a.digits)
        out.push_back(symbols[std::size_t(copy ? digit : q - 1 - digit)]);
      return out;
    };
    if (!copy && q != 2) rule.families.clear();
    rule.partners = rule.exact = true;
    // Halves or interleaved: the labels of the pairs tell which of the two it is.
    rule.positions = {0, alice_.step == 2 ? 2 : 1, half};
    return rule;
  }
  /// After the first token, brackets: the lower half of the legal tokens opens.
  Tokens bracket_tokens(const Tokens& start) const {
    return task_.legal_next(std::span(start).first(1), length_);
  }

  Rule brackets(const std::string& name, const Tokens& start) const {
    const Tokens symbols = bracket_tokens(start);
    const Index types = size_of(symbols) / 2, half = length_ / 2;
    Rule rule;
    rule.alice = digits_as(symbols);
    rule.dead = Tokens(std::size_t(half), symbols.back());
    rule.partners = rule.exact = true;
    rule.positions = {1, 2, half};
    if (name == kRuleClose) {
      rule.families = {{types, types, half}};
      rule.bob = [symbols, types, bos = start.front()](const Class& a, const Class&) {
        Tokens out = {bos};
        for (const Index type : a.digits) out.push_back(symbols[std::size_t(type + types)]);
        return out;
      };
      return rule;
    }
    rule.families = {{types, 2 * types, half}};
    rule.bob = [symbols, types, bos = start.front()](const Class& a, const Class&) {
      Tokens out = {bos};
      Index base = a.digits[0];  // the bracket that is open after each of Alice's
      for (std::size_t i = 1; i < a.digits.size(); ++i) {
        const Index next = a.digits[i];
        if (next < types) {  // Alice opens: the base is closed first
          out.push_back(symbols[std::size_t(base + types)]);
          base = next;
        } else {  // Alice closes: what she closes is opened first
          out.push_back(symbols[std::size_t(next - types)]);
        }
      }
      out.push_back(symbols[std::size_t(base + types)]);
      return out;
    };
    return rule;
  }

  Rule nest(const Tokens& start) const {
    const Tokens symbols = bracket_tokens(start);
    const Index types = size_of(symbols) / 2, t = alice_.count - 1, length = length_;
    if (t < 0 || 2 * t > length_) return {};  // as deep as can still be closed
    Rule rule;
    for (Index d = t; d >= 0; d -= 2) rule.families.push_back({types, types, d});
    // Pairs that are closed at once, then the stack.
    rule.alice = [symbols, types, t, bos = start.front()](const Class& c) {
      Tokens out = {bos};
      for (Index i = 0; i < (t - Index(c.digits.size())) / 2; ++i) {
        out.push_back(symbols[0]);
        out.push_back(symbols[std::size_t(types)]);
      }
      for (const Index type : c.digits) out.push_back(symbols[std::size_t(type)]);
      return out;
    };
    rule.bob = [symbols, types, t, length](const Class& a, const Class&) {
      Tokens out;
      for (std::size_t i = a.digits.size(); i-- > 0;)
        out.push_back(symbols[std::size_t(a.digits[i] + types)]);
      while (Index(out.size()) < length - t) {
        out.push_back(symbols[0]);
        out.push_back(symbols[std::size_t(types)]);
      }
      return out;
    };
    rule.dead = Tokens(std::size_t(alice_.count), symbols.back());
    rule.dead[0] = start.front();
    if (t == 0) rule.dead.clear();
    rule.partners = rule.exact = true;
    rule.positions = {0, 1, alice_.count};
    return rule;
  }

  Rule points(const Tokens& start) const {
    if (length_ < 1 || start.size() < 2) return {};
    const Tokens labels = task_.legal_next(std::span(start).first(1), length_);
    const Index c = size_of(labels), n = length_;
    const Token far = start.front() == last_ ? start.back() : start.front();
    Rule rule{.families = {{c, c, n}}, .alice = digits_as(labels), .bob = {}, .dead = {}};
    rule.bob = [n, far, last = last_](const Class& a, const Class& b) {
      Tokens out(std::size_t(n), far);
      out[std::size_t(first_difference(a, b))] = last;
      return out;
    };
    rule.exact = true;
    rule.positions = {1, 2, n};
    return rule;
  }

  /// Keys that stand before their values, asked once each at the even places after them.
  Rule keys(const std::string& name, const Tokens& start) const {
    const Tokens values = task_.legal_next(std::span(start).first(1), length_);
    Index pairs = 0;
    for (Tokens probe;; ++pairs) {  // as long as a key and then a value may follow
      const Tokens key = task_.legal_next(probe, length_);
      if (key.empty() || key.front() < start.front()) break;
      probe.push_back(key.front());
      const Tokens value = task_.legal_next(probe, length_);
      if (value.empty() || value.front() < values.front()) break;
      probe.push_back(value.front());
    }
    Tokens others;  // keys besides the last one
    for (const Token key : start)
      if (key != last_) others.push_back(key);
    const Index k = pairs, n = length_;
    if (size_of(others) < k - 1 || 4 * k > n || asked_ != n - 2) return {};
    const auto rest = [others, k, n, asked = asked_](Index place) {  // keys in order, and queries
      Tokens keys, tail(std::size_t(n - 2 * k), 0);
      for (Index i = 0, next = 0; i < k; ++i)
        keys.push_back(i == place ? Token(-1) : others[std::size_t(next++)]);
      for (Index i = 0; i < k - 1; ++i) tail[std::size_t(2 * i)] = others[std::size_t(i)];
      tail.erase(tail.begin() + (asked - 2 * k));
      return std::pair(keys, tail);
    };
    Rule rule;
    if (name == kRuleKeys) {
      rule.families = {{size_of(values), 0, k, true}};
      rule.alice = [values](const Class& c) { return distinct_values(values, c); };
      rule.bob = [rest, values, last = last_](const Class& a, const Class& b) {
        const Tokens x = distinct_values(values, a), y = distinct_values(values, b);
        const Index at = std::mismatch(x.begin(), x.end(), y.begin()).first - x.begin();
        auto [keys, tail] = rest(at);
        keys[std::size_t(at)] = last;
        keys.insert(keys.end(), tail.begin(), tail.end());
        return keys;
      };
      rule.exact = true;
      rule.positions = {1, 2, k};
      return rule;
    }
    rule.families = {{size_of(values), size_of(values), 1}};
    rule.alice = [values, last = last_](const Class& c) {
      return Tokens{last, values[std::size_t(c.digits[0])]};
    };
    rule.bob = [rest, values, k](const Class& a, const Class& b) {
      const auto [keys, tail] = rest(0);
      Tokens out;
      std::size_t next = 0;
      for (Index i = 1; i < k; ++i, ++next) {
        while (Index(next) == a.digits[0] || Index(next) == b.digits[0]) ++next;
        out.push_back(keys[std::size_t(i)]);
        out.push_back(values[next]);
      }
      out.insert(out.end(), tail.begin(), tail.end());
      return out;
    };
    rule.positions = {0, 1, 2};
    return rule;
  }
  /// Digits choose from what is left, the last one filling each gap: every sequence of different
  /// values has one string of digits.
  static Tokens distinct_values(Tokens left, const Class& c) {
    Tokens out;
    for (const Index digit : c.digits) {
      out.push_back(left[std::size_t(digit)]);
      left[std::size_t(digit)] = left.back();
      left.pop_back();
    }
    return out;
  }

  Rule query(const Tokens& start) const {
    if (length_ < 2 || size_of(start) != length_) return {};
    const Tokens symbols = task_.legal_next(std::span(start).first(1), length_);
    const Index q = size_of(symbols);
    Rule rule{
        .families = {{q, q, length_ - 1}}, .alice = digits_as(symbols), .bob = {}, .dead = {}};
    rule.bob = [start](const Class& a, const Class& b) {
      return Tokens{start[std::size_t(first_difference(a, b))]};
    };
    rule.exact = true;
    rule.positions = {1, 1, length_ - 1};
    return rule;
  }

  Rule fixed(const Tokens& symbols) const {
    const Index n = length_;
    Rule rule{
        .families = {{size_of(symbols), size_of(symbols), 1}}, .alice = {}, .bob = {}, .dead = {}};
    rule.alice = [symbols, n](const Class& c) {
      return Tokens(std::size_t(n), symbols[std::size_t(c.digits[0])]);
    };
    rule.bob = [](const Class&, const Class&) { return Tokens{}; };
    rule.exact = true;
    rule.positions = {0, 1, n};
    return rule;
  }

  Rule waiting(const Tokens& start) const {
    const Index n = length_;
    if (n < 2 || size_of(start) != n) return {};
    const Tokens symbols = task_.legal_next(std::span(start).first(1), length_);
    const Index q = size_of(symbols);
    if (q < 2) return {};
    Rule rule{.families = {{q, q, 1}}, .alice = {}, .bob = {}, .dead = {}};
    if (n > 2) rule.families.push_back({n - 2, n - 2, 1});
    rule.alice = [start, symbols](const Class& c) {
      const auto digit = std::size_t(c.digits[0]);
      return c.family == 0 ? Tokens{start[0], symbols[digit]}
                           : Tokens{start[1 + digit], symbols[0]};
    };
    // One suffix for both: symbol 0, but where a query looks, another symbol than the other answer.
    rule.bob = [n, symbols](const Class& a, const Class& b) {
      Tokens out(std::size_t(n - 2), symbols[0]);
      const Class& waits = a.family == 1 ? a : b;
      const Class& other = a.family == 1 ? b : a;
      if (waits.family == 1) {
        const bool zero = other.family == 1 || other.digits[0] == 0;
        out[std::size_t(waits.digits[0])] = zero ? symbols[1] : symbols[0];
      }
      return out;
    };
    rule.exact = true;
    rule.positions = {0, 1, 2};
    return rule;
  }

  const Task& task_;
  Index length_, asked_;
  Token last_;
  Progression alice_;
};

}  // namespace

Rule find_rule(const std::string& name, const RuleInput& input) {
  return RuleBook(input).find(name);
}

}  // namespace separatrix::one_layer

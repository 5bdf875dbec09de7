#include <unordered_map>

#include "separatrix/bounds/closed_forms/rules/rule.h"

namespace separatrix {
namespace {

/// The first k keys in order. While pairs are read, a class is the values so far; later the values
/// of the keys that may still be asked (and of the one just asked).
class MqarRule final : public Rule {
 public:
  struct Parameters {
    Index pairs;
    bool blanks_only;  ///< between the queries
  };
  MqarRule(const RuleRequest& r, Parameters parameters, Tokens keys, Tokens values)
      : pairs_(parameters.pairs),
        blanks_only_(parameters.blanks_only),
        length_(r.length),
        split_(r.split),
        keys_(std::move(keys)),
        values_(std::move(values)) {
    const Index n = Index(values_.size());
    if (split_ < 2 * pairs_) {
      // Every two classes must leave values for the pairs to come that neither has used.
      const Index told = split_ / 2, to_come = pairs_ - told;
      const bool enough = 2 * told + to_come <= n;
      group_ = {enough ? n : n - to_come, told, true};
    } else {
      const Index slots_from_last = length_ / 2 - pairs_ - read() / 2;
      group_ = {n, std::min(pairs_, slots_from_last), true};
    }
  }
  std::vector<ClassGroup> groups() const override { return {group_}; }

  Tokens prefix(const ClassName& name) const override {
    const Tokens values = chosen(name, pairs_);
    Tokens out;
    for (Index i = 0; i < pairs_; ++i) {
      out.push_back(keys_[std::size_t(i)]);
      out.push_back(values[std::size_t(i)]);
    }
    if (split_ <= 2 * pairs_) {
      out.resize(std::size_t(split_));
      return out;
    }
    // Keys that no longer count are asked first; with an odd number read, the last one asked is
    // the last key that counts.
    out.resize(std::size_t(split_), kBlank);
    std::size_t slot = std::size_t(2 * pairs_);
    for (Index i = group_.digits; i < pairs_; ++i, slot += 2) out[slot] = keys_[std::size_t(i)];
    if (read() % 2 == 1) out.back() = keys_[std::size_t(group_.digits - 1)];
    return out;
  }
  Tokens suffix(const ClassName& a, const ClassName& b) const override {
    const Tokens x = chosen(a, group_.digits), y = chosen(b, group_.digits);
    const Index at = std::mismatch(x.begin(), x.end(), y.begin()).first - x.begin();
    Tokens out;
    if (split_ < 2 * pairs_) {
      std::vector<bool> used(values_.size(), false);
      for (const Tokens& some : {x, y})
        for (const Token value : some)
          used[std::size_t(std::lower_bound(values_.begin(), values_.end(), value) -
                           values_.begin())] = true;
      std::size_t next = 0;
      for (Index t = split_; t < 2 * pairs_; ++t) {
        if (t % 2 == 0) {
          out.push_back(keys_[std::size_t(t / 2)]);
          continue;
        }
        while (next < used.size() && used[next]) ++next;
        if (next < used.size()) out.push_back(values_[next++]);
      }
    } else if (read() % 2 == 1) {
      if (at == group_.digits - 1) return {};  // just asked
      out.push_back(kBlank);
    }
    out.push_back(keys_[std::size_t(at)]);
    return out;
  }
  /// Ends the pairs, then asks every key not yet asked in the next slots.
  void complete(Tokens& tokens) const override {
    const auto context = std::size_t(2 * pairs_);
    while (tokens.size() < context) {
      const std::size_t t = tokens.size();
      if (t % 2 == 0) {
        tokens.push_back(keys_[t / 2]);
        continue;
      }
      std::size_t i = 0;
      while (std::find(tokens.begin(), tokens.end(), values_[i]) != tokens.end()) ++i;
      tokens.push_back(values_[i]);
    }
    std::unordered_map<Token, bool> waits;
    for (std::size_t t = 0; t < context; t += 2) waits[tokens[t]] = true;
    for (std::size_t t = context; t < tokens.size(); ++t) waits[tokens[t]] = false;
    std::size_t next = 0;
    while (Index(tokens.size()) < length_) {
      Token token = kBlank;
      if (tokens.size() % 2 == 0) {
        while (next < context && !waits[tokens[next]]) next += 2;
        if (next < context) {
          token = tokens[next];
          next += 2;
        }
      }
      tokens.push_back(token);
    }
  }
  std::optional<ClassName> classify(const Tokens& prefix) const override {
    if (split_ == 0 || split_ == length_) return ClassName{};
    if (split_ < 2 * pairs_) {
      if (split_ == 1 && keys_.size() == 1) return ClassName{};
      return std::nullopt;
    }
    const bool all_keys = Index(keys_.size()) == pairs_;
    std::unordered_map<Token, Token> value_of;
    for (std::size_t t = 0; t < std::size_t(2 * pairs_); t += 2)
      value_of[prefix[t]] = prefix[t + 1];
    std::vector<Token> values;
    if (read() == 0 && all_keys)
      for (Index i = 0; i < pairs_; ++i) values.push_back(value_of[keys_[std::size_t(i)]]);
    else if (read() == length_ - 2 * pairs_ - 1 && length_ == 4 * pairs_ &&
             (blanks_only_ || all_keys))
      values.push_back(value_of[prefix.back()]);
    else
      return std::nullopt;
    return named(values);
  }

 private:
  static constexpr Token kBlank = 0;
  Index read() const { return split_ - 2 * pairs_; }

  /// Digit i of a class exchanges value i with value i + digit (Fisher-Yates): every injection
  /// comes from exactly one list of digits. Only what was moved is kept.
  class Exchange {
   public:
    Index take(Index i, Index digit) {
      const Index out = at(i + digit);
      moved_[i + digit] = at(i);
      moved_[i] = out;
      return out;
    }
    Index at(Index i) const {
      const auto found = moved_.find(i);
      return found == moved_.end() ? i : found->second;
    }

   private:
    std::unordered_map<Index, Index> moved_;
  };
  /// The first n values of the class; beyond its digits those that come next.
  Tokens chosen(const ClassName& name, Index n) const {
    Exchange exchange;
    Tokens out;
    for (Index i = 0; i < n; ++i) {
      const Index digit = i < Index(name.digits.size()) ? name.digits[std::size_t(i)] : 0;
      out.push_back(values_[std::size_t(exchange.take(i, digit))]);
    }
    return out;
  }
  std::optional<ClassName> named(const Tokens& values) const {
    Exchange exchange;
    ClassName name;
    for (Index i = 0; i < Index(values.size()); ++i) {
      const Index value = std::lower_bound(values_.begin(), values_.end(), values[std::size_t(i)]) -
                          values_.begin();
      Index digit = 0;
      while (i + digit < Index(values_.size()) && exchange.at(i + digit) != value) ++digit;
      if (i + digit >= Index(values_.size())) return std::nullopt;
      exchange.take(i, digit);
      name.digits.push_back(digit);
    }
    return name;
  }

  Index pairs_;
  bool blanks_only_;
  Index length_, split_;
  Tokens keys_, values_;
  ClassGroup group_;
};

}  // namespace

std::unique_ptr<Rule> mqar_rule(const RuleRequest& r) {
  if (!r.config.is_object() || !r.config.contains("pairs") ||
      !r.config.contains("random_non_queries"))
    return nullptr;
  const Index pairs = r.config.at("pairs");
  const bool blanks_only = !r.config.at("random_non_queries").get<bool>();
  if (pairs < 1 || r.length < 4 * pairs || r.length % 2 != 0 || r.n_tokens() != r.length)
    return nullptr;
  Rule::Tokens keys = r.task.legal_next({}, r.length);
  if (keys.empty()) return nullptr;
  Rule::Tokens values = r.task.legal_next(std::span(keys).first(1), r.length);
  if (Index(keys.size()) < pairs || Index(values.size()) < pairs) return nullptr;
  return std::make_unique<MqarRule>(r, MqarRule::Parameters{pairs, blanks_only}, std::move(keys),
                                    std::move(values));
}

}  // namespace separatrix

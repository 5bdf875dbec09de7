#include "separatrix/base/names.h"
#include "separatrix/bounds/closed_forms/rules/rule.h"

namespace separatrix {
namespace {

/// String equality and set disjointness, both layouts. A class is what of x waits for its partner,
/// or (last group) that a pair has clashed. Where pairs must not clash, symbol 0 meets symbol 0.
class PairRule final : public Rule {
 public:
  struct Kind {
    bool equality, interleaved;
  };
  PairRule(const RuleRequest& r, Kind kind, Tokens symbols, Token eos)
      : half_(r.length / 2),
        split_(r.split),
        kind_(kind),
        symbols_(std::move(symbols)),
        eos_(eos) {}

  std::vector<ClassGroup> groups() const override {
    std::vector<ClassGroup> out;
    if (may_have_clashed()) out.push_back({1, 0});
    out.push_back({Index(symbols_.size()), waiting()});
    return out;
  }
  Tokens prefix(const ClassName& name) const override {
    Tokens out;
    const bool clash = clashed(name);
    for (Index t = 0; t < read(); ++t) {
      Index symbol = 0;
      if (clash)
        symbol = is_x(t) ? (kind_.equality ? 0 : 1) : 1;
      else if (const Index w = place(t); w >= 0)
        symbol = name.digits[std::size_t(w)];
      out.push_back(symbols_[std::size_t(symbol)]);
    }
    if (split_ > 2 * half_) out.push_back(eos_);
    return out;
  }
  Tokens suffix(const ClassName& a, const ClassName& b) const override {
    const ClassName& alive = clashed(a) ? b : a;
    const bool both = !clashed(a) && !clashed(b);
    std::vector<Index> partners(std::size_t(waiting()), 0);
    if (kind_.equality) {
      partners = alive.digits;
    } else if (both) {
      const auto at = std::mismatch(a.digits.begin(), a.digits.end(), b.digits.begin()).first -
                      a.digits.begin();
      partners[std::size_t(at)] = 1;
    }
    Tokens out;
    for (Index t = read(); t < 2 * half_; ++t) {
      const Index w = is_x(t) ? -1 : place(partner(t));
      out.push_back(symbols_[std::size_t(w < 0 ? 0 : partners[std::size_t(w)])]);
    }
    if (split_ <= 2 * half_) out.push_back(eos_);
    return out;
  }
  void complete(Tokens&) const override {}
  std::optional<ClassName> classify(const Tokens& prefix) const override {
    ClassName name{may_have_clashed() ? 1 : 0, {}};
    for (Index t = 0; t < read(); ++t) {
      if (place(t) >= 0)
        name.digits.push_back(std::find(symbols_.begin(), symbols_.end(), prefix[std::size_t(t)]) -
                              symbols_.begin());
      if (is_x(t)) continue;
      const Token x = prefix[std::size_t(partner(t))], y = prefix[std::size_t(t)];
      if (kind_.equality ? x != y : x == symbols_[1] && y == symbols_[1]) return ClassName{};
    }
    return name;
  }

 private:
  Index read() const { return std::min(split_, 2 * half_); }
  bool is_x(Index t) const { return kind_.interleaved ? t % 2 == 0 : t < half_; }
  Index partner(Index t) const {  // the position of x_i for that of y_i
    return kind_.interleaved ? t - 1 : t - half_;
  }
  Index waiting() const {
    if (kind_.interleaved) return read() % 2;
    return std::min(read(), 2 * half_ - read());
  }
  /// Which waiting symbol the one at t is; -1: none.
  Index place(Index t) const {
    const Index first = kind_.interleaved ? read() - 1 : std::max<Index>(0, read() - half_);
    return is_x(t) && t >= first && t < first + waiting() ? t - first : -1;
  }
  /// A whole pair has been read, and there are symbols that differ.
  bool may_have_clashed() const {
    return symbols_.size() > 1 && read() > (kind_.interleaved ? 1 : half_);
  }
  bool clashed(const ClassName& name) const { return may_have_clashed() && name.group == 0; }

  Index half_, split_;
  Kind kind_;
  Tokens symbols_;
  Token eos_;
};

std::unique_ptr<Rule> make(const RuleRequest& r, PairRule::Kind kind) {
  if (r.length % 2 != 0 || r.n_tokens() != r.length + 1) return nullptr;
  Rule::Tokens symbols = r.task.legal_next({}, r.length);
  if (symbols.empty() || (!kind.equality && symbols.size() < 2)) return nullptr;
  const Rule::Tokens full(std::size_t(r.length), symbols.front());
  const Rule::Tokens last = r.task.legal_next(full, r.length);
  if (last.size() != 1) return nullptr;
  return std::make_unique<PairRule>(r, kind, std::move(symbols), last[0]);
}

}  // namespace

std::unique_ptr<Rule> equality_halves_rule(const RuleRequest& r) {
  return make(r, {.equality = true, .interleaved = false});
}
std::unique_ptr<Rule> equality_interleaved_rule(const RuleRequest& r) {
  return make(r, {.equality = true, .interleaved = true});
}
std::unique_ptr<Rule> disjointness_halves_rule(const RuleRequest& r) {
  return make(r, {.equality = false, .interleaved = false});
}
std::unique_ptr<Rule> disjointness_interleaved_rule(const RuleRequest& r) {
  return make(r, {.equality = false, .interleaved = true});
}

}  // namespace separatrix

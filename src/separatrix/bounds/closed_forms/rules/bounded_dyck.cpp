#include "separatrix/bounds/closed_forms/rules/rule.h"

namespace separatrix {
namespace {

/// The alphabet as the task lists it: BOS, the opening brackets, each with its closing one, EOS.
struct Alphabet {
  Token bos = 0, eos = 0;
  std::vector<Token> open, close;
  Index depth = 0;  ///< deepest nesting that the labels accept, at most N / 2
};

/// What both modes share: stacks that fit into what was read and what is left.
class DyckRule : public Rule {
 public:
  DyckRule(const RuleRequest& r, Alphabet alphabet)
      : length_(r.length), split_(r.split), alphabet_(std::move(alphabet)) {}

  void complete(Tokens& tokens) const override {
    if (tokens.empty()) tokens.push_back(alphabet_.bos);
    std::vector<Token> open;  // closing brackets owed
    for (const Token token : tokens) {
      const auto o = std::find(alphabet_.open.begin(), alphabet_.open.end(), token);
      if (o != alphabet_.open.end())
        open.push_back(alphabet_.close[std::size_t(o - alphabet_.open.begin())]);
      else if (!open.empty() && token == open.back())
        open.pop_back();
    }
    const auto end = std::size_t(length_ + 1);
    while (tokens.size() < end && !open.empty()) {
      tokens.push_back(open.back());
      open.pop_back();
    }
    fill(tokens, end);
    if (tokens.size() == end) tokens.push_back(alphabet_.eos);
  }

 protected:
  Index brackets() const { return std::clamp<Index>(split_ - 1, 0, length_); }
  Index types() const { return Index(alphabet_.open.size()); }
  std::vector<ClassGroup> stacks() const {
    std::vector<ClassGroup> out;
    const Index t = brackets();
    for (Index d = t % 2; d <= std::min({t, alphabet_.depth, length_ - t}); d += 2)
      out.push_back({types(), d});
    return out;
  }
  /// Pairs of brackets up to `size` tokens.
  void fill(Tokens& tokens, std::size_t size) const {
    for (Index i = 0; tokens.size() < size; ++i)
      tokens.push_back((i % 2 == 0 ? alphabet_.open : alphabet_.close)[0]);
  }
  /// Pairs first and the stack on top of them, so that nothing is nested too deep.
  Tokens push(const std::vector<Index>& stack) const {
    Tokens out;
    if (split_ > 0) out.push_back(alphabet_.bos);
    fill(out, out.size() + std::size_t(brackets()) - stack.size());
    for (const Index type : stack) out.push_back(alphabet_.open[std::size_t(type)]);
    if (split_ > length_ + 1) out.push_back(alphabet_.eos);
    return out;
  }
  Token closing(Index type) const { return alphabet_.close[std::size_t(type)]; }

  Index length_, split_;
  Alphabet alphabet_;
};

class Recognition final : public DyckRule {
 public:
  using DyckRule::DyckRule;
  std::vector<ClassGroup> groups() const override {
    std::vector<ClassGroup> out;
    if (brackets() > 0) out.push_back({1, 0});
    for (const ClassGroup& stack : stacks()) out.push_back(stack);
    return out;
  }
  Tokens prefix(const ClassName& name) const override {
    if (!is_dead(name)) return push(name.digits);
    Tokens out(std::size_t(brackets() + 1), closing(0));
    out[0] = alphabet_.bos;
    if (split_ > length_ + 1) out.push_back(alphabet_.eos);
    return out;
  }
  Tokens suffix(const ClassName& a, const ClassName& b) const override {
    Tokens out;
    const std::vector<Index>& stack = (is_dead(a) ? b : a).digits;
    for (std::size_t i = stack.size(); i-- > 0;) out.push_back(closing(stack[i]));
    fill(out, std::size_t(length_ - brackets()));
    if (split_ <= length_ + 1) out.push_back(alphabet_.eos);
    return out;
  }
  std::optional<ClassName> classify(const Tokens& prefix) const override {
    const Index t = brackets();
    if (t == 0) return ClassName{};
    ClassName name;
    for (std::size_t i = 1; i <= std::size_t(t); ++i) {
      const auto o = std::find(alphabet_.open.begin(), alphabet_.open.end(), prefix[i]);
      if (o != alphabet_.open.end()) {
        name.digits.push_back(o - alphabet_.open.begin());
        if (Index(name.digits.size()) > alphabet_.depth) return ClassName{};
      } else {
        if (name.digits.empty() || prefix[i] != closing(name.digits.back())) return ClassName{};
        name.digits.pop_back();
      }
    }
    const Index depth = Index(name.digits.size());
    if (depth > length_ - t) return ClassName{};
    name.group = 1 + depth / 2;
    return name;
  }

 private:
  bool is_dead(const ClassName& name) const { return brackets() > 0 && name.group == 0; }
};

class NextToken final : public DyckRule {
 public:
  using DyckRule::DyckRule;
  std::vector<ClassGroup> groups() const override { return stacks(); }
  Tokens prefix(const ClassName& name) const override { return push(name.digits); }
  Tokens suffix(const ClassName& a, const ClassName& b) const override {
    Tokens out;
    auto x = a.digits.rbegin(), y = b.digits.rbegin();
    for (; x != a.digits.rend() && y != b.digits.rend() && *x == *y; ++x, ++y)
      out.push_back(closing(*x));
    return out;
  }
  /// Stacks differ in what may follow, so a count above 1 is never called exact.
  std::optional<ClassName> classify(const Tokens&) const override {
    const std::vector<ClassGroup> all = stacks();
    if (all.size() != 1 || (all[0].digits > 0 && types() > 1)) return std::nullopt;
    return ClassName{0, std::vector<Index>(std::size_t(all[0].digits), 0)};
  }
};

bool accepted(const RuleRequest& r, const Rule::Tokens& word) {
  Rule::Tokens targets(word.size());
  r.task.label(word, targets);
  return targets.back() == 1;
}

/// Opens `depth` brackets, closes them, goes on with pairs: accepted up to the task's depth.
Index deepest_accepted(const RuleRequest& r, const Alphabet& alphabet) {
  Index low = 0, high = r.length / 2;
  while (low < high) {
    const Index depth = (low + high + 1) / 2;
    Rule::Tokens word{alphabet.bos};
    word.insert(word.end(), std::size_t(depth), alphabet.open[0]);
    word.insert(word.end(), std::size_t(depth), alphabet.close[0]);
    while (Index(word.size()) <= r.length)
      word.insert(word.end(), {alphabet.open[0], alphabet.close[0]});
    word.push_back(alphabet.eos);
    if (accepted(r, word))
      low = depth;
    else
      high = depth - 1;
  }
  return low;
}

/// How many opening brackets in a row are answered.
Index deepest_answered(const RuleRequest& r, const Alphabet& alphabet) {
  Rule::Tokens word(std::size_t(r.length + 2), alphabet.open[0]), targets(word.size());
  word.front() = alphabet.bos;
  word.back() = alphabet.eos;
  r.task.label(word, targets);
  Index depth = 0;
  while (depth < r.length / 2 && targets[std::size_t(depth + 1)] != kIgnore) ++depth;
  return depth;
}

/// Opening and closing brackets by their order in legal_next, as docs/tasks.md numbers them; the
/// pairs' labels tell whether that is right.
std::optional<Alphabet> read_alphabet(const RuleRequest& r, bool next_token) {
  if (r.length % 2 != 0 || r.n_tokens() != r.length + 2) return std::nullopt;
  const Rule::Tokens first = r.task.legal_next({}, r.length);
  if (first.size() != 1) return std::nullopt;
  Alphabet out{
      .bos = first[0], .eos = Token(r.task.info(r.length).vocab_size - 1), .open = {}, .close = {}};
  out.open = r.task.legal_next(first, r.length);
  if (next_token) {
    for (const Token open : out.open) {
      const Rule::Tokens after{first[0], open};
      const Rule::Tokens next = r.task.legal_next(after, r.length);
      if (next.empty()) return std::nullopt;
      out.close.push_back(next.back());
    }
  } else {
    const std::size_t n = out.open.size() / 2;
    out.close.assign(out.open.begin() + std::ptrdiff_t(n), out.open.end());
    out.open.resize(n);
  }
  if (out.open.empty() || out.open.size() != out.close.size()) return std::nullopt;
  out.depth = next_token ? deepest_answered(r, out) : deepest_accepted(r, out);
  if (out.depth < 1) return std::nullopt;
  return out;
}

}  // namespace

std::unique_ptr<Rule> dyck_recognition_rule(const RuleRequest& r) {
  std::optional<Alphabet> alphabet = read_alphabet(r, false);
  if (!alphabet) return nullptr;
  return std::make_unique<Recognition>(r, std::move(*alphabet));
}
std::unique_ptr<Rule> dyck_next_token_rule(const RuleRequest& r) {
  std::optional<Alphabet> alphabet = read_alphabet(r, true);
  if (!alphabet) return nullptr;
  return std::make_unique<NextToken>(r, std::move(*alphabet));
}

}  // namespace separatrix

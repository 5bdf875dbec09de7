#include "separatrix/bounds/closed_forms/rules/rule.h"

namespace separatrix {
namespace {

/// What both orders share: symbols and queries as the task lists them.
class IndexRule : public Rule {
 public:
  IndexRule(const RuleRequest& r, Tokens symbols, Tokens queries)
      : length_(r.length),
        split_(r.split),
        symbols_(std::move(symbols)),
        queries_(std::move(queries)) {}

 protected:
  Index q() const { return Index(symbols_.size()); }
  Token symbol(Index i) const { return symbols_[std::size_t(i)]; }
  Token query(Index i) const { return queries_[std::size_t(i)]; }
  Index index_of(const Tokens& among, Token token) const {
    return std::find(among.begin(), among.end(), token) - among.begin();
  }
  Index length_, split_;
  Tokens symbols_, queries_;
};

class QueryLast final : public IndexRule {
 public:
  using IndexRule::IndexRule;
  /// Before the query every prefix; after it the answer.
  std::vector<ClassGroup> groups() const override { return {{q(), answered() ? 1 : split_}}; }
  Tokens prefix(const ClassName& name) const override {
    Tokens out;
    for (const Index digit : name.digits) out.push_back(symbol(digit));
    if (!answered()) return out;
    out.resize(std::size_t(length_), symbol(0));
    out.push_back(query(0));
    return out;
  }
  Tokens suffix(const ClassName& a, const ClassName& b) const override {
    if (answered()) return {};
    const Index at =
        std::mismatch(a.digits.begin(), a.digits.end(), b.digits.begin()).first - a.digits.begin();
    Tokens out(std::size_t(length_ - split_), symbol(0));
    out.push_back(query(at));
    return out;
  }
  void complete(Tokens&) const override {}
  std::optional<ClassName> classify(const Tokens& prefix) const override {
    ClassName name;
    if (answered())
      return ClassName{
          0, {index_of(symbols_, prefix[std::size_t(index_of(queries_, prefix.back()))])}};
    for (const Token token : prefix) name.digits.push_back(index_of(symbols_, token));
    return name;
  }

 private:
  bool answered() const { return split_ > length_; }
};

/// After t >= 1 symbols: the symbol that a served query has seen, and the queries that wait. With a
/// single symbol all are one class.
class QueryFirst final : public IndexRule {
 public:
  using IndexRule::IndexRule;
  std::vector<ClassGroup> groups() const override {
    if (one_class()) return {{1, 0}};
    if (split_ == 1) return {{length_, 1}};
    if (read() == length_) return {{q(), 1}};
    return {{q(), 1}, {length_ - read(), 1}};
  }
  Tokens prefix(const ClassName& name) const override {
    if (split_ == 0) return {};
    Tokens out(std::size_t(split_), symbol(0));
    if (one_class()) {
      out[0] = query(0);
      return out;
    }
    out[0] = query(waits(name) ? position(name) : 0);
    if (!waits(name)) out[1] = symbol(name.digits[0]);
    return out;
  }
  Tokens suffix(const ClassName& a, const ClassName& b) const override {
    Tokens out(std::size_t(length_ - std::max<Index>(read(), 0)), symbol(0));
    const ClassName &waiting = waits(a) ? a : b, &other = waits(a) ? b : a;
    if (!waits(waiting)) return out;
    // `other` sees symbol 0 at its own position, or has seen its symbol.
    const Index seen = waits(other) ? 0 : other.digits[0];
    out[std::size_t(position(waiting) - read())] = symbol(seen == 0 ? 1 : 0);
    return out;
  }
  void complete(Tokens& tokens) const override {
    if (tokens.empty()) tokens.push_back(query(0));
    tokens.resize(std::size_t(length_ + 1), symbol(0));
  }
  std::optional<ClassName> classify(const Tokens& prefix) const override {
    if (one_class()) return ClassName{};
    const Index p = index_of(queries_, prefix[0]);
    if (split_ == 1) return ClassName{0, {p}};
    if (p >= read()) return ClassName{1, {p - read()}};
    return ClassName{0, {index_of(symbols_, prefix[std::size_t(p + 1)])}};
  }

 private:
  bool one_class() const { return split_ == 0 || q() == 1; }
  Index read() const { return split_ - 1; }
  bool waits(const ClassName& name) const { return split_ == 1 || name.group == 1; }
  Index position(const ClassName& name) const { return read() + name.digits[0]; }
};

}  // namespace

std::unique_ptr<Rule> index_query_last_rule(const RuleRequest& r) {
  if (r.n_tokens() != r.length + 1) return nullptr;
  const Rule::Tokens symbols = r.task.legal_next({}, r.length);
  const Rule::Tokens full(std::size_t(r.length), symbols.front());
  Rule::Tokens queries = r.task.legal_next(full, r.length);
  if (Index(queries.size()) != r.length) return nullptr;
  return std::make_unique<QueryLast>(r, symbols, std::move(queries));
}

std::unique_ptr<Rule> index_query_first_rule(const RuleRequest& r) {
  if (r.n_tokens() != r.length + 1) return nullptr;
  Rule::Tokens queries = r.task.legal_next({}, r.length);
  if (Index(queries.size()) != r.length) return nullptr;
  Rule::Tokens symbols = r.task.legal_next(std::span(queries).first(1), r.length);
  if (symbols.empty()) return nullptr;
  return std::make_unique<QueryFirst>(r, std::move(symbols), std::move(queries));
}

}  // namespace separatrix

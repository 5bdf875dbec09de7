#include <cmath>

#include "separatrix/base/names.h"
#include "separatrix/bounds/closed_forms/closed_form.h"
#include "separatrix/bounds/closed_forms/rules/names.h"

namespace separatrix {
namespace {

/// Query last: q^t after t <= N symbols, then q. Query first: 1, then N, then N - t + q after t >=
/// 1 symbols; 1 everywhere when there is a single symbol. docs/theory.md, "Index lookup".
class IndexLookupForm final : public ClosedForm {
 public:
  IndexLookupForm(Index q, bool query_first, Index length)
      : q_(q), n_(length), query_first_(query_first) {}

  Index worst_split() const override { return query_first_ ? 2 : n_; }
  double log2_count(Index split) const override {
    if (query_first_) return std::log2(double(small_count(split)));
    return double(split <= n_ ? split : 1) * std::log2(double(q_));
  }
  mpz_class count(Index split) const override {
    if (query_first_) return mpz_class(long(small_count(split)));
    return power(q_, split <= n_ ? split : 1);
  }
  bool exact(Index /*split*/) const override { return true; }
  std::string formula() const override {
    return query_first_ ? (q_ == 1 ? "1" : "N - 1 + q") : "q^N";
  }
  std::string theorem() const override { return "bhattamishra2024 (docs/theory.md, Index lookup)"; }
  const char* rule() const override {
    return query_first_ ? kRuleIndexQueryFirst : kRuleIndexQueryLast;
  }

 private:
  Index small_count(Index split) const {
    if (split == 0 || q_ == 1) return 1;
    return split == 1 ? n_ : n_ - (split - 1) + q_;
  }
  Index q_, n_;
  bool query_first_;
};

}  // namespace

std::unique_ptr<ClosedForm> index_lookup_form(const Json& config, Index length) {
  const bool query_first = same_name(config.at("query").get<std::string>(), "first");
  return std::make_unique<IndexLookupForm>(config.at("alphabet"), query_first, length);
}

}  // namespace separatrix

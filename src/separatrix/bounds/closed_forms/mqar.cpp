#include <algorithm>
#include <cmath>

#include "separatrix/bounds/closed_forms/closed_form.h"
#include "separatrix/bounds/closed_forms/rules/names.h"

namespace separatrix {
namespace {

/// m (m-1) .. (m-k+1), halves multiplied first: numbers of equal size are multiplied fastest.
mpz_class falling(Index m, Index k) {
  if (k == 0) return 1;
  if (k == 1) return mpz_class(long(m));
  return falling(m, k / 2) * falling(m - k / 2, k - k / 2);
}

/// With X keys and Y values: the pairs (key i, value) of fixed keys, values an injection. During
/// the pairs the values of a suffix must be free in every prefix; during the queries only the keys
/// that may still be asked count. docs/theory.md, "Associative recall".
class MqarForm final : public ClosedForm {
 public:
  MqarForm(const Json& config, Index length)
      : pairs_(config.at("pairs")), n_(length), random_(config.at("random_non_queries")) {
    const Index vocabulary = config.at("vocab_size");
    keys_ = vocabulary / 2 - 1;
    values_ = vocabulary - vocabulary / 2;
  }

  Index worst_split() const override { return 2 * pairs_; }
  double log2_count(Index split) const override {
    const Choices c = choices(split);
    return (std::lgamma(double(c.among + 1)) - std::lgamma(double(c.among - c.chosen + 1))) /
           std::log(2.0);
  }
  mpz_class count(Index split) const override {
    const Choices c = choices(split);
    return falling(c.among, c.chosen);
  }
  bool exact(Index split) const override {
    const Index slots = (n_ - 2 * pairs_) / 2, read = split - 2 * pairs_;
    if (split == 0 || split == n_) return true;
    if (split == 1) return keys_ == 1;
    if (split == 2 * pairs_) return keys_ == pairs_;
    // Only the value of the last query is left, and every prefix has just been asked it.
    return read == 2 * slots - 1 && slots == pairs_ && (!random_ || keys_ == pairs_);
  }
  std::string formula() const override { return "Y! / (Y-k)!, Y = V - floor(V/2)"; }
  std::string theorem() const override {
    return "arora2024, per length (docs/theory.md, Associative recall)";
  }
  const char* rule() const override { return kRuleMqar; }

 private:
  struct Choices {
    Index among = 1, chosen = 0;
  };
  Choices choices(Index split) const {
    if (split < 2 * pairs_) {
      const Index told = split / 2;
      return {.among = told + pairs_ <= values_ ? values_ : values_ - (pairs_ - told),
              .chosen = told};
    }
    const Index slots = n_ / 2 - pairs_, read = split - 2 * pairs_;
    return {.among = values_, .chosen = std::min(pairs_, slots - read / 2)};
  }

  Index pairs_, n_, keys_ = 0, values_ = 0;
  bool random_;
};

}  // namespace

std::unique_ptr<ClosedForm> mqar_form(const Json& config, Index length) {
  return std::make_unique<MqarForm>(config, length);
}

}  // namespace separatrix

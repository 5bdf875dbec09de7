#include <algorithm>
#include <cmath>

#include "separatrix/base/names.h"
#include "separatrix/bounds/closed_forms/closed_form.h"
#include "separatrix/bounds/closed_forms/rules/names.h"

namespace separatrix {
namespace {

/// After t brackets: one state per stack from which the word can still be completed, of depth d = t
/// mod 2, d <= min(t, k, N - t), and (recognition, t >= 1) one for all other prefixes. After EOS:
/// accepted or rejected. docs/theory.md, "Bounded Dyck words".
class BoundedDyckForm final : public ClosedForm {
 public:
  BoundedDyckForm(const Json& config, Index length)
      : types_(config.at("types")),
        depth_(config.at("depth")),
        n_(length),
        next_token_(same_name(config.at("mode").get<std::string>(), "next-token")) {}

  Index worst_split() const override { return 1 + std::min(depth_, n_ / 2); }
  double log2_count(Index split) const override {
    const Index t = brackets(split), d = deepest(t);
    const double log_n = std::log2(double(types_));
    // sum_j n^(d - 2j) = n^d (1 - n^(-2 terms)) / (1 - n^-2)
    const auto terms = double(d / 2 + 1);
    const double stacks = types_ == 1 ? std::log2(terms)
                                      : double(d) * log_n +
                                            std::log2(-std::expm1(-2 * terms * std::log(types_))) -
                                            std::log2(1 - std::pow(double(types_), -2));
    return stacks > 60 ? stacks : std::log2(std::exp2(stacks) + double(dead(t)));
  }
  mpz_class count(Index split) const override {
    const Index t = brackets(split), d = deepest(t), least = t % 2;
    const mpz_class dead_state = long(dead(t));
    if (types_ == 1) return mpz_class(long((d - least) / 2 + 1)) + dead_state;
    const mpz_class numerator = power(types_, d + 2) - power(types_, least);
    const mpz_class ratio = mpz_class(long(types_)) * long(types_) - 1;
    mpz_class sum;
    mpz_divexact(sum.get_mpz_t(), numerator.get_mpz_t(), ratio.get_mpz_t());
    return sum + dead_state;
  }
  /// Next-token: only words are legal, so two stacks have different futures and the problem is a
  /// promise wherever there are two.
  bool exact(Index split) const override { return !next_token_ || count_is_one(split); }
  std::string formula() const override {
    const std::string stacks = "sum_{d = t mod 2}^{min(t,k,N-t)} n^d, t = min(k,N/2)";
    return next_token_ ? stacks : "1 + " + stacks;
  }
  std::string theorem() const override {
    return "hewitt2020, per length (docs/theory.md, Bounded Dyck words)";
  }
  const char* rule() const override {
    return next_token_ ? kRuleDyckNextToken : kRuleDyckRecognition;
  }

 private:
  /// Brackets read after `split` tokens: BOS and EOS are none.
  Index brackets(Index split) const { return std::clamp<Index>(split - 1, 0, n_); }
  /// The largest d = t mod 2 up to min(t, k, N - t); N - t and t have the same parity.
  Index deepest(Index t) const {
    const Index d = std::min({t, depth_, n_ - t});
    return d - (t - d) % 2;
  }
  Index dead(Index t) const { return next_token_ || t == 0 ? 0 : 1; }
  bool count_is_one(Index split) const {
    const Index d = deepest(brackets(split));
    return d == 0 || (d == 1 && types_ == 1);
  }

  Index types_, depth_, n_;
  bool next_token_;
};

}  // namespace

std::unique_ptr<ClosedForm> bounded_dyck_form(const Json& config, Index length) {
  return std::make_unique<BoundedDyckForm>(config, length);
}

}  // namespace separatrix

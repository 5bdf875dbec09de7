#include <algorithm>
#include <cmath>

#include "separatrix/bounds/closed_forms/closed_form.h"
#include "separatrix/bounds/closed_forms/rules/names.h"

namespace separatrix {
namespace {

/// After j pairs: min(j, 2^d) fixed points with any labels. After the query: its answer.
/// docs/theory.md, "Nearest neighbour".
class NearestNeighborForm final : public ClosedForm {
 public:
  NearestNeighborForm(const Json& config, Index length)
      : points_(Index{1} << config.at("dimension").get<Index>()),
        labels_(config.at("labels")),
        n_(length) {}

  Index worst_split() const override { return 2 * std::min(n_, points_); }
  double log2_count(Index split) const override {
    return double(exponent(split)) * std::log2(double(labels_));
  }
  mpz_class count(Index split) const override { return power(labels_, exponent(split)); }
  bool exact(Index split) const override { return split == 0 || split == 2 * n_ + 1; }
  std::string formula() const override { return "C^min(N, 2^d)"; }
  std::string theorem() const override {
    return "bhattamishra2024 (docs/theory.md, Nearest neighbour)";
  }
  const char* rule() const override { return kRuleNearestNeighbor; }

 private:
  Index exponent(Index split) const {
    return split == 2 * n_ + 1 ? 1 : std::min(split / 2, points_);
  }
  Index points_, labels_, n_;
};

}  // namespace

std::unique_ptr<ClosedForm> nearest_neighbor_form(const Json& config, Index length) {
  return std::make_unique<NearestNeighborForm>(config, length);
}

}  // namespace separatrix

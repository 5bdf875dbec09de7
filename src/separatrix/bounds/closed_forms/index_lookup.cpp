#include "separatrix/bounds/closed_forms/index_lookup.h"

#include <cassert>
#include <cmath>

#include "separatrix/bounds/bound.h"
#include "separatrix/bounds/closed_forms/index_lookup_witness.h"

namespace separatrix {
namespace {

constexpr double kMaxCountBits = 0x1p25;  ///< 4 MiB: seconds to print in decimal

struct ClosedFormConfig {};
template <class V>
void visit(V&, ClosedFormConfig&) {}

class ClosedForm final : public BoundMethod {
 public:
  using Config = ClosedFormConfig;
  explicit ClosedForm(const Config&) {}

  std::vector<Bound> compute(const BoundRequest& request) const override {
    if (!same_name(request.task_name, "index-lookup")) return {};
    const Index length = request.length;
    const Index q = request.task_config.at("alphabet");
    const bool first = same_name(request.task_config.at("query").get<std::string>(), "first");
    const double bits = double(length) * std::log2(double(q));
    if (!first && bits > kMaxCountBits)
      throw Error(ErrorKind::spec,
                  "the count " + std::to_string(q) + "^" + std::to_string(length) + " has " +
                      std::to_string(std::llround(bits / 8)) + " bytes; the limit is " +
                      std::to_string(std::llround(kMaxCountBits / 8)),
                  "closed-form", "take a shorter length");
    const Index split = first ? 2 : length;
    return {{.method = "closed-form",
             .theorem = "bhattamishra2024 (docs/theory.md, Index lookup)",
             .resource = Resource::recurrent_state_bits,
             .length = length,
             .split = split,
             .count = index_lookup_classes({q, length, first, split}),
             .exact = true,
             .witness = index_lookup_witness(first)}};
  }
  WitnessCheck check(const BoundRequest& request, const Bound& bound) const override {
    return check_index_lookup(request.task, bound);
  }
};

}  // namespace

mpz_class index_lookup_classes(const IndexLookupCut& cut) {
  const auto [q, n, query_first, split] = cut;
  assert(q >= 1 && n >= 1 && 0 <= split && split <= n + 1);
  if (!query_first) {
    mpz_class count;
    mpz_ui_pow_ui(count.get_mpz_t(), std::uint64_t(q), std::uint64_t(split <= n ? split : 1));
    return count;
  }
  if (split == 0) return 1;
  return split == 1 ? mpz_class(long(n)) : mpz_class(long(n - (split - 1) + q));
}

void register_index_lookup_bound(Registry<BoundMethod>& bounds) {
  bounds.add<ClosedForm>("closed-form", "index lookup of any length: exact number of states");
}

}  // namespace separatrix

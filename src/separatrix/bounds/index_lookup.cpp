#include "separatrix/bounds/index_lookup.h"

#include <cassert>
#include <cmath>

#include "separatrix/bounds/bound.h"
#include "separatrix/bounds/index_lookup_witness.h"

namespace separatrix {
namespace {

constexpr double kMaxCountBits = 0x1p25;  ///< 4 MiB: seconds to print in decimal

struct ClosedFormConfig {};
template <class V>
void visit(V&, ClosedFormConfig&) {}

/// The position token stands where the legal tokens are not the classes 0 .. q-1.
bool query_is_first(const Task& task, Index length) {
  return task.legal_next({}, length).front() >= task.info(length).n_classes;
}

class ClosedForm final : public BoundMethod {
 public:
  using Config = ClosedFormConfig;
  explicit ClosedForm(const Config&) {}

  std::optional<Bound> compute(const Task& task, const std::string& task_name,
                               Index length) const override {
    if (!same_name(task_name, "index-lookup")) return std::nullopt;
    task.check_length(length);
    const Index q = task.info(length).n_classes;
    const bool first = query_is_first(task, length);
    const double bits = double(length) * std::log2(double(q));
    if (!first && bits > kMaxCountBits)
      throw Error(ErrorKind::spec,
                  "the count " + std::to_string(q) + "^" + std::to_string(length) + " has " +
                      std::to_string(std::llround(bits / 8)) + " bytes; the limit is " +
                      std::to_string(std::llround(kMaxCountBits / 8)),
                  "closed-form", "take a shorter length");
    const Index split = first ? 2 : length;
    return Bound{.method = "closed-form",
                 .theorem = "bhattamishra2024 (docs/theory.md, Index lookup)",
                 .resource = Resource::recurrent_state_bits,
                 .length = length,
                 .split = split,
                 .count = index_lookup_classes({q, length, first, split}),
                 .exact = true,
                 .witness = index_lookup_witness(first)};
  }
  WitnessCheck check(const Task& task, const Bound& bound) const override {
    return check_index_lookup(task, bound);
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

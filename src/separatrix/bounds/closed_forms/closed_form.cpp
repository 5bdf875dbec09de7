#include "separatrix/bounds/closed_forms/closed_form.h"

#include <algorithm>
#include <cassert>
#include <cmath>

#include "separatrix/base/error.h"
#include "separatrix/base/names.h"
#include "separatrix/bounds/closed_forms/rules/rule.h"

namespace separatrix {
namespace {

constexpr double kMaxCountBits = 0x1p25;  ///< 4 MiB: seconds to print in decimal
constexpr double kMaxCutBits = 0x1p26;    ///< of all cuts together, each at least one word
constexpr double kWordBits = 64;

struct ClosedFormConfig {};
template <class V>
void visit(V&, ClosedFormConfig&) {}

std::vector<CutCount> all_cuts(const ClosedForm& form, Index n_tokens) {
  double bits = 0;
  for (Index t = 0; t <= n_tokens && bits <= kMaxCutBits; ++t)
    bits += std::max(kWordBits, form.log2_count(t));
  if (bits > kMaxCutBits) return {};
  std::vector<CutCount> cuts;
  cuts.reserve(std::size_t(n_tokens + 1));
  for (Index t = 0; t <= n_tokens; ++t) cuts.push_back({t, form.count(t), form.exact(t)});
  return cuts;
}

class ClosedFormMethod final : public BoundMethod {
 public:
  using Config = ClosedFormConfig;
  explicit ClosedFormMethod(const Config&) {}

  std::vector<Bound> compute(const BoundRequest& request) const override {
    const auto& list = closed_forms();
    const auto entry = std::find_if(list.begin(), list.end(), [&](const ClosedFormEntry& e) {
      return same_name(e.task, request.task_name);
    });
    if (entry == list.end()) return {};
    const auto form = entry->make(request.task_config, request.length);
    const Index split = form->worst_split();
    if (const double bits = form->log2_count(split); bits > kMaxCountBits)
      throw Error(ErrorKind::spec,
                  "the count " + form->formula() + " has " +
                      std::to_string(std::llround(bits / 8)) + " bytes; the limit is " +
                      std::to_string(std::llround(kMaxCountBits / 8)),
                  "closed-form", "take a shorter length");
    return {{.method = "closed-form",
             .theorem = form->theorem(),
             .resource = Resource::recurrent_state_bits,
             .length = request.length,
             .split = split,
             .count = form->count(split),
             .exact = form->exact(split),
             .formula = form->formula(),
             .cuts = all_cuts(*form, request.task.info(request.length).n_tokens),
             .witness = {{"kind", kRuleKind}, {"rule", form->rule()}, {"split", split}}}};
  }
  WitnessCheck check(const BoundRequest& request, const Bound& bound) const override {
    return check_rule(request, bound);
  }
};

}  // namespace

const std::vector<ClosedFormEntry>& closed_forms() {
  static const std::vector<ClosedFormEntry> list = {
      {"index-lookup", index_lookup_form},
      {"string-equality", string_equality_form},
      {"set-disjointness", set_disjointness_form},
      {"bounded-dyck", bounded_dyck_form},
      {"mqar", mqar_form},
      {"nearest-neighbor", nearest_neighbor_form},
  };
  return list;
}

mpz_class power(Index base, Index exponent) {
  assert(base >= 0 && exponent >= 0);
  mpz_class out;
  mpz_ui_pow_ui(out.get_mpz_t(), std::uint64_t(base), std::uint64_t(exponent));
  return out;
}

void register_closed_forms(Registry<BoundMethod>& bounds) {
  bounds.add<ClosedFormMethod>("closed-form",
                               "number of recurrent states by a formula, at any length");
}

}  // namespace separatrix

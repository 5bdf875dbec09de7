#include "separatrix/bounds/information_ceiling.h"

#include <cmath>

#include "separatrix/base/error.h"
#include "separatrix/base/names.h"
#include "separatrix/bounds/ceiling.h"

namespace separatrix {
namespace {

constexpr double kMaxCountBits = 0x1p25;  ///< as for closed-form

struct InformationCeilingConfig {};
template <class V>
void visit(V&, InformationCeilingConfig&) {}

/// Fano's inequality, symbol by symbol. docs/theory.md, "What b bits can recall".
class InformationCeiling final : public BoundMethod {
 public:
  using Config = InformationCeilingConfig;
  explicit InformationCeiling(const Config&) {}

  std::vector<Bound> compute(const BoundRequest& request) const override {
    const auto ceiling =
        RecallCeiling::of_task(request.task_name, request.task_config, request.length);
    if (!ceiling) return {};
    const double a = request.accuracy, bits = ceiling->bits_lower(a);
    if (!(bits > 0)) return {};  // guessing reaches that accuracy
    const std::string formula = "2^(ceil(x) - 1) + 1, x = " + words(request.task_name);
    if (bits > kMaxCountBits)
      throw Error(ErrorKind::spec,
                  "the count " + formula + " has " + std::to_string(std::llround(bits / 8)) +
                      " bytes; the limit is " + std::to_string(std::llround(kMaxCountBits / 8)),
                  "information-ceiling", "take a shorter length");
    // States >= 2^bits > 2^w for w whole bits below, and states are a whole number.
    const double whole = std::ceil(bits) - 1;
    mpz_class count = 1;
    mpz_mul_2exp(count.get_mpz_t(), count.get_mpz_t(), std::uint64_t(whole));
    count += 1;
    return {{.method = "information-ceiling",
             .theorem = "Fano's inequality (docs/theory.md, What b bits can recall)",
             .resource = Resource::recurrent_state_bits,
             .length = request.length,
             .split = before_queries(request),
             .count = count,
             .scope = ceiling_scope(a),
             .formula = formula,
             .witness = {{"kind", kCeilingKind}, {"accuracy", a}, {"bits", bits}}}};
  }
  WitnessCheck check(const BoundRequest& request, const Bound& bound) const override {
    return check_ceiling(request, bound);
  }

 private:
  static Index before_queries(const BoundRequest& request) {
    if (same_name(request.task_name, "index-lookup")) return request.length;
    if (same_name(request.task_name, "mqar"))
      return 2 * request.task_config.at("pairs").get<Index>();
    return 2 * request.length;
  }
  static std::string words(const std::string& task) {
    if (same_name(task, "index-lookup")) return "N c_q(a)";
    if (same_name(task, "mqar")) return "sum_{m=Y-k+1}^{Y} c_m(a)";
    return "c_C(a) / P(same nearest)";
  }
};

}  // namespace

std::string ceiling_scope(double accuracy) {
  return "mean accuracy at least " + Json(accuracy).dump() + " over the task's own inputs";
}

void register_information_ceiling(Registry<BoundMethod>& bounds) {
  bounds.add<InformationCeiling>("information-ceiling",
                                 "bits that a mean accuracy needs, for tasks of recall");
}

}  // namespace separatrix

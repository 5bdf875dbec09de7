#include "separatrix/proofs/pair_dataflow.h"

#include <algorithm>

#include "separatrix/proofs/pair_flow.h"
#include "separatrix/proofs/recheck.h"
#include "separatrix/proofs/run.h"

// Proves that a register compares two halves rightly on all inputs: each of its bits is a function
// of one pair (x_i, y_i). docs/theory.md, "Registers of pairs".

namespace separatrix {
namespace {

struct PairDataflowConfig {};
template <class V>
void visit(V&, PairDataflowConfig&) {}

/// Products of one run of the model, whose matrices are dense.
double cost_of_run(const Subject& subject, Index length) {
  const double D = double(subject.weights.spec.d_model);
  return 2 * D * D * double(subject.task.info(length).n_tokens);
}

/// Runs the model on the input. No sum is rounded, so what the float32 program answers is what the
/// reals give. A 16-bit program is emulated, too slowly for the largest models.
bool refute_exactly(Certificate& c, const Subject& subject, std::span<const Token> input) {
  constexpr double kMostEmulated = 2e10;
  const Arithmetic arithmetic = c.claim.arithmetic;
  if (is_emulated(arithmetic) && cost_of_run(subject, c.claim.length) > kMostEmulated) return false;
  if (arithmetic == Arithmetic::real) c.claim.arithmetic = Arithmetic::float32;
  const bool refuted = refute(c, subject, input);
  c.claim.arithmetic = arithmetic;
  return refuted;
}

/// Every unit as a table over one pair of symbols: exact for all |S|^N inputs.
class PairDataflow final : public CertificateMethod {
 public:
  using Config = PairDataflowConfig;
  explicit PairDataflow(const Config&) {}

  Certificate certify(const Claim& claim, const Subject& subject) const override {
    Certificate c = begin_certificate("pair-dataflow", claim, subject.weights);
    std::string why;
    const auto model = Elman::view(subject.weights, claim.arithmetic, why);
    if (!model) return undecided(std::move(c), why);
    if (!model->holds_bits()) return undecided(std::move(c), "the state is not of bits");
    const auto question = find_pair_question(subject.task, claim.length, why);
    if (!question) return undecided(std::move(c), why);
    PairFlow flow(*model, *question);
    if (!flow.read(why)) return give_up(std::move(c), subject, why);
    const auto worst = flow.least_margin(claim.arithmetic);
    if (!keeps(claim, worst.margin) && refute_exactly(c, subject, worst.input)) return c;
    c.trusted_base =
        "the code of this method or of its recheck; that sums which need no rounding "
        "are not rounded; " +
        trust_in(*question);
    c.evidence = {
        {"pairs", question->n}, {"functions", flow.functions()}, {"digest", flow.digest()}};
    return conclude(std::move(c), worst.margin, question->inputs());
  }

  std::string recheck(const Certificate& c, const Subject& subject) const override {
    if (c.verdict == Verdict::refuted) return recheck_counterexample(c, subject);
    return recheck_pair_dataflow(c, subject);
  }

 private:
  static Certificate give_up(Certificate c, const Subject& subject, const std::string& why) {
    constexpr double kMostRun = 4e9;
    constexpr Index kSamples = 256;
    const Index count = std::min(kSamples, Index(kMostRun / cost_of_run(subject, c.claim.length)));
    const bool real = c.claim.arithmetic == Arithmetic::real;
    if (real) c.claim.arithmetic = Arithmetic::float32;  // no sum is rounded
    const bool refuted = count > 0 && refute_by_sampling(c, subject, count);
    if (real) c.claim.arithmetic = Arithmetic::real;
    return refuted ? c : undecided(std::move(c), why);
  }
};

}  // namespace

void register_pair_dataflow(Registry<CertificateMethod>& methods) {
  methods.add<PairDataflow>("pair-dataflow",
                            "bits of a recurrent state as functions of one pair of symbols");
}

}  // namespace separatrix

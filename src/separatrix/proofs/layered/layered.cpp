#include <algorithm>
#include <limits>

#include "separatrix/base/parallel.h"
#include "separatrix/proofs/layered/reading.h"
#include "separatrix/proofs/layered/recheck_layered.h"
#include "separatrix/proofs/recheck.h"
#include "separatrix/proofs/run.h"

namespace separatrix {
namespace {

using namespace layered;

struct LayeredConfig {};
template <class V>
void visit(V&, LayeredConfig&) {}

/// Cases of which the queries are the same: the same asked positions and views.
std::vector<std::vector<std::size_t>> by_query(const Cover& cover) {
  std::vector<std::vector<std::size_t>> groups;
  for (std::size_t i = 0; i < cover.cases.size(); ++i) {
    const auto same = [&](const Case& a, const Case& b) {
      return a.asked == b.asked && a.asked_views == b.asked_views;
    };
    if (groups.empty() || !same(cover.cases[groups.back().front()], cover.cases[i]))
      groups.emplace_back();
    groups.back().push_back(i);
  }
  return groups;
}

/// Certificates C and D of docs/certificates.md: layer by layer over the cases of a task.
class Layered final : public CertificateMethod {
 public:
  using Config = LayeredConfig;
  explicit Layered(const Config&) {}

  Certificate certify(const Claim& claim, const Subject& subject) const override {
    Certificate c = begin_certificate("layered", claim, subject.weights);
    std::string why;
    const Index n_tokens = subject.task.info(claim.length).n_tokens;
    const auto net = view_network(subject.weights, n_tokens, claim.arithmetic, why);
    if (!net) return undecided(std::move(c), why);
    const std::vector<Cover> covers = covers_of(claim, subject.task, why);
    double best = -std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < covers.size(); ++i) {
      const std::string wrong = disagreement(covers[i], subject.task, claim.length);
      if (!wrong.empty()) return undecided(std::move(c), wrong);
      const auto found = margins(*net, covers[i], subject, claim.arithmetic, c.evidence, why);
      if (!found) continue;
      const double least = *std::min_element(found->begin(), found->end());
      best = std::max(best, least);
      if (!keeps(claim, least)) continue;
      c.evidence["cover"] = i;
      c.trusted_base =
          std::string(
              "IEEE arithmetic in any order, an exponential within 4 units in the last "
              "place, and the cases of ") +
          claim.task + ", which were compared with Task::label on " +
          (compares_all(covers[i]) ? "all" : "64") + " inputs";
      return conclude(std::move(c), least, covers[i].inputs);
    }
    c.evidence = Json::object();
    if (covers.empty() || best == -std::numeric_limits<double>::infinity())
      return undecided(std::move(c), why);
    constexpr Index kSamples = 256;
    if (refute_by_sampling(c, subject, kSamples)) return c;
    return undecided(std::move(c), "a case is proved with a margin of " + std::to_string(best) +
                                       " only, and no sampled input fails");
  }

  std::string recheck(const Certificate& c, const Subject& subject) const override {
    if (c.verdict == Verdict::refuted) return recheck_counterexample(c, subject);
    return recheck_layered(c, subject);
  }

 private:
  static std::optional<std::vector<double>> margins(const Network& net, const Cover& cover,
                                                    const Subject& subject, Arithmetic arithmetic,
                                                    Json& evidence, std::string& why) {
    const Numbers numbers(arithmetic);
    const auto rows = rows_of(net, cover, numbers, why);
    if (!rows) return std::nullopt;
    const Reading reading(net, cover, *rows, numbers);
    why = reading.obstacle();
    if (!why.empty()) return std::nullopt;
    std::vector<double> out(cover.cases.size());
    const auto groups = by_query(cover);
    parallel_for(subject.threads, Index(groups.size()), [&](std::size_t /*worker*/, Index g) {
      const auto& group = groups[std::size_t(g)];
      const auto queries = reading.queries(cover.cases[group.front()]);
      for (const std::size_t i : group) out[i] = reading.margin(cover.cases[i], queries);
    });
    evidence = {
        {"cases", cover.cases.size()}, {"classes", rows->kind.size()}, {"leak", rows->worst_leak}};
    return out;
  }
};

}  // namespace

void register_layered(Registry<CertificateMethod>& methods) {
  methods.add<Layered>("layered", "layer by layer: positions, snapped symbols, then cases");
}

}  // namespace separatrix

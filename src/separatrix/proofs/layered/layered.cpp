#include <algorithm>
#include <limits>

#include "separatrix/base/parallel.h"
#include "separatrix/proofs/layered/reading.h"
#include "separatrix/proofs/layered/recheck_layered.h"
#include "separatrix/proofs/recheck.h"
#include "separatrix/proofs/run.h"

namespace separatrix {
namespace {

using layered::Case;
using layered::Cover;
using layered::Network;
using layered::Numbers;
using layered::Reading;

struct LayeredConfig {};
template <class V>
void visit(V&, LayeredConfig&) {}

/// Cases of which the queries are the same: the same asked positions and views.
std::vector<std::vector<std::size_t>> by_query(const Cover& cover) {
  std::vector<std::vector<std::size_t>> groups;
  for (std::size_t i = 0; i < cover.cases.size(); ++i) {
    const auto same = [&](const Case& a, const Case& b) {
      return a.asked == b.asked && a.asker == b.asker;
    };
    if (groups.empty() || !same(cover.cases[groups.back().front()], cover.cases[i]))
      groups.emplace_back();
    groups.back().push_back(i);
  }
  return groups;
}

bool counts(const Cover& cover) {
  return std::any_of(cover.cases.begin(), cover.cases.end(),
                     [](const Case& entry) { return entry.shape == Case::Shape::counted; });
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
    const auto net = layered::view_network(subject.weights, n_tokens, claim.arithmetic, why);
    if (!net) return undecided(std::move(c), why);
    const std::vector<Cover> covers = layered::covers_of(claim, why);
    double best = -std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < covers.size(); ++i) {
      const std::string wrong = layered::disagreement(covers[i], subject.task, claim.length);
      if (!wrong.empty()) return undecided(std::move(c), wrong);
      const auto least = least_margin(*net, covers[i], subject, claim.arithmetic, c.evidence, why);
      if (!least) continue;
      best = std::max(best, *least);
      if (!keeps(claim, *least)) continue;
      c.evidence["cover"] = i;
      c.trusted_base =
          std::string(
              "IEEE arithmetic in any order, an exponential within 4 units in the last "
              "place") +
          (counts(covers[i]) ? " that is 1 at 0 and 0 below -120" : "") + ", and the cases of " +
          claim.task + ", which were compared with Task::label on " +
          (layered::compares_all(covers[i]) ? "all" : "64") + " inputs";
      return conclude(std::move(c), *least, covers[i].inputs);
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
  static std::optional<double> least_margin(const Network& net, const Cover& cover,
                                            const Subject& subject, Arithmetic arithmetic,
                                            Json& evidence, std::string& why) {
    const Numbers numbers(arithmetic);
    const auto rows = layered::rows_of(net, cover, numbers, why);
    if (!rows) return std::nullopt;
    const Reading reading(net, cover, *rows, numbers);
    why = reading.obstacle();
    if (!why.empty()) return std::nullopt;
    const auto groups = by_query(cover);
    std::vector<double> margins(groups.size(), std::numeric_limits<double>::infinity());
    std::vector<Reading::Pool> pools(groups.size());
    parallel_for(subject.threads, Index(groups.size()), [&](std::size_t /*worker*/, Index g) {
      const auto& group = groups[std::size_t(g)];
      const auto queries = reading.queries(cover.cases[group.front()]);
      for (const std::size_t i : group) {
        const Case& entry = cover.cases[i];
        double& least = margins[std::size_t(g)];
        if (entry.answer == Case::kThere)
          pools[std::size_t(g)].join(reading.pool(entry, queries));
        else
          least = std::min(least, reading.margin(entry, queries));
      }
    });
    Reading::Pool pool;
    for (const Reading::Pool& more : pools) pool.join(more);
    if (!pool.row.empty()) margins.push_back(reading.margin(pool, subject.threads));
    evidence = {
        {"cases", cover.cases.size()}, {"classes", rows->kind.size()}, {"leak", rows->worst_leak}};
    return *std::min_element(margins.begin(), margins.end());
  }
};

}  // namespace

void register_layered(Registry<CertificateMethod>& methods) {
  methods.add<Layered>("layered", "layer by layer: positions, snapped symbols, then cases");
}

}  // namespace separatrix

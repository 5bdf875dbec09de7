#include "separatrix/proofs/intervals.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "separatrix/base/parallel.h"
#include "separatrix/proofs/intervals_recheck_network.h"
#include "separatrix/proofs/lookup_form.h"
#include "separatrix/proofs/recheck.h"
#include "separatrix/proofs/run.h"

namespace separatrix {
namespace {

struct IntervalsConfig {};
template <class V>
void visit(V&, IntervalsConfig&) {}

constexpr double kMaxNodes = 20000, kMaxWork = 1e8;  ///< boxes; boxes times parameters times tokens
constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// All inputs with one query and one symbol where it looks: their answer is known.
struct Root {
  InputBox box;
  Token y = 0;
  std::vector<Index> free;  ///< positions that hold any symbol
};

Root make_root(const LookupForm& form, Index which) {
  const auto p = std::size_t(which) / form.symbols.size(),
             s = std::size_t(which) % form.symbols.size();
  Root root;
  root.box.assign(std::size_t(form.n) + 1, form.symbols);
  root.box[std::size_t(form.query_at())] = {form.queries[p]};
  root.box[std::size_t(form.symbol_at(form.position[p]))] = {form.symbols[s]};
  root.y = form.answer[p][s];
  for (Index j = 0; j < form.n; ++j)
    if (j != form.position[p] && form.symbols.size() > 1) root.free.push_back(form.symbol_at(j));
  return root;
}

/// Branch and bound below one root, depth first.
class Search {
 public:
  Search(const BoxModel& model, const Claim& claim, Index max_nodes)
      : model_(model), claim_(claim), left_(max_nodes) {}

  struct Found {
    bool finished = false;
    double margin = kInfinity;
    std::vector<Index> order;    ///< positions in the order in which they are split
    std::string tree;            ///< depth first: '1' holds, '0' is split at the next position
    std::vector<Token> suspect;  ///< one input that the intervals do not clear
  };
  Found run(Root root) {
    Found out;
    root.free = by_effect(root);
    out.order = root.free;
    out.finished = descend(root.box, root.y, 0, out);
    return out;
  }

 private:
  /// The positions, that first whose knowledge narrows the margin most.
  std::vector<Index> by_effect(Root& root) {
    std::vector<std::pair<double, Index>> effects;
    for (const Index t : root.free) {
      auto& set = root.box[std::size_t(t)];
      const auto all = set;
      set = {all.front()};
      const auto margin = model_.margin(root.box, root.y);
      const double width = margin.upper - margin.lower;
      effects.emplace_back(std::isnan(width) ? kInfinity : width, t);
      set = all;
      --left_;
    }
    std::stable_sort(effects.begin(), effects.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    std::vector<Index> order;
    order.reserve(effects.size());
    for (const auto& [width, t] : effects) order.push_back(t);
    return order;
  }

  bool descend(InputBox& box, Token y, std::size_t depth, Found& out) {
    if (left_-- <= 0) return false;
    const double margin = model_.margin(box, y).lower;
    if (keeps(claim_, margin)) {
      out.tree += '1';
      out.margin = std::min(out.margin, margin);
      return true;
    }
    if (depth == out.order.size()) {
      for (const auto& set : box) out.suspect.push_back(set.front());
      return false;
    }
    out.tree += '0';
    auto& set = box[std::size_t(out.order[depth])];
    const std::vector<Token> all = set;
    bool good = true;
    for (std::size_t i = 0; i < all.size() && good; ++i) {
      set = {all[i]};
      good = descend(box, y, depth + 1, out);
    }
    set = all;
    return good;
  }

  const BoxModel& model_;
  const Claim& claim_;
  Index left_;
};

/// Boxes of inputs through the reference on intervals, split where they are too wide.
class Intervals final : public CertificateMethod {
 public:
  using Config = IntervalsConfig;
  explicit Intervals(const Config&) {}

  Certificate certify(const Claim& claim, const Subject& subject) const override {
    Certificate c = begin_certificate("intervals", claim, subject.weights);
    if (claim.arithmetic != Arithmetic::real)
      return undecided(std::move(c), "it speaks of real numbers only");
    std::string why;
    auto form = find_lookup_form(subject.task, claim.length, why);
    if (!form) form = find_lookup_form(subject.task, claim.length, why, true);
    if (!form) return undecided(std::move(c), why);
    const Index roots = Index(form->queries.size() * form->symbols.size());
    const double one = double(subject.weights.values.size()) * double(form->n + 1);
    const Index nodes = Index(std::min(kMaxNodes, kMaxWork / one) / double(roots));
    if (nodes < form->n + 1)
      return undecided(std::move(c), "too large: " + std::to_string(roots) +
                                         " boxes to begin with, each of too many operations");
    constexpr Index kSamples = 256;
    if (refute_by_sampling(c, subject, kSamples)) return c;
    for (const LayerSpec& layer : subject.weights.spec.layers)
      if (!intervals_recheck::is_known(layer))
        return undecided(std::move(c), "its recheck does not know this block '" + layer.block +
                                           "', or not with this config");
    const BoxModel model(subject.weights, subject.blocks);
    std::vector<Search::Found> found(form->queries.size() * form->symbols.size());
    parallel_for(subject.threads, roots, [&](std::size_t, Index i) {
      found[std::size_t(i)] = Search(model, claim, nodes).run(make_root(*form, i));
    });
    return decide(std::move(c), subject, *form, found);
  }

  std::string recheck(const Certificate& c, const Subject& subject) const override {
    if (c.verdict == Verdict::refuted) return recheck_counterexample(c, subject);
    return recheck_intervals(c, subject);
  }

 private:
  static Certificate decide(Certificate c, const Subject& subject, const LookupForm& form,
                            const std::vector<Search::Found>& found) {
    double margin = kInfinity;
    Json trees = Json::array();
    Index unfinished = 0;
    for (const auto& one : found) {
      if (!one.suspect.empty() && refute(c, subject, one.suspect)) return c;
      unfinished += one.finished ? 0 : 1;
      margin = std::min(margin, one.margin);
      trees.push_back({{"order", one.order}, {"tree", one.tree}});
    }
    if (unfinished > 0)
      return undecided(std::move(c), "the boxes stay too wide for " + std::to_string(unfinished) +
                                         " of " + std::to_string(found.size()) +
                                         " pairs of query and symbol");
    c.evidence = {{"query_first", form.query_first}, {"position", form.position}, {"trees", trees}};
    c.trusted_base =
        "the search (MPFR, the plain reference of the blocks on intervals) or its recheck (long "
        "doubles, the C library's functions within 32 units in the last place), and " +
        trust_in(form);
    return conclude(std::move(c), margin, form.inputs());
  }
};

}  // namespace

void register_intervals(Registry<CertificateMethod>& methods) {
  methods.add<Intervals>("intervals",
                         "any model on sets of inputs, split until their margin is certain");
}

}  // namespace separatrix

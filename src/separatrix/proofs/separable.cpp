#include "separatrix/proofs/separable.h"

#include <algorithm>
#include <cmath>

#include "separatrix/base/parallel.h"
#include "separatrix/proofs/recheck.h"

namespace separatrix {
namespace {

struct SeparableConfig {};
template <class V>
void visit(V&, SeparableConfig&) {}

/// Terms looked at: one to two minutes on one core.
constexpr double kMaxWork = 3e10;

/// One last token, and all inputs that end in it.
struct Row {
  RowTerms terms;
  std::vector<PinnedCase> cases;
};

/// The rows of a task of lookup form: with the query last, one for each query; with the query
/// first, one for each symbol that may stand last.
class LookupRows {
 public:
  LookupRows(const LookupForm& form, const RowSource& source) : form_(form), source_(source) {}
  Index count() const {
    return Index(form_.query_first ? form_.symbols.size() : form_.queries.size());
  }
  Row make(Index which) const {
    const auto w = std::size_t(which);
    Choices choices(std::size_t(form_.n) + 1, form_.symbols);
    choices[std::size_t(form_.query_at())] = form_.queries;
    choices.back() = {form_.query_first ? form_.symbols[w] : form_.queries[w]};
    Row row{source_.row(choices), {}};
    for (std::size_t p = 0; p < form_.queries.size(); ++p)
      if (form_.query_first || p == w) add_cases(p, row);
    return row;
  }
  double work() const {
    const double C = double(source_.classes()), S = double(form_.symbols.size());
    const double choices =
        double(form_.n) * S + (form_.query_first ? double(form_.queries.size()) : 1);
    return 3 * double(count()) * choices * (C * C + source_.effort());
  }

 private:
  void add_cases(std::size_t p, Row& row) const {
    const Index at = form_.symbol_at(form_.position[p]);
    const bool is_last = at + 1 == row.terms.positions();
    for (std::size_t s = 0; s < form_.symbols.size(); ++s) {
      if (is_last && form_.symbols[s] != row.terms.token.back()) continue;
      PinnedCase one{form_.answer[p][s], {row.terms.choice(at, form_.symbols[s])}};
      if (form_.query_first) one.pins.push_back(row.terms.choice(0, form_.queries[p]));
      row.cases.push_back(std::move(one));
    }
  }
  const LookupForm& form_;
  const RowSource& source_;
};

std::unique_ptr<RowSource> row_source(const OneLayer& model, const Subject& subject,
                                      Arithmetic arithmetic, std::string& why) {
  return is_emulated(arithmetic) ? make_rounded_row_source(model, subject.weights, arithmetic, why)
                                 : make_row_source(model, subject.weights, arithmetic, why);
}

/// For a fixed last token the attention is a quotient of two sums over positions, so the worst
/// input is found position by position (Dinkelbach): exact for all |S|^n |Q| inputs.
class Separable final : public CertificateMethod {
 public:
  using Config = SeparableConfig;
  explicit Separable(const Config&) {}

  Certificate certify(const Claim& claim, const Subject& subject) const override {
    Certificate c = begin_certificate("separable", claim, subject.weights);
    std::string why;
    const auto model = view_one_layer(subject.weights, subject.task.info(claim.length), why);
    if (!model) return undecided(std::move(c), why);
    auto form = find_lookup_form(subject.task, claim.length, why);
    if (!form) form = find_lookup_form(subject.task, claim.length, why, true);
    if (!form) return undecided(std::move(c), why);
    const auto source = row_source(*model, subject, claim.arithmetic, why);
    if (!source) return undecided(std::move(c), why);
    const LookupRows rows(*form, *source);
    if (rows.work() > kMaxWork)
      return undecided(std::move(c), "too large: about 10^" +
                                         std::to_string(int(std::log10(rows.work()))) +
                                         " terms; its limit is 3 10^10");
    return decide(std::move(c), subject, *form, rows, source->trust());
  }

  std::string recheck(const Certificate& c, const Subject& subject) const override {
    if (c.verdict == Verdict::refuted) return recheck_counterexample(c, subject);
    return recheck_separable(c, subject);
  }

 private:
  struct Found {
    RowWorst exact, computed;  ///< of the weights as numbers; of what the arithmetic may compute
  };

  static Certificate decide(Certificate c, const Subject& subject, const LookupForm& form,
                            const LookupRows& rows, const std::string& trust) {
    std::vector<Found> found(std::size_t(rows.count()));
    parallel_for(subject.threads, rows.count(), [&](std::size_t, Index i) {
      const Row row = rows.make(i);
      found[std::size_t(i)] = {least_margin(row.terms, row.cases, false),
                               least_margin(row.terms, row.cases, true)};
    });
    std::sort(found.begin(), found.end(), [](const Found& a, const Found& b) {
      return std::tie(a.computed.margin, a.computed.tokens) <
             std::tie(b.computed.margin, b.computed.tokens);
    });
    for (const Found& f : found)
      if (!keeps(c.claim, f.computed.margin) &&
          (refute(c, subject, f.exact.tokens) || refute(c, subject, f.computed.tokens)))
        return c;
    const auto exact = std::min_element(found.begin(), found.end(), [](auto& a, auto& b) {
                         return a.exact.margin < b.exact.margin;
                       })->exact;
    c.evidence = {{"exact_margin", exact.margin},
                  {"worst_input", exact.tokens},
                  {"query_first", form.query_first},
                  {"position", form.position}};
    c.trusted_base = "the C library's exponential in doubles within 4 units in the last place, " +
                     trust_in(form) + trust;
    return conclude(std::move(c),
                    certain_margin(rows, subject.threads, found.front().computed.margin),
                    form.inputs());
  }

  /// The greatest of a few margins just below `margin` that certainly hold.
  static double certain_margin(const LookupRows& rows, int threads, double margin) {
    for (const double below : {1e-13, 1e-11, 1e-9, 1e-7, 1e-5}) {
      const double tried = margin - below * (1 + std::abs(margin));
      std::vector<char> good(std::size_t(rows.count()), 0);
      parallel_for(threads, rows.count(), [&](std::size_t, Index i) {
        const Row row = rows.make(i);
        good[std::size_t(i)] = char(certainly_at_least(row.terms, row.cases, tried));
      });
      if (std::all_of(good.begin(), good.end(), [](char one) { return one != 0; })) return tried;
    }
    return -std::numeric_limits<double>::infinity();
  }
};

}  // namespace

void register_separable(Registry<CertificateMethod>& methods) {
  methods.add<Separable>("separable",
                         "one layer, one head, also trained: the exact worst input, position by "
                         "position");
}

}  // namespace separatrix

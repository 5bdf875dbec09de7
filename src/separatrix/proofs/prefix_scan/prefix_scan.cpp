#include "separatrix/proofs/prefix_scan/prefix_scan.h"

#include <algorithm>
#include <cmath>

#include "separatrix/proofs/prefix_scan/searching.h"
#include "separatrix/proofs/recheck.h"

namespace separatrix {
namespace prefix_scan {
namespace {

struct PrefixScanConfig {};
template <class V>
void visit(V&, PrefixScanConfig&) {}

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// Least margin found, and where.
struct Worst {
  double margin = kInfinity, leak = 0;
  std::string where = "";
  void look(double m, const std::string& at) {
    if (m >= margin) return;  // NaN is not
    margin = std::isnan(m) ? -kInfinity : m;
    where = at;
  }
};

/// From the rows before the second attention to the margin.
class Prover {
 public:
  Prover(const DyckForm& form, const Network& net, const Numbers& numbers, const Rows& rows)
      : form_(form), net_(net), numbers_(numbers), rows_(rows) {}

  Worst next_token() {
    for (const auto& [group, row] : joined_closes()) {
      if (group.token == form_.eos()) continue;
      if (group.depth == 0) {
        look(after(1, row, average()), 0, "the stack is empty");
        continue;
      }
      const double leak = leak_of(group, group.depth);
      for (Token type = 0; type < form_.types; ++type) {
        if (form_.opens(group.token) && type != group.token) continue;
        const bool full = form_.full && group.depth == form_.limit;
        look(after(1, row, found(type, leak)), Token(1 + 2 * type + (full ? 1 : 0)),
             "depth " + std::to_string(group.depth));
      }
    }
    return worst_;
  }

  /// Any word is accepted, and whatever goes wrong first, anything after it is rejected.
  Worst recognition() {
    Box fine, last, mismatch, unclosed;
    for (const auto& [group, row] : rows_.clean) {
      if (group.token == form_.eos()) {
        join(group.depth == 0 ? last : unclosed, after(1, row, average()));
      } else if (form_.closes(group.token)) {
        const double leak = leak_of(group, group.depth + 1);
        for (Token type = 0; type < form_.types; ++type)
          join(type + form_.types == group.token ? fine : mismatch,
               after(1, row, found(type, leak)));
      } else {
        join(fine, after(1, row, average()));
      }
    }
    const auto n = double(form_.length + 2);
    const Box anything = after(1, rows_.anything, average());
    const Search accepted(net_, numbers_, n, last), any(net_, numbers_, n, anything);
    look(after(2, last, accepted.among({fine, last})), 1, "a word");
    const auto rejects = [&](const Box& wrong, const std::string& where) {
      if (!wrong.empty()) look(after(2, anything, any.with(wrong, {fine, anything})), 0, where);
    };
    rejects(mismatch, "a bracket closes another type");
    for (const auto& [group, row] : rows_.too_far)
      rejects(after(1, row, average()), "depth " + std::to_string(group.depth));
    if (!unclosed.empty()) {
      const Search search(net_, numbers_, n, unclosed);
      look(after(2, unclosed, search.with(unclosed, {fine})), 0, "a bracket is left open");
    }
    return worst_;
  }

 private:
  /// Next-token: what follows a closing bracket does not depend on its own type.
  std::map<Group, Box> joined_closes() const {
    std::map<Group, Box> out;
    for (const auto& [group, row] : rows_.clean)
      join(out[{form_.closes(group.token) ? Token(form_.types) : group.token, group.depth}], row);
    return out;
  }
  /// The second attention's average of values, whatever it looks at.
  Box average() const { return rounded(rows_.values); }
  Box found(Token type, double leak) const {
    return rounded(retrieved(rows_.type_values[std::size_t(type)], rows_.values, leak));
  }
  Box rounded(Box values) const {
    for (std::size_t i = 0; i < values.size(); ++i)
      values[i] = numbers_.stored(values[i] + rows_.value_error[i]);
    return values;
  }
  Box after(std::size_t attention, Box row, const Box& context) const {
    add_product(net_.attention[attention].o, context, numbers_, row);
    for (const MlpPart& mlp : net_.mlps[attention]) layered::apply(mlp, numbers_, row);
    return row;
  }
  /// The same for all groups that ask alike.
  double leak_of(const Group& group, Index target) {
    Box query = rows_.queries.at(group);
    if (form_.closes(group.token))
      for (Token type = 0; type < form_.types; ++type)
        join(query, rows_.queries.at({Token(type + form_.types), group.depth}));
    std::vector<double> key = {double(target), double(group.depth)};
    for (const FastInterval& x : query) {
      key.push_back(x.lo);
      key.push_back(x.hi);
    }
    const auto [at, fresh] = leaks_.try_emplace(key, 0.0);
    if (fresh) at->second = leak(form_, rows_, query, group, target);
    worst_.leak = std::max(worst_.leak, at->second);
    return at->second;
  }
  void look(const Box& row, Token label, const std::string& where) {
    std::vector<FastInterval> logits;
    for (Index c = 0; c < net_.C; ++c)
      logits.push_back(numbers_.stored(
          numbers_.dot(net_.head[std::size_t(c)], row, net_.head_bias[std::size_t(c)]).value));
    for (Index c = 0; c < net_.C; ++c)
      if (c != label)
        worst_.look(next_below(logits[std::size_t(label)].lo - logits[std::size_t(c)].hi), where);
  }

  const DyckForm& form_;
  const Network& net_;
  const Numbers& numbers_;
  const Rows& rows_;
  std::map<std::vector<double>, double> leaks_;
  Worst worst_;
};

class PrefixScan final : public CertificateMethod {
 public:
  using Config = PrefixScanConfig;
  explicit PrefixScan(const Config&) {}

  Certificate certify(const Claim& claim, const Subject& subject) const override {
    Certificate c = begin_certificate("prefix-scan", claim, subject.weights);
    std::string why;
    const auto form = read_form(claim, subject.task, why);
    if (!form) return undecided(std::move(c), why);
    const auto net = read_network(subject.weights, form->recognise ? 3 : 2, claim.arithmetic, why);
    if (!net) return undecided(std::move(c), why);
    if (double(form->length) * double(form->limit + 1) * double(net->attention[1].dk) > kMaxKeys)
      return undecided(std::move(c), "the keys of all positions and depths take too much memory");
    const Numbers numbers(claim.arithmetic);
    const auto counting = Counting::analyse(*form, *net, numbers, why);
    if (!counting) return look_for_counterexample(std::move(c), subject, why);
    const Rows rows(*form, *net, numbers, *counting);
    Prover prover(*form, *net, numbers, rows);
    const Worst worst = form->recognise ? prover.recognition() : prover.next_token();
    if (!keeps(claim, confirmable(worst.margin)))
      return look_for_counterexample(
          std::move(c), subject,
          "the margin may fall to " + std::to_string(worst.margin) + " where " + worst.where);
    c.evidence = {{"leak", worst.leak}, {"worst", worst.where}};
    c.trusted_base =
        "outward rounding in doubles, the C library's exponential within 4 units in the last "
        "place, the definition of bounded-dyck";
    if (claim.arithmetic != Arithmetic::real)
      c.trusted_base +=
          ", IEEE arithmetic, sums over positions in their order, the program's exponential within "
          "4 units in the last place";
    return conclude(std::move(c), confirmable(worst.margin), form->inputs());
  }

  std::string recheck(const Certificate& c, const Subject& subject) const override {
    if (c.verdict == Verdict::refuted) return recheck_counterexample(c, subject);
    return recheck_prefix_scan(c, subject);
  }

 private:
  static constexpr double kMaxKeys = 2e7;

  /// A little less than found, so that a recheck that bounds the same by other formulas, perhaps a
  /// little worse, can confirm it.
  static double confirmable(double margin) { return margin - std::abs(margin) / 256; }

  static Certificate look_for_counterexample(Certificate c, const Subject& subject,
                                             const std::string& why) {
    constexpr Index kTokens = 4096;  // run in all: other methods are there to search
    const Index n_tokens = c.claim.length + 2;
    if (n_tokens <= kTokens &&
        refute_by_sampling(c, subject, std::min<Index>(kTokens / n_tokens, 128)))
      return c;
    return undecided(std::move(c), why);
  }
};

}  // namespace
}  // namespace prefix_scan

void register_prefix_scan(Registry<CertificateMethod>& methods) {
  methods.add<prefix_scan::PrefixScan>(
      "prefix-scan", "bounded Dyck words by counting and looking back: sums over all positions");
}

}  // namespace separatrix

#include "separatrix/proofs/separable_recheck.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "separatrix/nn/model.h"
#include "separatrix/proofs/lookup_question.h"
#include "separatrix/proofs/recheck.h"
#include "separatrix/proofs/separable.h"

// Verifies a separable certificate without searching: at the margin that it claims, the sum of the
// least terms must not be negative for any last token, symbol and pair of classes. Everything is
// read from the weights anew, in long double; scores come from projected queries and keys, and the
// errors of float32 are followed stage by stage on both paths of the attention.

namespace separatrix {
namespace {

using Real = long double;
using Reals = std::vector<Real>;

/// The sum of the least terms over the positions of one last token, one difference of logits.
class Sum {
 public:
  Sum(const LookupQuestion& question, std::size_t last) : q_(question), last_(last) {}

  /// term(t, i): of the i-th token of position t. False when some case with answer y comes out
  /// below 0.
  template <class Term>
  bool holds(Token y, const Term& term) {
    least_.clear();
    for (Index t = 0; t < q_.T; ++t) {
      Real smallest = std::numeric_limits<Real>::infinity();
      for (std::size_t i = 0; i < q_.tokens(t).size(); ++i)
        if (may_stand(i, t)) smallest = std::min(smallest, term(t, i));
      least_.push_back(smallest);
    }
    for (std::size_t p = 0; p < q_.queries.size(); ++p)
      for (std::size_t s = 0; s < q_.symbols.size() && may_stand(p, q_.query_at()); ++s)
        if (q_.answers[p][s] == y && may_stand(s, q_.looks_at[p]) &&
            !case_holds(term(q_.looks_at[p], s), q_.looks_at[p], term(q_.query_at(), p)))
          return false;
    return true;
  }

 private:
  bool may_stand(std::size_t i, Index t) const { return t + 1 < q_.T || i == last_; }
  /// Added anew without the two positions: their minima may be greater than the rest by many
  /// orders.
  bool case_holds(Real symbol, Index at, Real query) const {
    Real sum = query + symbol, parts = std::fabs(query) + std::fabs(symbol);
    for (Index t = 0; t < q_.T; ++t)
      if (t != at && t != q_.query_at()) {
        sum += least_[std::size_t(t)];
        parts += std::fabs(least_[std::size_t(t)]);
      }
    return sum >= 0x1p-62L * Real(q_.T + 40) * parts;
  }

  const LookupQuestion& q_;
  std::size_t last_;
  Reals least_;
};

std::string verify(const Certificate& c, const LookupQuestion& question, const RecheckRows& rows) {
  // Two bounds of one number need not agree in the last digits.
  const Real margin = Real(c.margin) - 1e-9L - 1e-6L * std::fabs(Real(c.margin));
  if (!(margin > 0) || c.margin < c.claim.margin) return "the margin is less than claimed";
  const Token C = Token(rows.classes());
  for (std::size_t last = 0; last < question.tokens(question.T - 1).size(); ++last) {
    Sum sum(question, last);
    const auto terms = rows.row(last);
    for (Token y = 0; y < C; ++y)
      for (Token k = 0; k < C; ++k) {
        if (k == y) continue;
        const Real theta = margin - terms->around(y, k);
        if (!sum.holds(y, [&](Index t, std::size_t i) { return terms->term(t, i, y, k, theta); }))
          return "the margin is not kept by every input whose last token is " +
                 std::to_string(question.tokens(question.T - 1)[last]);
      }
  }
  return {};
}

/// The input named as the worst must come out near the margin, by the plain reference.
std::string try_worst(const Certificate& c, const Subject& subject, Index T) {
  std::vector<Token> tokens;
  try {
    c.evidence.at("worst_input").get_to(tokens);
  } catch (const Json::exception&) {
    return "the evidence names no worst input";
  }
  std::vector<Token> targets(tokens.size());
  if (Index(tokens.size()) != T) return "the worst input is none";
  for (const Token token : tokens)
    if (token < 0 || token >= subject.weights.spec.vocab_size) return "the worst input is none";
  subject.task.label(tokens, targets);
  if (targets.back() == kIgnore) return "the worst input asks nothing";
  const auto logits =
      is_emulated(c.claim.arithmetic)
          ? emulated_logits(subject.weights, subject.blocks, tokens, c.claim.arithmetic, T - 1)
          : reference_logits<double>(subject.weights, subject.blocks, tokens, T - 1);
  for (std::size_t k = 0; k < logits.size(); ++k)
    if (Token(k) != targets.back() &&
        !(logits[std::size_t(targets.back())] - logits[k] >= c.margin * (1 - 1e-6) - 1e-9))
      return "the worst input is answered with less than the margin";
  return {};
}

}  // namespace

std::string recheck_separable(const Certificate& certificate, const Subject& subject) {
  if (auto wrong = unlike_one_layer(subject.weights); !wrong.empty()) return wrong;
  LookupQuestion question;
  if (auto wrong = read_question(certificate, subject.task, question); !wrong.empty()) return wrong;
  Standing tokens;
  for (Index t = 0; t < question.T; ++t) tokens.push_back(question.tokens(t));
  const Arithmetic arithmetic = certificate.claim.arithmetic;
  const auto rows = is_emulated(arithmetic)
                        ? recheck_rounded_rows(subject.weights, tokens, arithmetic)
                        : recheck_direct_rows(subject.weights, tokens, arithmetic);
  if (auto wrong = verify(certificate, question, *rows); !wrong.empty()) return wrong;
  return try_worst(certificate, subject, question.T);
}

}  // namespace separatrix

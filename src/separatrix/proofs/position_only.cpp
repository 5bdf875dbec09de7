#include "separatrix/proofs/position_only.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "separatrix/model/interval.h"
#include "separatrix/proofs/exact_sum.h"
#include "separatrix/proofs/one_layer.h"
#include "separatrix/proofs/position_grid.h"
#include "separatrix/proofs/recheck.h"

namespace separatrix {
namespace {

struct PositionOnlyConfig {};
template <class V>
void visit(V&, PositionOnlyConfig&) {}

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kUnit = 0x1p-24, kUnitDouble = 0x1p-53;
/// Above the first number of positions a bound that is linear in it is tried first; above the
/// second nothing else is.
constexpr Index kMostPairs = kLookupExactUpTo, kMostEndured = 16384;

/// How often each distinct score occurs among the symbols but the one looked at.
using Histogram = std::vector<std::pair<double, Index>>;

/// False when the score is a new one and the histogram has kFew already.
bool count_in(Histogram& histogram, double score) {
  constexpr std::size_t kFew = 64;
  for (std::size_t i = 0; i < histogram.size(); ++i)
    if (histogram[i].first == score) {
      ++histogram[i].second;
      if (i > 0 && histogram[i].second > histogram[i - 1].second)
        std::swap(histogram[i], histogram[i - 1]);  // frequent ones are found soon
      return true;
    }
  if (histogram.size() >= kFew) return false;
  histogram.emplace_back(score, 1);
  return true;
}

/// Of all scores but the one at `target`, ascending.
Histogram histogram_of(std::vector<double> scores, Index target) {
  Histogram out;
  bool few = true;
  for (Index j = 0; j < Index(scores.size()) && few; ++j)
    few = j == target || count_in(out, scores[std::size_t(j)]);
  if (few) {
    std::sort(out.begin(), out.end());
    return out;
  }
  scores.erase(scores.begin() + target);
  std::sort(scores.begin(), scores.end());
  out.clear();
  for (const double score : scores)
    if (!out.empty() && out.back().first == score)
      ++out.back().second;
    else
      out.emplace_back(score, 1);
  return out;
}

/// Shares of the attention: of the position looked at, of all other symbols, of the query itself.
struct Shares {
  Interval target, rest, self;
};

class Softmax {
 public:
  /// Scores are known up to +-slack.
  explicit Softmax(double slack) : slack_(slack) {}
  Shares operator()(const Histogram& others, double target, double self) {
    double top = std::max(target, self);
    for (const auto& [score, count] : others) top = std::max(top, score);
    const Interval e_target = weight(target, top), e_self = weight(self, top);
    Interval e_rest(0);
    for (const auto& [score, count] : others) e_rest += weight(score, top) * double(count);
    // a / (a + b) as 1 / (1 + b / a): tight although a occurs twice.
    const auto share = [](Interval a, Interval b) {
      if (a.upper() == 0) return Interval(0);
      return a.lower() > 0 ? 1.0 / (1.0 + b / a) : Interval(0, (a / (a + b)).upper());
    };
    return {share(e_target, e_rest + e_self), share(e_rest, e_target + e_self),
            share(e_self, e_target + e_rest)};
  }

 private:
  Interval weight(double score, double top) {
    const auto [at, fresh] = known_.try_emplace(score - top, Interval(0));
    if (fresh)
      at->second = exp(Interval(score) - Interval(top) + Interval(-2 * slack_, 2 * slack_));
    return at->second;
  }
  double slack_;
  std::map<double, Interval> known_;  ///< exp of score - maximum
};

/// Margins of one query over all inputs, exact up to outward rounding.
class Extremes {
 public:
  struct Worst {
    double margin = kInfinity;
    std::size_t p = 0, symbol = 0, other = 0;
  };

  Extremes(const OneLayer& m, const LookupForm& form, const Readout& readout)
      : C_(m.C), form_(form), r_(readout) {
    // The other positions' worst symbol for each pair (answer, other class).
    least_.assign(std::size_t(C_ * C_), {kInfinity, 0});
    for (Index s = 0; s < r_.symbol.rows; ++s)
      for (Index y = 0; y < C_; ++y)
        for (Index c = 0; c < C_; ++c) {
          auto& least = least_[std::size_t(y * C_ + c)];
          const double g = r_.symbol(s, y) - r_.symbol(s, c);
          if (g < least.first) least = {g, std::size_t(s)};
        }
    // Doubles: the products above, then a handful of operations below.
    const double terms = double(3 * m.D + 2 * m.v.cols + 32);
    slack_ = gamma_k(terms, kUnitDouble) * 8 * (r_.magnitude + r_.constant_magnitude);
  }

  void look(std::size_t p, const Shares& a, Worst& worst) {
    if (!seen_.insert(key(p, a)).second) return;  // the same numbers as an earlier query
    for (std::size_t s = 0; s < form_.symbols.size(); ++s) {
      const Index y = form_.answer[p][s];
      for (Index c = 0; c < C_; ++c) {
        if (c == y) continue;
        const auto& [least, other] = least_[std::size_t(y * C_ + c)];
        const double margin = low(a.target, r_.symbol(Index(s), y) - r_.symbol(Index(s), c)) +
                              low(a.rest, least) +
                              low(a.self, r_.query(Index(p), y) - r_.query(Index(p), c)) +
                              (r_.constant(Index(p), y) - r_.constant(Index(p), c)) - slack_;
        if (margin < worst.margin) worst = {margin, p, s, other};
      }
    }
  }

 private:
  static double low(Interval a, double x) { return (x > 0 ? a.lower() : a.upper()) * x; }

  /// Everything that look() reads of p.
  std::vector<double> key(std::size_t p, const Shares& a) const {
    std::vector<double> out = {a.target.lower(), a.target.upper(), a.rest.lower(),
                               a.rest.upper(),   a.self.lower(),   a.self.upper()};
    for (Index c = 0; c < C_; ++c) {
      out.push_back(r_.query(Index(p), c));
      out.push_back(r_.constant(Index(p), c));
    }
    for (const Token y : form_.answer[p]) out.push_back(double(y));
    return out;
  }

  Index C_;
  const LookupForm& form_;
  const Readout& r_;
  std::vector<std::pair<double, std::size_t>> least_;  ///< [C, C]: value and the symbol
  double slack_ = 0;
  std::set<std::vector<double>> seen_;
};

double largest_weight(const OneLayer& m) {
  double out = 0;
  for (const Matrix* part :
       {&m.embedding, &m.positions, &m.q, &m.k, &m.v, &m.o, &m.head, &m.head_bias})
    for (const double w : part->data) out = std::max(out, std::abs(w));
  return out;
}

/// Bounds |computed - exact| of a difference of two logits, for every order of summation and for
/// both paths of the attention. docs/certificates.md derives it.
double float32_error(const OneLayer& m, const LookupForm& form, const Scores& scores,
                     const Readout& readout) {
  constexpr double kLarge = 0x1p16;  // keeps overflow away and underflow harmless
  if (!(std::max({scores.magnitude, readout.magnitude, readout.constant_magnitude}) < kLarge) ||
      !(largest_weight(m) < kLarge))
    return kInfinity;
  const double n = double(form.n) + 1, D = double(m.D), dk = double(m.k.cols),
               dv = double(m.v.cols);
  const double score = scores.exact ? 0 : gamma_k(2 * D + dk + 10, kUnit) * scores.magnitude;
  const double share = softmax_error(n, score, scores.magnitude);
  if (!(share < 0.5)) return kInfinity;
  const double underflow = n * D * 0x1p-80;  // of numbers below the smallest normal one
  const double relative = (1 + share) * (1 + gamma_k(n + 2 * D + dv + 8, kUnit)) - 1;
  return 2 * (relative * readout.magnitude + underflow * (1 + readout.magnitude) +
              gamma_k(D + 4, kUnit) * (readout.constant_magnitude + readout.magnitude));
}

class PositionOnly final : public CertificateMethod {
 public:
  using Config = PositionOnlyConfig;
  explicit PositionOnly(const Config&) {}

  Certificate certify(const Claim& claim, const Subject& subject) const override {
    Certificate c = begin_certificate("position-only", claim, subject.weights);
    const Index n = subject.task.info(claim.length).n_tokens - 1;
    if (is_emulated(claim.arithmetic)) return certify_by_grid(std::move(c), claim, subject);
    if (n > kMostPairs) {
      Certificate found = certify_by_grid(c, claim, subject);
      // Over the reals a refutation runs in intervals, pair by pair of positions.
      const bool real = claim.arithmetic == Arithmetic::real;
      if (found.verdict != Verdict::undecided || n > kMostEndured || real) return found;
    }
    std::string why;
    const auto model = view_one_layer(subject.weights, subject.task.info(claim.length), why);
    if (!model) return undecided(std::move(c), why);
    const auto form = find_lookup_form(subject.task, claim.length, why);
    if (!form) return undecided(std::move(c), why);
    const auto scores = position_only_scores(*model, *form, why);
    if (!scores) return undecided(std::move(c), why);
    const auto readout = read_out(*model, *form, why);
    if (!readout) return undecided(std::move(c), why);

    const auto worst = least_margin(*model, *form, *scores, *readout);
    double error = 0;
    if (claim.arithmetic == Arithmetic::float32)
      error = float32_error(*model, *form, *scores, *readout);
    c.evidence = {
        {"real_margin", worst.margin}, {"float32_error", error}, {"position", form->position}};
    c.trusted_base = "MPFR's exponential, outward rounding, " + trust_in(*form);
    if (error > 0)
      c.trusted_base +=
          "; for float32: IEEE arithmetic in any order, and an exponential within 4 "
          "units in the last place";
    const double margin = worst.margin - error;
    if (!keeps(claim, margin) && refute(c, subject, input_of(*form, worst))) return c;
    return conclude(std::move(c), margin, form->inputs());
  }

  std::string recheck(const Certificate& c, const Subject& subject) const override {
    if (c.verdict == Verdict::refuted) return recheck_counterexample(c, subject);
    if (c.evidence.value("form", std::string()) == "grid") return recheck_by_grid(c, subject);
    return recheck_position_only(c, subject.task, subject.weights);
  }

 private:
  static Extremes::Worst least_margin(const OneLayer& m, const LookupForm& form,
                                      const Scores& scores, const Readout& readout) {
    const double slack =
        scores.exact ? 0 : gamma_k(double(2 * m.D + m.k.cols) + 10, kUnitDouble) * scores.magnitude;
    Softmax softmax(slack);
    Extremes extremes(m, form, readout);
    Extremes::Worst worst;
    const Matrix across = transposed(scores.keys);
    std::vector<double> score(std::size_t(form.n));
    for (std::size_t p = 0; p < form.queries.size(); ++p) {
      std::fill(score.begin(), score.end(), 0.0);
      for (Index d = 0; d < m.D; ++d)
        if (const double u = scores.queries(Index(p), d); u != 0)
          for (Index j = 0; j < form.n; ++j) score[std::size_t(j)] += u * across(d, j);
      const Histogram others = histogram_of(score, form.position[p]);
      extremes.look(p, softmax(others, score[std::size_t(form.position[p])], scores.self[p]),
                    worst);
    }
    return worst;
  }

  static std::vector<Token> input_of(const LookupForm& form, const Extremes::Worst& worst) {
    std::vector<Token> tokens(std::size_t(form.n) + 1, form.symbols[worst.other]);
    tokens[std::size_t(form.position[worst.p])] = form.symbols[worst.symbol];
    tokens.back() = form.queries[worst.p];
    return tokens;
  }
};

}  // namespace

void register_position_only(Registry<CertificateMethod>& methods) {
  methods.add<PositionOnly>("position-only",
                            "attention that ignores the symbols: exact extremes over all inputs");
}

}  // namespace separatrix

#include "separatrix/proofs/layered/leak.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "separatrix/proofs/exact_sum.h"
#include "separatrix/proofs/layered/rows.h"

namespace separatrix::layered {
namespace {

/// Queries and keys of one head, [T, dk], as computed; they depend on the position alone.
struct HeadTables {
  Matrix q, k;
  double scale = 1;
  double error = 0;      ///< |computed score - score of these tables|
  double magnitude = 0;  ///< of the sums of absolute terms
};

struct Projected {
  Matrix values;              ///< [T, n]
  std::vector<double> terms;  ///< [n]: sums of absolute terms, the largest
};
Projected project(const Matrix& x, const std::vector<Column>& columns, Index first, Index n,
                  const Numbers& numbers) {
  Projected out{Matrix(x.rows, n), std::vector<double>(std::size_t(n), 0)};
  for (Index t = 0; t < x.rows; ++t)
    for (Index i = 0; i < n; ++i) {
      double sum = 0, terms = 0;
      for (const Entry& e : columns[std::size_t(first + i)]) {
        sum += x(t, e.at) * e.weight;
        terms += std::abs(x(t, e.at) * e.weight);
      }
      out.values(t, i) = round_to(numbers.real() ? Arithmetic::real : numbers.arithmetic(), sum);
      double& most = out.terms[std::size_t(i)];
      most = std::max({most, terms, std::abs(out.values(t, i))});
    }
  return out;
}

/// False unless every sum on the way to the scores is exact in float32, along both ways in which
/// the kernels form them, so that the tables above are what is computed.
bool is_exact(const Network& net, const HeadTables& t, Index first, Index n) {
  const AttentionPart& a = *net.first;
  double gx = grid_of(std::span<const double>(net.positions.data)),
         gq = std::numeric_limits<double>::infinity(), gk = gq;
  double wide = 0, folded = 0;  // sums of absolute terms of q, k and of u = W_k q
  const double x = largest(net.positions), q = largest(t.q);
  const auto lowest = [&](const std::vector<Column>& columns, double& grid, bool fold) {
    for (Index i = first; i < first + n; ++i) {
      double sum = 0;
      for (const Entry& e : columns[std::size_t(i)]) {
        grid = std::min(grid, lowest_bit(e.weight));
        sum += std::abs(e.weight) * x;
        if (fold) folded += std::abs(e.weight) * q;
      }
      wide = std::max(wide, sum);
    }
  };
  lowest(a.q, gq, false);
  lowest(a.k, gk, true);
  const auto finite = [](double grid) { return std::isinf(grid) ? 1.0 : grid; };
  gx = finite(gx);
  gq = finite(gq);
  gk = finite(gk);
  int exponent = 0;
  return std::frexp(a.scale, &exponent) == 0.5 && sums_exactly(gx * std::min(gq, gk), wide) &&
         sums_exactly(gx * gq * gk, folded) &&
         sums_exactly(gx * gx * gq * gk * a.scale, 2 * t.magnitude);
}

HeadTables tables_of(const Network& net, Index head, const Numbers& numbers) {
  const AttentionPart& a = *net.first;
  const Index first = head * a.dk;
  Matrix x(net.T, net.D);
  for (Index t = 0; t < net.T; ++t)
    for (Index d = 0; d < net.D; ++d) x(t, d) = round_to(numbers.arithmetic(), net.positions(t, d));
  Projected q = project(x, a.q, first, a.dk, numbers), k = project(x, a.k, first, a.dk, numbers);
  HeadTables out{std::move(q.values), std::move(k.values), a.scale};
  for (std::size_t i = 0; i < q.terms.size(); ++i)
    out.magnitude += q.terms[i] * k.terms[i] * a.scale;
  const double terms = double(2 * net.D + a.dk) + 10;
  if (numbers.real() || !is_exact(net, out, first, a.dk)) {
    // Doubles are exact or nearly so; float32 is not.
    out.error = std::expm1(terms * std::log1p(0x1p-52)) * 2 * out.magnitude;
    out.error += 2 * numbers.gamma(terms) * out.magnitude;
    if (is_emulated(numbers.arithmetic())) out.error = std::numeric_limits<double>::infinity();
  }
  if (numbers.real() && out.magnitude < 0x1p40 && is_exact(net, out, first, a.dk)) out.error = 0;
  return out;
}

/// log of an upper bound of sum_j e^(score(query, key_j)), for any query.
class TotalWeight {
 public:
  TotalWeight(const HeadTables& tables, bool causal) : t_(tables), causal_(causal) {
    std::set<std::vector<double>> seen;
    const Index T = t_.k.rows, dk = t_.k.cols;
    values_.resize(std::size_t(dk));
    for (Index j = 0; j < T; ++j) {
      std::vector<double> key;
      for (Index i = 0; i < dk; ++i) {
        key.push_back(t_.k(j, i));
        if (values_[std::size_t(i)].size() <= kFew) values_[std::size_t(i)].insert(key.back());
      }
      if (!seen.insert(std::move(key)).second) distinct_ = false;
    }
    for (const auto& values : values_) distinct_ = distinct_ && values.size() <= kFew;
  }
  bool possible() const { return distinct_ || t_.k.rows <= kDirect; }

  double log_bound(Index query) const {
    return t_.k.rows <= kMostlyDirect || !distinct_ ? direct(query) : by_grid(query);
  }

 private:
  static constexpr std::size_t kFew = 64;
  static constexpr Index kMostlyDirect = 1500, kDirect = 12000;

  double direct(Index query) const {
    std::vector<double> scores;
    const Index visible = causal_ ? query + 1 : t_.k.rows;
    double top = -std::numeric_limits<double>::infinity();
    for (Index j = 0; j < visible; ++j) {
      double s = 0;
      for (Index i = 0; i < t_.k.cols; ++i) s += t_.q(query, i) * t_.k(j, i);
      scores.push_back(s * t_.scale);
      top = std::max(top, scores.back());
    }
    double sum = 0;
    for (const double s : scores) sum += std::exp(s - top);
    const double slack = double(visible + 8) * 0x1p-50 + std::abs(top) * 0x1p-48;
    return top + std::log(sum) + slack;
  }
  double by_grid(Index query) const {
    double out = 0;
    for (Index i = 0; i < t_.k.cols; ++i) {
      const double u = t_.q(query, i) * t_.scale;
      double top = -std::numeric_limits<double>::infinity(), sum = 0;
      for (const double v : values_[std::size_t(i)]) top = std::max(top, u * v);
      for (const double v : values_[std::size_t(i)]) sum += std::exp(u * v - top);
      out += top + std::log(sum) + (std::abs(top) + 64) * 0x1p-48;
    }
    return out;
  }

  const HeadTables& t_;
  bool causal_;
  bool distinct_ = true;
  std::vector<std::set<double>> values_;
};

void widen(HeadShares& into, const HeadShares& more, bool fresh) {
  if (fresh) {
    into = more;
    return;
  }
  for (std::size_t m = 0; m < into.window.size(); ++m)
    into.window[m] = hull(into.window[m], more.window[m]);
  into.rest = std::max(into.rest, more.rest);
}

/// Of one position: the weight of window position m is e^(s_m) / sum.
HeadShares shares_at(const HeadTables& tables, const TotalWeight& total, Index t,
                     const std::vector<Index>& window) {
  std::vector<double> score;
  for (const Index m : window) {
    double s = 0;
    for (Index i = 0; i < tables.k.cols; ++i) s += tables.q(t, i) * tables.k(m, i);
    score.push_back(s * tables.scale);
  }
  const double slack = 2 * tables.error;
  const double log_total = total.log_bound(t);
  HeadShares out;
  double least = 0;
  for (std::size_t m = 0; m < window.size(); ++m) {
    double others = 0;
    for (std::size_t o = 0; o < window.size(); ++o)
      if (o != m) others += exp_down(score[o] - score[m] - slack);
    const double low = exp_down(score[m] - log_total - slack);
    out.window.emplace_back(std::min(low, 1.0), std::min(1.0, next_above(1 / (1 + others))));
    least += low;
  }
  out.rest = std::clamp(next_above(1 - least * (1 - 0x1p-50)), 0.0, 1.0);
  return out;
}

}  // namespace

std::optional<std::vector<Shares>> shares_of(const Network& net, const Cover& cover,
                                             const Numbers& numbers,
                                             const std::vector<Index>& class_of, Index n_classes,
                                             std::string& why) {
  const AttentionPart& a = *net.first;
  std::vector<Shares> shares(std::size_t(n_classes),
                             Shares{std::vector<HeadShares>(std::size_t(a.heads))});
  for (Index h = 0; h < a.heads; ++h) {
    const HeadTables tables = tables_of(net, h, numbers);
    if (!(tables.error < 1) || !(tables.magnitude < 0x1p20)) {
      why = "the first attention's scores are too large or too inexact";
      return std::nullopt;
    }
    const TotalWeight total(tables, a.causal);
    if (!total.possible()) {
      why = "too many positions, and their keys are not different points of a grid";
      return std::nullopt;
    }
    const double error = numbers.softmax_error(double(net.T), tables.error, tables.magnitude);
    std::vector<bool> seen(std::size_t(n_classes), false);
    for (Index t = 0; t < net.T; ++t) {
      const auto& window = cover.window[std::size_t(t)];
      if (a.causal && *std::max_element(window.begin(), window.end()) > t) {
        why = "a position would have to see later ones";
        return std::nullopt;
      }
      const auto c = std::size_t(class_of[std::size_t(t)]);
      HeadShares& into = shares[c].heads[std::size_t(h)];
      HeadShares here = shares_at(tables, total, t, window);
      here.error = error;
      widen(into, here, !seen[c]);
      seen[c] = true;
    }
  }
  return shares;
}

}  // namespace separatrix::layered

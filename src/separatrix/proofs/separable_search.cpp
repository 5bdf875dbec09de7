#include <algorithm>
#include <cmath>
#include <limits>

#include "separatrix/proofs/separable.h"

namespace separatrix {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// The ends of the range of each weight.
struct Ends {
  bool errors = false;
  std::vector<double> low, high;
  Ends(const RowTerms& row, bool with_errors) : errors(with_errors) {
    for (std::size_t i = 0; i < row.weight.size(); ++i) {
      const double spread = errors ? row.spread[i] : 0;
      // Below 1e-280 a weight is not told from 0.
      const bool tiny = row.weight[i] < 1e-280;
      low.push_back(tiny ? 0 : row.weight[i] * std::exp(-spread));
      high.push_back(std::max(row.weight[i], errors ? 1e-280 : 0) * std::exp(spread));
    }
  }
};

/// One difference of logits, y against c, as a function of theta: whether the quotient
/// (sum_i w_i g_i) / (sum_i w_i) can fall below theta is decided by the sign of
///
///     sum over positions j of min over choices i of w_i (g_i - theta),
///
/// as the choices of different positions do not meet. With errors, w_i is the end of its range and
/// g_i the lower end of its own that make the term least.
class Difference {
 public:
  Difference(const RowTerms& row, const Ends& ends, Token y, Index c)
      : row_(row), low_(ends.low), high_(ends.high) {
    const bool errors = ends.errors;
    const auto n = row.token.size(), C = std::size_t(row.C), k = std::size_t(c);
    for (std::size_t i = 0; i < n; ++i) {
      const std::size_t a = i * C + std::size_t(y), b = i * C + k;
      gain_.push_back(row.value[a] - row.value[b] -
                      (errors ? row.value_error[a] + row.value_error[b] : 0));
    }
    constant_ = row.constant[std::size_t(y)] - row.constant[k] -
                (errors ? row.constant_error[std::size_t(y)] + row.constant_error[k] : 0);
  }
  double constant() const { return constant_; }

  /// Minima of all positions at theta.
  void set(double theta) {
    theta_ = theta;
    least_.assign(std::size_t(row_.positions()), kInfinity);
    for (std::size_t j = 0; j < least_.size(); ++j)
      for (Index i = row_.begin[j]; i < row_.begin[j + 1]; ++i)
        least_[j] = std::min(least_[j], term(i));
  }
  double term(Index i) const {
    const double gain = gain_[std::size_t(i)] - theta_;
    return gain * (gain < 0 ? high_ : low_)[std::size_t(i)];
  }
  /// The sum with the pins instead of the minima of their positions; `size` sums absolute values.
  /// Added anew, as the minima left out may be greater than all the rest by many orders.
  double at(std::span<const Index> pins, double& size) const {
    double sum = 0;
    size = 0;
    const auto add = [&](double term) {
      sum += term;
      size += std::abs(term);
    };
    for (const Index i : pins) add(term(i));
    for (std::size_t j = 0; j < least_.size(); ++j)
      if (std::none_of(pins.begin(), pins.end(), [&](Index i) { return position(i) == j; }))
        add(least_[j]);
    return sum;
  }
  /// The quotient of the choices that attain the minima.
  double quotient(std::span<const Index> pins, std::vector<Token>& tokens) const {
    double above = 0, below = 0;
    tokens.clear();
    for (std::size_t j = 0; j < least_.size(); ++j) {
      Index best = row_.begin[j];
      for (Index i = best + 1; i < row_.begin[j + 1]; ++i)
        if (term(i) < term(best)) best = i;
      for (const Index pin : pins)
        if (position(pin) == j) best = pin;
      const auto i = std::size_t(best);
      const double weight = gain_[i] < theta_ ? high_[i] : low_[i];
      above += weight * gain_[i];
      below += weight;
      tokens.push_back(row_.token[i]);
    }
    return above / below;
  }

 private:
  std::size_t position(Index i) const {
    return std::size_t(std::upper_bound(row_.begin.begin(), row_.begin.end(), i) -
                       row_.begin.begin()) -
           1;
  }

  const RowTerms& row_;
  const std::vector<double>&low_, &high_;
  std::vector<double> gain_, least_;
  double constant_ = 0, theta_ = 0;
};

/// visit(y, c, the cases with answer y) for every pair that occurs.
template <class Visit>
void for_pairs(const RowTerms& row, std::span<const PinnedCase> cases, const Visit& visit) {
  for (Token y = 0; y < Token(row.C); ++y) {
    std::vector<const PinnedCase*> with_y;
    for (const PinnedCase& one : cases)
      if (one.y == y) with_y.push_back(&one);
    for (Index c = 0; c < row.C && !with_y.empty(); ++c)
      if (c != Index(y)) visit(y, c, with_y);
  }
}

}  // namespace

RowWorst least_margin(const RowTerms& row, std::span<const PinnedCase> cases, bool errors) {
  const Ends ends(row, errors);
  RowWorst worst;
  std::vector<Token> tokens;
  for_pairs(row, cases, [&](Token y, Index c, const std::vector<const PinnedCase*>& with_y) {
    Difference difference(row, ends, y, c);
    // From above: the quotient of any input is at most the best so far, or it is passed by.
    const double greatest = 1 + 2 * *std::max_element(row.value.begin(), row.value.end()) -
                            2 * *std::min_element(row.value.begin(), row.value.end());
    double theta = std::min(greatest, worst.margin - difference.constant());
    difference.set(theta);
    for (const PinnedCase* one : with_y)
      for (double size = 0; difference.at(one->pins, size) < -1e-15 * size;) {
        const double next = difference.quotient(one->pins, tokens);
        if (!(next < theta)) break;
        theta = next;
        worst = {theta + difference.constant(), tokens};
        difference.set(theta);
      }
  });
  return worst;
}

bool certainly_at_least(const RowTerms& row, std::span<const PinnedCase> cases, double margin) {
  const Ends ends(row, true);
  bool good = true;
  for_pairs(row, cases, [&](Token y, Index c, const std::vector<const PinnedCase*>& with_y) {
    if (!good) return;
    Difference difference(row, ends, y, c);
    const double k = difference.constant();
    difference.set(margin - k + 0x1p-50 * (std::abs(margin) + std::abs(k)));
    for (const PinnedCase* one : with_y) {
      double size = 0;
      const double sum = difference.at(one->pins, size);
      // Each term takes a few roundings, the sum one per position; at least 0 decides, NaN refuses.
      good = good && sum >= 0x1p-52 * double(row.positions() + 32) * size;
    }
  });
  return good;
}

}  // namespace separatrix

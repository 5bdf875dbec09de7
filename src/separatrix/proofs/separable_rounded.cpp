#include <algorithm>
#include <cmath>

#include "separatrix/model/rounded.h"
#include "separatrix/proofs/exact_sum.h"
#include "separatrix/proofs/separable.h"

namespace separatrix {
namespace {

constexpr double kUnit = 0x1p-24, kUnitDouble = 0x1p-53;

/// What the 16-bit arithmetic does before the attention weights is a fixed number for each token
/// and position, computed here as it is there; behind them every stored tensor adds its rounding.
template <Arithmetic A>
class RoundedRows final : public RowSource {
 public:
  RoundedRows(OneLayer m, double scale)
      : m_(std::move(m)), scale_(scale), format_(number_format(A)), unit_(format_.unit()) {
    for (Matrix* part :
         {&m_.embedding, &m_.positions, &m_.q, &m_.k, &m_.v, &m_.o, &m_.head, &m_.head_bias})
      for (double& w : part->data) w = round_to(A, w);
    through_ = product(m_.o, m_.head);
    through_absolute_ = product(absolute(m_.o), absolute(m_.head));
    tiny_ = std::ldexp(0.5, format_.least_exponent);
  }

  Index classes() const override { return m_.C; }
  double effort() const override {  // a rounded operation costs a few plain ones
    return 4 * double(m_.D) * double(m_.k.cols + m_.v.cols + m_.C);
  }
  std::string trust() const override {
    return std::string("; for ") + to_string(A) +
           ": sums in the order of docs/numerics.md, float32 for sums and softmax";
  }

  RowTerms row(const Choices& choices) const override {
    RowTerms out;
    out.C = m_.C;
    out.begin.push_back(0);
    for (const auto& tokens : choices) {
      out.token.insert(out.token.end(), tokens.begin(), tokens.end());
      out.begin.push_back(Index(out.token.size()));
    }
    const Index last = out.positions() - 1;
    const auto asked = input(out.token.back(), last);
    fill_weights(times(asked, m_.q), out);
    out.constant.assign(std::size_t(m_.C), 0);
    out.constant_error.assign(std::size_t(m_.C), 0);
    for (Index c = 0; c < m_.C; ++c) {
      double size = std::abs(m_.head_bias(0, c)), sum = m_.head_bias(0, c);
      for (Index d = 0; d < m_.D && m_.residual; ++d) {
        sum += asked[std::size_t(d)] * m_.head(d, c);
        size += std::abs(asked[std::size_t(d)] * m_.head(d, c));
      }
      out.constant[std::size_t(c)] = sum;
      out.constant_error[std::size_t(c)] = gamma_k(double(m_.D) + 4, kUnitDouble) * size;
    }
    std::vector<Row> values;
    for (Index j = 0; j <= last; ++j)
      for (Index i = out.begin[std::size_t(j)]; i < out.begin[std::size_t(j) + 1]; ++i)
        values.push_back(times(input(out.token[std::size_t(i)], j), m_.v));
    double greatest = 0;
    for (const Row& v : values)
      for (const double x : v) greatest = std::max(greatest, std::abs(x));
    // Weights below the smallest normal float32 are off by that much, of any position's value.
    const double lost = double(out.positions()) * 0x1p-140 * (1 + greatest);
    for (const Row& v : values) add_value(v, asked, lost, out);
    const auto finite = [](const Row& row) {
      return std::all_of(row.begin(), row.end(), [](double x) { return std::isfinite(x); });
    };
    if (!finite(out.weight) || !finite(out.spread) || !finite(out.value) || !finite(out.constant) ||
        !finite(out.value_error))
      claim_nothing(out);
    return out;
  }

 private:
  using Row = std::vector<double>;

  /// A number may be beyond the largest: whatever comes out is possible.
  static void claim_nothing(RowTerms& out) {
    std::fill(out.weight.begin(), out.weight.end(), 1.0);
    std::fill(out.spread.begin(), out.spread.end(), 0.0);
    std::fill(out.value.begin(), out.value.end(), 0.0);
    std::fill(out.constant.begin(), out.constant.end(), 0.0);
    std::fill(out.constant_error.begin(), out.constant_error.end(), 0.0);
    std::fill(out.value_error.begin(), out.value_error.end(),
              std::numeric_limits<double>::infinity());
  }

  Row input(Token token, Index j) const {
    Row x;
    for (Index d = 0; d < m_.D; ++d)
      x.push_back(round_to(A, double(float(m_.embedding(token, d)) + float(m_.positions(j, d)))));
    return x;
  }
  /// As the definition of the arithmetic sums and stores it.
  Row times(const Row& x, const Matrix& w) const {
    Row y;
    for (Index j = 0; j < w.cols; ++j) {
      Rounded<A> sum(0.0);
      for (Index i = 0; i < w.rows; ++i)
        if (w(i, j) != 0) sum += Rounded<A>(x[std::size_t(i)]) * w(i, j);
      y.push_back(double(stored(sum)));
    }
    return y;
  }

  void fill_weights(const Row& q, RowTerms& out) const {
    Row scores;
    for (Index j = 0; j < out.positions(); ++j)
      for (Index i = out.begin[std::size_t(j)]; i < out.begin[std::size_t(j) + 1]; ++i) {
        const Row k = times(input(out.token[std::size_t(i)], j), m_.k);
        Rounded<A> score(0.0);
        for (std::size_t d = 0; d < q.size(); ++d) score += Rounded<A>(q[d]) * Rounded<A>(k[d]);
        score *= scale_;
        scores.push_back(double(score));
      }
    const double top = *std::max_element(scores.begin(), scores.end());
    for (const double score : scores) {
      const double argument = top - score;
      out.weight.push_back(std::exp(-argument));
      // The rounded argument, the exponential to the nearest float32; the same in doubles here.
      out.spread.push_back(kUnit * (1.01 * argument + 1.01) + kUnitDouble * (argument + 16));
    }
  }

  /// The value of one choice in logits, and what the rounded tensors behind it may add, as a share
  /// of an average: every bound below is convex in the values.
  void add_value(const Row& v, const Row& asked, double lost, RowTerms& out) const {
    const double T = double(out.positions()), C = double(m_.C);
    const std::size_t D = std::size_t(m_.D);
    const double sum = gamma_k(2 * T + 12, kUnit);
    double largest = 0;
    Row context, y(D, 0), y_size(D, 0), y_shift(D, 0);  // y_shift: by the error of the context
    for (std::size_t k = 0; k < v.size(); ++k) {
      const double size = std::abs(v[k]);
      context.push_back(size * (sum + unit_ * (1 + sum)) + tiny_ + 2 * lost);
      largest = std::max(largest, size + context[k]);
      for (std::size_t d = 0; d < D; ++d) {
        const double w = m_.o(Index(k), Index(d));
        y[d] += v[k] * w;
        y_size[d] += size * std::abs(w);
        y_shift[d] += context[k] * std::abs(w);
      }
    }
    Row stored_error, row_size;
    for (std::size_t d = 0; d < D; ++d) {
      const double order = gamma_k(double(v.size()) + 2, kUnit) * (y_size[d] + y_shift[d]);
      const double block = order + unit_ * (std::abs(y[d]) + y_shift[d] + order) + tiny_;
      const double x = m_.residual ? asked[d] : 0;
      const double size = std::abs(y[d] + x) + y_shift[d] + block;
      const double residual = m_.residual ? (unit_ + 2 * kUnit) * size + tiny_ : 0;
      stored_error.push_back(block + residual);
      row_size.push_back(size + residual);
      largest = std::max({largest, std::abs(y[d]) + y_shift[d] + block, row_size[d]});
    }
    for (Index c = 0; c < m_.C; ++c) {
      double value = 0, error = 0, size = std::abs(m_.head_bias(0, c)), exact = 0;
      for (std::size_t k = 0; k < v.size(); ++k) {
        value += v[k] * through_(Index(k), c);
        exact += (std::abs(v[k]) + context[k]) * through_absolute_(Index(k), c);
        error += context[k] * std::abs(through_(Index(k), c));
      }
      for (std::size_t d = 0; d < D; ++d) {
        error += stored_error[d] * std::abs(m_.head(Index(d), c));
        size += row_size[d] * std::abs(m_.head(Index(d), c));
      }
      error += gamma_k(double(D) + 4, kUnit) * size;
      const double logit = std::abs(value + out.constant[std::size_t(c)]) + error;
      largest = std::max(largest, logit);
      error += unit_ * logit + tiny_;
      error += gamma_k(double(D + v.size()) + C + 40, kUnitDouble) * (exact + size);
      const bool fits = largest < 0.99 * std::min(format_.largest, 0x1p100);
      out.value.push_back(value);
      // Doubles and shares of the average that do not quite add up to 1.
      out.value_error.push_back(fits ? error * (1 + 4 * sum)
                                     : std::numeric_limits<double>::infinity());
    }
  }

  OneLayer m_;
  double scale_;
  NumberFormat format_;
  double unit_, tiny_ = 0;
  Matrix through_, through_absolute_;
};

}  // namespace

std::unique_ptr<RowSource> make_rounded_row_source(const OneLayer& model, const Weights& weights,
                                                   Arithmetic arithmetic, std::string& why) {
  const Json& config = weights.spec.layers.front().config;
  const double scale = config.value("scale", std::string("sqrt")) == "none"
                           ? 1.0
                           : 1 / std::sqrt(double(model.k.cols));
  for (const float w : weights.values)
    if (!(std::abs(w) < 0x1p15F)) {
      why = "a weight is beyond 2^15";
      return nullptr;
    }
  if (arithmetic == Arithmetic::bfloat16)
    return std::make_unique<RoundedRows<Arithmetic::bfloat16>>(model, scale);
  return std::make_unique<RoundedRows<Arithmetic::float16>>(model, scale);
}

}  // namespace separatrix

#include <algorithm>
#include <cmath>

#include "separatrix/proofs/exact_sum.h"
#include "separatrix/proofs/separable.h"

namespace separatrix {
namespace {

constexpr double kUnit = 0x1p-24, kUnitDouble = 0x1p-53;

/// Over the reals and in float32, in every order of summation and on both paths of the attention.
class DirectRows final : public RowSource {
 public:
  DirectRows(const OneLayer& m, double scale, bool float32)
      : m_(m),
        scale_(scale),
        float32_(float32),
        to_logits_(product(product(m.v, m.o), m.head)),
        to_logits_absolute_(product(absolute(m.v), product(absolute(m.o), absolute(m.head)))),
        k_absolute_(absolute(m.k)) {
    for (const Matrix* part :
         {&m.embedding, &m.positions, &m.q, &m.k, &m.v, &m.o, &m.head, &m.head_bias})
      largest_ = std::max(largest_, largest(*part));
  }
  double largest_weight() const { return largest_; }

  RowTerms row(const Choices& choices) const override {
    RowTerms out;
    out.C = m_.C;
    out.begin.push_back(0);
    for (const auto& tokens : choices) {
      out.token.insert(out.token.end(), tokens.begin(), tokens.end());
      out.begin.push_back(Index(out.token.size()));
    }
    const Matrix x = inputs(out);
    Matrix asked(1, m_.D);
    std::copy_n(x.data.end() - m_.D, m_.D, asked.data.begin());
    fill_weights(x, asked, out);
    fill_values(x, out);
    fill_constants(asked, out);
    return out;
  }
  Index classes() const override { return m_.C; }
  double effort() const override { return 2 * double(m_.D) * double(m_.C + 1); }
  std::string trust() const override {
    return float32_ ? "; for float32: IEEE arithmetic in any order, and an exponential within 4 "
                      "units in the last place"
                    : "";
  }

 private:
  /// [choices, D]: embedding + position.
  Matrix inputs(const RowTerms& row) const {
    Matrix x(Index(row.token.size()), m_.D);
    for (Index j = 0; j < row.positions(); ++j)
      for (Index i = row.begin[std::size_t(j)]; i < row.begin[std::size_t(j) + 1]; ++i)
        for (Index d = 0; d < m_.D; ++d)
          x(i, d) = m_.embedding(row.token[std::size_t(i)], d) + m_.positions(j, d);
    return x;
  }
  /// Error of a number whose terms have this sum of absolute values, after `steps` roundings.
  double error(double steps, double magnitude) const {
    return ((float32_ ? gamma_k(steps, kUnit) : 0) + gamma_k(steps + 8, kUnitDouble)) * magnitude;
  }

  void fill_weights(const Matrix& x, const Matrix& asked, RowTerms& out) const {
    const Matrix u = product(product(asked, m_.q), transposed(m_.k));
    const Matrix u_absolute =
        product(product(absolute(asked), absolute(m_.q)), transposed(k_absolute_));
    std::vector<double> score, wrong;
    for (Index i = 0; i < x.rows; ++i) {
      double sum = 0, magnitude = 0;
      for (Index d = 0; d < m_.D; ++d) {
        sum += u(0, d) * x(i, d);
        magnitude += u_absolute(0, d) * std::abs(x(i, d));
      }
      score.push_back(scale_ * sum);
      // x, q, k or the folded query, the product, the scale; then underflow on the way.
      wrong.push_back(error(2 * double(m_.D) + 2 * double(m_.k.cols) + 12, scale_ * magnitude) +
                      (float32_ ? underflow(2) : 0));
    }
    const double top = *std::max_element(score.begin(), score.end());
    const double widest = *std::max_element(wrong.begin(), wrong.end());
    for (std::size_t i = 0; i < score.size(); ++i) {
      // The maximum of the tokens present is at most `top`, up to errors.
      const double argument = top - score[i] + 2 * widest;
      out.weight.push_back(std::exp(score[i] - top));
      out.spread.push_back(wrong[i] + (float32_ ? kUnit * (1.1 * argument + 10) : 0) +
                           kUnitDouble * (1.1 * argument + 16));
    }
  }

  void fill_values(const Matrix& x, RowTerms& out) const {
    const double T = double(out.positions());
    const Matrix magnitude = product(absolute(x), to_logits_absolute_);
    out.value = product(x, to_logits_).data;
    // Two sums over the positions (of weights and of values), a quotient, the matrices.
    const double steps = 2 * T + 3 * double(m_.D) + 2 * double(m_.v.cols) + 32;
    const double small = float32_ ? T * (underflow(3) + 0x1p-120 * largest(magnitude)) : 0;
    for (const double size : magnitude.data) out.value_error.push_back(error(steps, size) + small);
  }

  void fill_constants(const Matrix& asked, RowTerms& out) const {
    const Matrix around = product(asked, m_.head),
                 size = product(absolute(asked), absolute(m_.head));
    for (Index c = 0; c < m_.C; ++c) {
      const double bias = m_.head_bias(0, c);
      out.constant.push_back((m_.residual ? around(0, c) : 0) + bias);
      out.constant_error.push_back(
          error(double(m_.D) + 8, (m_.residual ? size(0, c) : 0) + std::abs(bias)) +
          (float32_ ? underflow(1) : 0));
    }
  }

  /// What numbers below the smallest normal one lose, behind that many matrices.
  double underflow(int matrices) const {
    return 8 * 0x1p-149 * std::pow(1 + double(m_.D) * largest_, matrices);
  }

  const OneLayer& m_;
  double scale_;
  bool float32_;
  Matrix to_logits_, to_logits_absolute_, k_absolute_;
  double largest_ = 0;
};

}  // namespace

Index RowTerms::choice(Index j, Token s) const {
  const auto first = token.begin() + begin[std::size_t(j)];
  return std::find(first, token.begin() + begin[std::size_t(j) + 1], s) - token.begin();
}

std::unique_ptr<RowSource> make_row_source(const OneLayer& model, const Weights& weights,
                                           Arithmetic arithmetic, std::string& why) {
  const Json& config = weights.spec.layers.front().config;
  const double dk = double(model.k.cols);
  const double exact =
      config.value("scale", std::string("sqrt")) == "none" ? 1.0 : 1 / std::sqrt(dk);
  const bool float32 = arithmetic == Arithmetic::float32;
  auto rows = std::make_unique<DirectRows>(model, float32 ? model.scale : exact, float32);
  constexpr double kLarge = 0x1p16;  // keeps overflow away and underflow harmless
  if (rows->largest_weight() < kLarge) return rows;
  why = "a weight is beyond 2^16";
  return nullptr;
}

}  // namespace separatrix

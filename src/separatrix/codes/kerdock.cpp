#include <bit>
#include <cmath>

#include "separatrix/codes/finite_field.h"
#include "separatrix/codes/sign_code.h"

namespace separatrix {
namespace {

struct KerdockConfig {};
template <class V>
void visit(V&, KerdockConfig&) {}

/// Position j, lowest bits first: linear part (m bits b, 1 bit for e), m bits a, 1 bit of sign.
class KerdockBook final : public Codebook {
 public:
  explicit KerdockBook(Index m) : m_(m), field_(2, m) {}

  void key(Index j, std::span<float> out) const override {
    const Index points = field_.size();
    const auto digits = [&](Index from) { return FiniteField::Element(j >> from & (points - 1)); };
    const FiniteField::Element b = digits(0), a = digits(m_ + 1);
    const auto bit = [&](Index at) { return FiniteField::Element(j >> at & 1); };
    for (Index x = 0; x < points; ++x) {
      const auto point = FiniteField::Element(x);
      const FiniteField::Element y = field_.multiply(a, point);
      const FiniteField::Element common =
          quadratic(y) ^ field_.trace(field_.multiply(b, point)) ^ bit(2 * m_ + 1);
      const FiniteField::Element second = field_.trace(y) ^ bit(m_);
      out[std::size_t(x)] = common != 0 ? -1.0F : 1.0F;
      out[std::size_t(points + x)] = (common ^ second) != 0 ? -1.0F : 1.0F;
    }
  }

 private:
  /// Q(y) = sum_{i=1}^{(m-1)/2} Tr(y^{2^i + 1}).
  FiniteField::Element quadratic(FiniteField::Element y) const {
    FiniteField::Element conjugate = y, sum = 0;
    for (Index i = 1; i <= (m_ - 1) / 2; ++i) {
      conjugate = field_.multiply(conjugate, conjugate);
      sum ^= field_.multiply(conjugate, y);
    }
    return field_.trace(sum);
  }

  Index m_;
  FiniteField field_;
};

/// Q(ax) + e Tr(ax) plus an affine function of (x, e) in GF(2^m) x GF(2), m odd: length 2^{m+1},
/// 2^{2(m+1)} words, inner products 0 and +-2^{(m+1)/2}, and that of a word with its negative.
class Kerdock final : public AddressCode {
 public:
  using Config = KerdockConfig;
  explicit Kerdock(const Config&) {}

  CodeNumbers numbers(Index positions, Arithmetic format) const override {
    check_positions(positions);
    const Index m = least_m(positions), width = Index(2) << m;
    const double sum = std::exp2(double(m + 1) / 2);
    const bool negatives = positions > Index(1) << (2 * m + 1);
    CodeNumbers n = whole_number_code(positions, format, width, double(width),
                                      negatives ? double(-width) : -sum, sum);
    n.parameters = {{"m", m}};
    return n;
  }
  std::unique_ptr<Codebook> codebook(Index positions, Arithmetic format) const override {
    check_fits(numbers(positions, format), "kerdock");
    return std::make_unique<KerdockBook>(least_m(positions));
  }

 private:
  static Index least_m(Index positions) {
    Index m = 1;
    while (2 * (m + 1) < digits_of(positions, 2)) m += 2;
    return m;
  }
};

}  // namespace

void register_kerdock(Registry<AddressCode>& codes) {
  codes.add<Kerdock>("kerdock", "signs of quadratic forms: coherence 1 / sqrt(width)");
}

}  // namespace separatrix

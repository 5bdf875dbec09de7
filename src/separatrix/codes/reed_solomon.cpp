#include <algorithm>
#include <cmath>

#include "separatrix/codes/finite_field.h"
#include "separatrix/codes/sign_code.h"

namespace separatrix {
namespace {

struct ReedSolomonConfig {
  double coherence = 0.5;
};
template <class V>
void visit(V& v, ReedSolomonConfig& c) {
  v("coherence", c.coherence, "largest inner product that is allowed, of 1");
}

/// Polynomials with k coefficients at n points of GF(q).
struct Shape {
  Index q = 2, k = 1, n = 1;
  Index width() const { return n * q; }
};

class ReedSolomonBook final : public Codebook {
 public:
  ReedSolomonBook(const Shape& shape, PrimePower q) : shape_(shape), field_(q.prime, q.exponent) {}

  void key(Index j, std::span<float> out) const override {
    std::fill(out.begin(), out.end(), 0.0F);
    for (Index x = 0; x < shape_.n; ++x) {
      const auto point = FiniteField::Element(x);
      FiniteField::Element power = 1, value = 0;
      Index rest = j;
      for (Index i = 0; i < shape_.k; ++i, rest /= shape_.q) {
        const auto coefficient = FiniteField::Element(rest % shape_.q);
        value = field_.add(value, field_.multiply(coefficient, power));
        power = field_.multiply(power, point);
      }
      out[std::size_t(x * shape_.q + Index(value))] = 1;
    }
  }

 private:
  Shape shape_;
  FiniteField field_;
};

/// Two polynomials of degree below k agree at k - 1 points at most; values are written one-hot, so
/// s(p, j) is the number of points where they agree.   [reed1960]
class ReedSolomon final : public AddressCode {
 public:
  using Config = ReedSolomonConfig;
  explicit ReedSolomon(const Config& config) : coherence_(config.coherence) {
    check_coherence(coherence_, "reed-solomon");
  }

  CodeNumbers numbers(Index positions, Arithmetic format) const override {
    check_positions(positions);
    const Shape s = choose(positions);
    CodeNumbers n =
        whole_number_code(positions, format, s.width(), double(s.n), 0, double(s.k - 1));
    n.parameters = {{"q", s.q}, {"k", s.k}, {"n", s.n}};
    return n;
  }
  std::unique_ptr<Codebook> codebook(Index positions, Arithmetic format) const override {
    check_fits(numbers(positions, format), "reed-solomon");
    const Shape shape = choose(positions);
    return std::make_unique<ReedSolomonBook>(shape, prime_power(shape.q));
  }

 private:
  /// The least width over all fields up to 4096 elements; of equal widths, the smaller field.
  Shape choose(Index positions) const {
    Shape best;
    Index least = 0;
    for (Index q = 2; q <= 4096 && (least == 0 || q < least); ++q) {
      const Index k = std::max<Index>(1, digits_of(positions, q));
      const auto wanted = Index(std::ceil(double(k - 1) / coherence_ - 1e-9));
      const Shape shape{q, k, std::max(k, wanted)};
      if (shape.n > q || (least != 0 && shape.width() >= least)) continue;
      if (prime_power(q).prime == 0) continue;
      best = shape;
      least = shape.width();
    }
    if (least == 0)
      throw Error(ErrorKind::spec, "no field of up to 4096 elements gives this coherence",
                  "reed-solomon", "allow a larger coherence");
    return best;
  }

  double coherence_;
};

}  // namespace

void register_reed_solomon(Registry<AddressCode>& codes) {
  codes.add<ReedSolomon>("reed-solomon", "values of polynomials, one-hot at each point");
}

}  // namespace separatrix

#include <algorithm>
#include <cmath>
#include <numbers>

#include "separatrix/codes/address_code.h"

namespace separatrix {
namespace {

struct CircleConfig {};
template <class V>
void visit(V&, CircleConfig&) {}

/// By how much rounding may change s(p,p) - s(p,j): entries of both vectors (relative u of the
/// format, absolute 2^-25 where float16 is subnormal, the cosines' own), then float32's two
/// products and their sum.
double rounding(Arithmetic format) {
  const double u = number_format(format).unit();
  const double tiny = format == Arithmetic::float16 ? 0x1p-22 : 0x1p-46;
  return 2 * (2 * u + u * u + tiny + 2.01 * 0x1p-24);
}

/// Most positions of which rounding takes at most half of 8 / N^2.
Index most_positions(Arithmetic format) { return Index(std::sqrt(4 / rounding(format))); }

class CircleBook final : public Codebook {
 public:
  CircleBook(Index positions, Arithmetic format) : positions_(positions), format_(format) {}
  void key(Index j, std::span<float> out) const override {
    const double angle = 2 * std::numbers::pi * double(j) / double(positions_);
    out[0] = float(round_to(format_, std::cos(angle)));
    out[1] = float(round_to(format_, std::sin(angle)));
  }

 private:
  Index positions_;
  Arithmetic format_;
};

/// (cos 2 pi j / N, sin 2 pi j / N): two numbers, but the gap is only about 20 / N^2, and entries
/// are rounded. A teaching example.
class Circle final : public AddressCode {
 public:
  using Config = CircleConfig;
  explicit Circle(const Config&) {}

  CodeNumbers numbers(Index positions, Arithmetic format) const override {
    check_positions(positions);
    if (format == Arithmetic::real) format = Arithmetic::float32;
    CodeNumbers n{.positions = positions, .format = format, .width = 2};
    n.largest = most_positions(format);
    n.caveat = "rounded entries bring neighbours too close";
    const double error = n.fits() ? rounding(format) : 0;
    const double angle = std::numbers::pi / double(positions);
    n.peak = 1 + error;
    n.lowest = -1 - error;
    n.gap = 2 * std::pow(std::sin(angle), 2) - error;
    n.coherence = positions == 1 ? 0 : (std::cos(2 * angle) + error / 2) / (1 - error / 2);
    const double opposite = positions % 2 == 0 ? 1 : std::cos(angle);
    n.two_sided = positions == 1 ? 0 : (opposite + error / 2) / (1 - error / 2);
    n.exact = false;
    return n;
  }
  /// 1 - cos(2 pi d / N) >= 8 d^2 / N^2, so leak <= 2 (q + q^2 + ...), q = e^{-c (8 / N^2 -
  /// error)}.
  double leak(const CodeNumbers& n, double temperature) const override {
    if (n.positions == 1) return 0;
    const double slope = 8 / std::pow(double(n.positions), 2) - (n.fits() ? rounding(n.format) : 0);
    return 2 / std::expm1(temperature * slope);
  }
  std::unique_ptr<Codebook> codebook(Index positions, Arithmetic format) const override {
    const CodeNumbers n = numbers(positions, format);
    check_fits(n, "circle");
    return std::make_unique<CircleBook>(positions, n.format);
  }
};

}  // namespace

void register_circle(Registry<AddressCode>& codes) {
  codes.add<Circle>("circle", "angles 2 pi j / N: two numbers, temperature about N^2");
}

}  // namespace separatrix

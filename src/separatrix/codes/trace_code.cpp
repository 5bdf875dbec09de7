#include "separatrix/codes/trace_code.h"

#include <cmath>

#include "separatrix/codes/finite_field.h"

namespace separatrix {
namespace {

class TraceBook final : public Codebook {
 public:
  explicit TraceBook(const TraceCode& code) : code_(code), field_(2, code.r) {}

  void key(Index j, std::span<float> out) const override {
    for (std::size_t x = 0; x < out.size(); ++x) {
      const auto point = FiniteField::Element(x);
      const FiniteField::Element square = field_.multiply(point, point);
      FiniteField::Element power = point, sum = 0;
      Index rest = j;
      for (Index i = 0; i < code_.t; ++i, rest >>= code_.r) {
        const auto coefficient = FiniteField::Element(rest & ((Index(1) << code_.r) - 1));
        sum ^= field_.multiply(coefficient, power);
        power = field_.multiply(power, square);
      }
      out[x] = field_.trace(sum) != 0 ? -1.0F : 1.0F;
    }
  }

 private:
  TraceCode code_;
  FiniteField field_;
};

}  // namespace

double largest_sum(const TraceCode& code) {
  const auto r = double(code.r);
  if (code.t == 1) return 0;
  if (code.t == 2) return code.r % 2 != 0 ? std::exp2((r + 1) / 2) : std::exp2(r / 2 + 1);
  return 2 * std::floor(double(code.t - 1) * std::exp2(r / 2));
}

CodeNumbers trace_numbers(const TraceCode& code, Index positions, Arithmetic format) {
  const Index width = Index(1) << code.r;
  const double sum = largest_sum(code);
  CodeNumbers n = whole_number_code(positions, format, width, double(width), -sum, sum);
  n.parameters = {{"r", code.r}, {"t", code.t}};
  return n;
}

std::unique_ptr<Codebook> trace_book(const TraceCode& code) {
  return std::make_unique<TraceBook>(code);
}

}  // namespace separatrix

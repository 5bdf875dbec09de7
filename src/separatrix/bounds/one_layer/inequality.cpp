#include "separatrix/bounds/one_layer/inequality.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace separatrix::one_layer {
namespace {

std::string text(Index n) { return std::to_string(n); }
std::string text(double x) {
  const Json json = x;  // the shortest text that reads back as x
  std::string out = json.dump();
  if (out.size() > 2 && out.ends_with(".0")) out.resize(out.size() - 2);
  return out;
}

Index ceil_log2(Index n) { return n <= 1 ? 0 : Index(std::bit_width(std::uint64_t(n - 1))); }

/// ceil(log2(ceil(x) + 1)): bits that name one of ceil(x) + 1 grid points.
Index grid_bits(double x) {
  const double points = std::ceil(x) + 1;
  if (!std::isfinite(points)) return std::numeric_limits<double>::max_exponent + 1;
  int exponent = 0;
  const double fraction = std::frexp(points, &exponent);  // points = fraction 2^exponent
  return fraction == 0.5 ? exponent - 1 : exponent;
}

/// H (per_value d_v + per_head) + fixed
struct Left {
  Index per_value = 1, per_head = 0, fixed = 0;
  std::string words, formula;

  Index at(Index heads, Index width) const {
    return heads * (per_value * width + per_head) + fixed;
  }
  /// Least d_v >= 1 with at(heads, d_v) >= needed.
  Index smallest(Index heads, Index needed) const {
    const auto up = [](Index a, Index b) { return a <= 0 ? 0 : (a + b - 1) / b; };
    return std::max<Index>(1, up(up(needed - fixed, heads) - per_head, per_value));
  }
};

Left left_side(const OneLayerNumbers& n, const OneLayerClaim& claim) {
  const Index p = n.precision, carry = ceil_log2(claim.tokens);
  const std::string sums = "H (d_v + 1) (" + text(p) + " + ceil(log2 " + text(claim.tokens) + "))";
  const std::string fixed = text(p) + "-bit fixed-point attention";
  switch (claim.arithmetic) {
    case OneLayerArithmetic::fixed_shifted:
      return {p + carry, p + carry + 2 * p, claim.answer_bits,
              fixed + ", weights e^(s - max) with the maximum over all tokens, exact sums; two-way",
              "2 H " + text(p) + " + " + sums + " + " + text(claim.answer_bits)};
    case OneLayerArithmetic::fixed_unshifted:
      return {p + carry, p + carry, 0,
              fixed + ", weights e^s without subtracting a maximum, exact sums; one-way", sums};
    case OneLayerArithmetic::streaming:
      return {p, 2 * p, 0,
              "any " + text(p) +
                  "-bit numbers, softmax computed token after token (maximum, normaliser, values "
                  "kept), bit for bit; one-way",
              "H (d_v + 2) " + text(p)};
    case OneLayerArithmetic::margin:
      break;
  }
  const double value = 2 * n.value * n.lipschitz / n.margin;
  const double score = (2 * n.score + std::log(double(std::max<Index>(1, claim.tokens)))) *
                       n.lipschitz * n.value / (2 * n.margin);
  const std::string v = text(n.value), l = text(n.lipschitz), mu = text(n.margin);
  return {grid_bits(value), grid_bits(score), 0,
          "real numbers, |v| <= " + v + ", |score| <= " + text(n.score) +
              ", read-out Lipschitz with " + l + ", margin " + mu + "; one-way",
          "H (d_v ceil(log2(ceil(2 * " + v + " * " + l + " / " + mu +
              ") + 1)) + ceil(log2(ceil((2 * " + text(n.score) + " + ln " + text(claim.tokens) +
              ") * " + l + " * " + v + " / (2 * " + mu + ")) + 1)))"};
}

}  // namespace

Inequality one_layer_inequality(const OneLayerNumbers& numbers, const OneLayerClaim& claim) {
  check_numbers(numbers);
  const Left left = left_side(numbers, claim);
  const Index width = left.smallest(numbers.heads, claim.needed);
  // More heads carry more overhead bits, so that a smaller H d_v may do; H d_v >= H ends the
  // search.
  Index best = numbers.heads * width, best_heads = numbers.heads;
  for (Index heads = 1; heads < best; ++heads)
    if (const Index all = heads * left.smallest(heads, claim.needed); all < best)
      best = all, best_heads = heads;
  Inequality out{.arithmetic = left.words,
                 .partition = claim.partition,
                 .formula = left.formula + " >= " + text(claim.needed) +
                            "; H = " + text(numbers.heads) + ": d_v >= " + text(width),
                 .needed = claim.needed,
                 .smallest_width = numbers.heads * width,
                 .satisfied = {}};
  if (best < out.smallest_width)
    out.formula += "; any H: H d_v >= " + text(best) + " (H = " + text(best_heads) + ")";
  if (numbers.value_width > 0)
    out.satisfied = left.at(numbers.heads, numbers.value_width) >= claim.needed;
  return out;
}

}  // namespace separatrix::one_layer

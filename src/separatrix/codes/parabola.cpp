#include <cmath>

#include "separatrix/codes/sign_code.h"

namespace separatrix {
namespace {

struct ParabolaConfig {
  Index base = 0;
};
template <class V>
void visit(V& v, ParabolaConfig& c) {
  v("base", c.base, "of the digits; 0 = the one that gives the least width");
}

/// Digits of a position in base B, moved by h = B / 2 into -h .. B - 1 - h.
struct Layout {
  Index base = 2, digits = 1, squares = 1;  ///< squares: coordinates for the sum of squares
  Index half() const { return base / 2; }
  Index width() const { return digits + squares; }
  Index sum_of_squares() const { return digits * half() * half(); }  ///< at most
  double peak() const { return double(sum_of_squares()); }
  /// 2 p j - j^2 at its least: p = B - 1 - h, j = -h.
  double lowest() const {
    return -double(digits) * double(2 * half() * (base - 1 - half()) + half() * half());
  }
};

/// Most digits that a base may have: entries are numbers of the format, and the magnitudes of all
/// products of a score add up to 3 D h^2 <= 2^24, so that float32 adds them exactly in any order.
Index most_digits(Index base, Arithmetic format) {
  const NumberFormat f = number_format(format);
  const Index half = base / 2;
  const auto h = double(half);
  if (h > std::exp2(f.significant)) return 0;  // digits h, queries 2 h
  // Two coordinates hold a sum of squares up to 2^(2p): a multiple of 2^p and the rest.
  const double squares = std::min(std::exp2(2 * f.significant), f.largest);
  return Index(std::min(double(kExactSum) / 3, squares) / (h * h));
}

Index squares_needed(Index base, Index digits, Arithmetic format) {
  const Index half = base / 2;
  const double sum = double(digits) * double(half) * double(half);
  return sum <= std::exp2(number_format(format).significant) ? 1 : 2;
}

/// Least B with B^digits >= count, at least 2.
Index least_base(Index count, Index digits) {
  auto base = std::max<Index>(2, Index(std::pow(double(count), 1 / double(digits))) - 1);
  while (digits_of(count, base) > digits) ++base;
  return base;
}

class ParabolaBook final : public Codebook {
 public:
  ParabolaBook(const Layout& layout, Arithmetic format)
      : layout_(layout), unit_(Index(1) << number_format(format).significant) {}

  void key(Index j, std::span<float> out) const override {
    Index squares = 0;
    for (Index i = 0; i < layout_.digits; ++i, j /= layout_.base) {
      const Index digit = j % layout_.base - layout_.half();
      squares += digit * digit;
      out[std::size_t(i)] = float(digit);
    }
    const auto last = std::size_t(layout_.digits);
    if (layout_.squares == 1) {
      out[last] = float(squares);
    } else {
      out[last] = float(squares % unit_);
      out[last + 1] = float(squares - squares % unit_);
    }
  }
  void query(Index p, std::span<float> out) const override {
    for (Index i = 0; i < layout_.digits; ++i, p /= layout_.base)
      out[std::size_t(i)] = float(2 * (p % layout_.base - layout_.half()));
    for (Index i = layout_.digits; i < layout_.width(); ++i) out[std::size_t(i)] = -1;
  }

 private:
  Layout layout_;
  Index unit_;
};

/// key (j_1 .. j_D, sum j_k^2), query (2 p_1 .. 2 p_D, -1): s(p, j) = |p|^2 - |p - j|^2. The sum
/// over all positions is a product of sums over digits, at most (1 + 2 sum_d e^{-c d^2})^D - 1.
class Parabola final : public AddressCode {
 public:
  using Config = ParabolaConfig;
  explicit Parabola(const Config& config) : base_(config.base) {
    if (base_ != 0 && (base_ < 2 || base_ > 8192))
      throw Error(ErrorKind::spec, "base must be 0 or from 2 to 8192", "parabola");
  }

  CodeNumbers numbers(Index positions, Arithmetic format) const override {
    check_positions(positions);
    if (format == Arithmetic::real) format = Arithmetic::float32;
    const Layout layout = choose(positions, format);
    CodeNumbers n{.positions = positions, .format = format, .width = layout.width()};
    n.parameters = {{"base", layout.base}, {"digits", layout.digits}, {"squares", layout.squares}};
    n.peak = layout.peak();
    n.lowest = layout.lowest();
    n.gap = 1;
    n.one_length = false;
    n.leak_attained = std::pow(double(layout.base), double(layout.digits)) == double(positions);
    n.exact_scores = -n.lowest <= std::exp2(number_format(format).significant);
    if (base_ != 0) {
      const Index most = most_digits(base_, format);
      Index reach = most > 0 ? 1 : 0;
      for (Index i = 0; i < most && reach < kMostPositions; ++i) reach *= base_;
      n.largest = std::min(reach, kMostPositions);
      n.caveat = "with this base";
    }
    return n;
  }

  double leak(const CodeNumbers& n, double temperature) const override {
    if (n.positions == 1) return 0;
    const auto base = n.parameters.at("base").get<Index>();
    const auto digits = n.parameters.at("digits").get<Index>();
    double others = 0;  // of the digit in the middle, which has most neighbours
    for (Index d = base / 2; d >= 1; --d) {
      const double weight = std::exp(-temperature * double(d) * double(d));
      others += d <= base - 1 - base / 2 ? 2 * weight : weight;
    }
    return std::expm1(double(digits) * std::log1p(others));
  }

  std::unique_ptr<Codebook> codebook(Index positions, Arithmetic format) const override {
    const CodeNumbers n = numbers(positions, format);
    check_fits(n, "parabola");
    return std::make_unique<ParabolaBook>(choose(positions, n.format), n.format);
  }

 private:
  /// The least width; of equal widths, the least scores.
  Layout choose(Index positions, Arithmetic format) const {
    const auto layout = [&](Index base, Index digits) {
      return Layout{base, digits, squares_needed(base, digits, format)};
    };
    if (base_ != 0) return layout(base_, std::max<Index>(1, digits_of(positions, base_)));
    Layout best;
    bool found = false;
    for (Index digits = 1; digits <= 40; ++digits) {
      const Index base = least_base(positions, digits);
      if (digits > most_digits(base, format)) continue;
      const Layout next = layout(base, digits);
      const auto size = [](const Layout& l) { return std::pair(l.width(), l.peak() - l.lowest()); };
      if (!found || size(next) < size(best)) best = next;
      found = true;
    }
    return best;
  }

  Index base_;
};

}  // namespace

void register_parabola(Registry<AddressCode>& codes) {
  codes.add<Parabola>("parabola",
                      "digits and their squares: the least width; keys differ in length");
}

}  // namespace separatrix

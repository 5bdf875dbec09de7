#include <bit>
#include <cmath>
#include <cstdint>
#include <vector>

#include "separatrix/base/rng.h"
#include "separatrix/codes/sign_code.h"

namespace separatrix {
namespace {

struct RandomSignsConfig {
  double coherence = 0.5;
  double failure = 0.1;
  Index seed = 0;
};
template <class V>
void visit(V& v, RandomSignsConfig& c) {
  v("coherence", c.coherence, "largest inner product that is allowed, of 1");
  v("failure", c.failure, "probability that a draw has to be repeated");
  v("seed", c.seed, "fixes the draw");
}

/// Verifying takes N^2 m / 128 word operations: seconds at this N.
constexpr Index kMostVerified = Index(1) << 15;

/// Largest inner product of m signs that is allowed: at most coherence m, and of m's parity.
Index allowed(Index m, double coherence) {
  const auto floor = Index(std::floor(coherence * double(m)));
  return floor - (m - floor) % 2;
}

/// P(sum of m signs > allowed): the binomial tail, from its largest term on.
double tail(Index m, Index allowed) {
  const Index plus = (m + allowed) / 2 + 1;  // least number of +1
  if (plus > m) return 0;
  const auto lg = [](Index k) { return std::lgamma(double(k) + 1); };
  double term = std::exp(lg(m) - lg(plus) - lg(m - plus) - double(m) * std::log(2.0)), sum = 0;
  for (Index k = plus; k <= m && term > sum * 1e-17; ++k) {
    sum += term;
    term *= double(m - k) / double(k + 1);
  }
  return sum;
}

/// One row of bits per position.
class RandomSignsBook final : public Codebook {
 public:
  RandomSignsBook(Index positions, Index width, std::uint64_t seed, std::uint64_t attempt)
      : positions_(positions), words_(std::size_t((width + 63) / 64)), width_(width) {
    Rng rng(seed, RngUse::search, attempt);
    rows_.resize(std::size_t(positions) * words_);
    const std::uint64_t last = ~std::uint64_t(0) >> (words_ * 64 - std::size_t(width));
    for (std::size_t i = 0; i < rows_.size(); ++i)
      rows_[i] = rng.bits() & (i % words_ == words_ - 1 ? last : ~std::uint64_t(0));
  }

  /// Whether no two rows agree so often that their inner product is above `allowed`.
  bool verify(Index allowed) const {
    for (Index j = 0; j < positions_; ++j)
      for (Index p = 0; p < j; ++p) {
        const std::uint64_t *a = row(j), *b = row(p);
        Index differ = 0;
        for (std::size_t w = 0; w < words_; ++w) differ += std::popcount(a[w] ^ b[w]);
        if (width_ - 2 * differ > allowed) return false;
      }
    return true;
  }

  void key(Index j, std::span<float> out) const override {
    const std::uint64_t* bits = row(j);
    for (std::size_t x = 0; x < out.size(); ++x)
      out[x] = (bits[x / 64] >> (x % 64) & 1) != 0 ? 1.0F : -1.0F;
  }

 private:
  const std::uint64_t* row(Index j) const { return &rows_[std::size_t(j) * words_]; }
  Index positions_;
  std::size_t words_;
  Index width_;
  std::vector<std::uint64_t> rows_;
};

/// Independent signs. N^2 / 2 P(S_m > coherence m) <= failure: then a draw has the coherence with
/// probability 1 - failure; draws are repeated until one does. Hoeffding's bound
/// m >= 2 / coherence^2 ln(N^2 / (2 failure)) says how the width grows.
class RandomSigns final : public AddressCode {
 public:
  using Config = RandomSignsConfig;
  explicit RandomSigns(const Config& config) : c_(config) {
    check_coherence(c_.coherence, "random-signs");
    if (!(c_.failure > 0 && c_.failure <= 0.5))
      throw Error(ErrorKind::spec, "failure must be above 0 and at most 0.5", "random-signs");
  }

  CodeNumbers numbers(Index positions, Arithmetic format) const override {
    check_positions(positions);
    const double pairs = double(positions) * double(positions) / 2;
    const Index hoeffding = std::max<Index>(
        1, Index(std::ceil(2 / (c_.coherence * c_.coherence) * std::log(pairs / c_.failure))));
    Index width = 1;
    while (width < hoeffding && pairs * tail(width, allowed(width, c_.coherence)) > c_.failure)
      ++width;
    const Index highest = allowed(width, c_.coherence);
    CodeNumbers n =
        whole_number_code(positions, format, width, double(width), double(-width), double(highest));
    n.parameters = {{"hoeffding_width", hoeffding}};
    n.largest = kMostVerified;
    n.caveat = "a draw for more positions takes too long to verify";
    return n;
  }

  std::unique_ptr<Codebook> codebook(Index positions, Arithmetic format) const override {
    const CodeNumbers n = numbers(positions, format);
    check_fits(n, "random-signs");
    for (std::uint64_t attempt = 0; attempt < 1000; ++attempt) {
      auto book =
          std::make_unique<RandomSignsBook>(positions, n.width, std::uint64_t(c_.seed), attempt);
      if (book->verify(allowed(n.width, c_.coherence))) return book;
    }
    // Probability failure^1000, at most 2^-1000.
    throw Error(ErrorKind::numeric, "no draw of random signs was good", "random-signs",
                "choose another seed");
  }

 private:
  Config c_;
};

}  // namespace

void register_random_signs(Registry<AddressCode>& codes) {
  codes.add<RandomSigns>("random-signs", "independent signs, drawn until verified");
}

}  // namespace separatrix

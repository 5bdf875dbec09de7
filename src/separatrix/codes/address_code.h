#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>

#include "separatrix/base/registry.h"
#include "separatrix/model/arithmetic.h"

namespace separatrix {

/// Codes are made for at most this many positions.
inline constexpr Index kMostPositions = Index(1) << 40;

/// What is known of a code for N positions whose entries are stored in one number format: closed
/// forms, nothing is enumerated. s(p, j) = <query(p), key(j)> is the score at temperature 1. All
/// bounds are over p and j != p below N and derived in docs/theory.md, "Address codes".
struct CodeNumbers {
  Index positions = 1;
  Arithmetic format = Arithmetic::float32;
  Index width = 1;                       ///< of a key, and of a query
  Json parameters = Json::object();      ///< what the code chose: {"bits": 7}
  double peak = 1;                       ///< s(p, p) <= peak, equal for every p where one_length
  double lowest = 0;                     ///< s(p, j) >= lowest
  double gap = 1;                        ///< s(p, p) - s(p, j) >= gap
  bool one_length = true;                ///< keys have one norm and are the queries
  std::optional<double> coherence = {};  ///< s(p, j) / s(p, p) <= coherence; none unless one_length
  std::optional<double> two_sided = {};  ///< |s(p, j)| / s(p, p) <= two_sided; the same
  bool leak_attained = false;      ///< AddressCode::leak is the leak of some p, not a bound only
  bool exact = true;               ///< entries are numbers of the format, and float32 adds every
                                   ///< score without rounding, in any order
  bool exact_scores = false;       ///< and scores are numbers of the format, too
  Index largest = kMostPositions;  ///< most positions for which all this is guaranteed
  std::string caveat = {};         ///< why not for more; empty where nothing is to be said

  /// Whether a codebook exists. If not, the numbers are those of exact real entries.
  bool fits() const { return positions <= largest; }
  /// Width of the interval of scores at a temperature, in nats.
  double score_range(double temperature) const { return temperature * (peak - lowest); }
};

/// Keys and queries of a code for N positions, all entries numbers of its format. Immutable.
class Codebook {
 public:
  virtual ~Codebook() = default;
  /// Writes `width` numbers. 0 <= j < N.
  virtual void key(Index j, std::span<float> out) const = 0;
  /// Multiply by the temperature, a power of two, to fold it into the weights without rounding.
  virtual void query(Index p, std::span<float> out) const { key(p, out); }
};

/// Vectors by which softmax attention finds one of N positions: with scores c s(p, j) and position
/// p asked, the weights of all others together are at most leak(c) times that of p.
class AddressCode {
 public:
  virtual ~AddressCode() = default;

  /// Constant time. Throws Error(spec) when positions are not in 1 .. kMostPositions or the code's
  /// parameters cannot reach them. `format` real: as float32.
  virtual CodeNumbers numbers(Index positions, Arithmetic format = Arithmetic::float32) const = 0;

  /// sum_{j != p} e^{-c (s(p,p) - s(p,j))} <= leak, for every p; decreasing in c, 0 for N = 1.
  /// The default is (N - 1) e^{-c gap}.
  virtual double leak(const CodeNumbers& numbers, double temperature) const;

  /// May take time and memory: tables of a field, the verification of a draw. Throws Error(spec)
  /// where numbers(...).fits() is false.
  virtual std::unique_ptr<Codebook> codebook(Index positions,
                                             Arithmetic format = Arithmetic::float32) const = 0;

  /// The least temperature with leak() <= leak, 0 < leak < 1; 0 for N = 1. Throws Error(spec).
  double temperature(const CodeNumbers& numbers, double leak) const;
  /// The least power of two that is enough: a factor that rounds nothing. 1 for N = 1.
  double power_of_two_temperature(const CodeNumbers& numbers, double leak) const;
};

/// Below this leak the binary code needs temperature 4 for all N from 2 to 2^46, hence the default.
inline constexpr double kUsualLeak = 1.0 / 64;

/// Throws Error(spec) unless 1 <= positions <= kMostPositions.
void check_positions(Index positions);
/// Throws Error(spec) naming the code, the format and the limit unless numbers.fits().
void check_fits(const CodeNumbers& numbers, const std::string& code);
/// Least k >= 0 with base^k >= count: digits that count positions need.
Index digits_of(Index count, Index base);

void register_codes(Registry<AddressCode>& codes);  // codes/all.cpp

}  // namespace separatrix

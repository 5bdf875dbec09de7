#pragma once

#include <array>

#include "separatrix/proofs/prefix_scan/recheck_balls.h"
#include "separatrix/tasks/task.h"

// For the rechecking side of prefix-scan only.

namespace separatrix::prefix_scan_recheck {

/// Dyck-(n,k) at length N.
struct Language {
  Index n = 1, k = 1, N = 2;
  bool recognise = true;
  Index deepest() const { return std::min(k, N / 2); }
  Token close() const { return Token(n); }  ///< of type 0
  Token bos() const { return Token(2 * n); }
  Token eos() const { return Token(2 * n + 1); }
  /// First and last position, every second between, of the token's kind at the depth; first > last:
  /// there is none.
  std::array<Index, 2> span(Token token, Index depth) const;
};
/// The labels of sampled inputs are those of the language. Empty text, or what differs.
std::string check_language(const Language& language, const Task& task, std::uint64_t seed);

/// Decimal: strings, or words.
std::string count_inputs(const Language& language);

/// The rows that the second attention reads, one at a time.
class Machinery {
 public:
  Machinery(const Language& language, const Machine& machine);
  /// Empty if the first attention is a plain mean that tells depths only.
  std::string why_not() const { return why_not_; }
  /// Of a prefix that ends with the token at t; `depth` counts for how many brackets are open,
  /// `any` for all strings.
  Balls row(Index t, Token token, Index depth, bool any) const;
  std::size_t second_attention() const { return second_; }

 private:
  struct Counted {
    Ball bos, open, close, eos;
    long double largest = 0;
    std::vector<long double> partials;  ///< [T]: sum over j <= t of the largest |partial sum|
  };
  Counted count(const std::vector<Balls>& rows, Index at) const;
  Ball total(const Counted& c, Index t, Token token, Index opens) const;
  Ball mean(const Counted& c, Index t, Token token, Index depth, bool any) const;

  const Language& l_;
  const Machine& m_;
  std::string why_not_;
  std::vector<Counted> values_, inputs_;
  std::size_t second_ = 0;
};

}  // namespace separatrix::prefix_scan_recheck

#pragma once

#include "separatrix/proofs/prefix_scan/looking.h"

namespace separatrix::prefix_scan {

/// The third attention as EOS sees it: one row that is wrong, and others that are right or can be
/// anything.
class Search {
 public:
  /// `query` is the row of EOS.
  Search(const Network& net, const Numbers& numbers, double n_tokens, const Box& query)
      : a_(net.attention[2]),
        numbers_(numbers),
        n_(n_tokens),
        query_(products(a_.q, query, numbers)) {
    for (const Column& column : a_.q) query_sizes_.push_back(numbers.dot(column, query).absolute);
  }

  /// The average when every row is one of these.
  Box among(const std::vector<Box>& rows) const;
  /// The average when one row is `wrong` and each other one is in one of `others`.
  Box with(const Box& wrong, const std::vector<Box>& others) const;

 private:
  /// A part of a box of rows: what it scores and what values it holds there.
  struct Piece {
    FastInterval score;
    Box values;
  };
  std::vector<Piece> pieces(const Box& row) const;
  Piece piece(const Box& row) const;
  double lower(const Piece& wrong, const std::vector<Piece>& others, std::size_t at, double least,
               int sign) const;
  FastInterval error(const std::vector<Box>& rows, std::size_t at) const;
  double ratio(const std::vector<Box>& rows) const;

  const AttentionPart& a_;
  const Numbers& numbers_;
  double n_;
  Box query_;
  std::vector<double> query_sizes_;
};

}  // namespace separatrix::prefix_scan

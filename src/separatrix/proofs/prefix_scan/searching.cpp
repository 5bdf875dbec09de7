#include "separatrix/proofs/prefix_scan/searching.h"

#include <algorithm>
#include <cmath>

namespace separatrix::prefix_scan {
namespace {

/// Score and value of a row both depend on what is wrong with it. A box is cut into so many slices
/// along its widest coordinate, so that the two stay together.
constexpr int kSlices = 512;

double most_terms(const AttentionPart& a) {
  std::size_t terms = 0;
  for (const auto* columns : {&a.q, &a.k, &a.v})
    for (const Column& column : *columns) terms = std::max(terms, column.size());
  return double(terms);
}

}  // namespace

Search::Piece Search::piece(const Box& row) const {
  const Box key = products(a_.k, row, numbers_);
  FastInterval score;
  for (std::size_t i = 0; i < key.size(); ++i) score += query_[i] * key[i];
  return {score * a_.scale, products(a_.v, row, numbers_)};
}

std::vector<Search::Piece> Search::pieces(const Box& row) const {
  std::size_t widest = row.size();
  double width = 0;
  for (const auto* columns : {&a_.k, &a_.v})
    for (const Column& column : *columns)
      for (const Entry& e : column) {
        const FastInterval& x = row[std::size_t(e.at)];
        if (x.bounded() && x.hi - x.lo > width) {
          width = x.hi - x.lo;
          widest = std::size_t(e.at);
        }
      }
  if (widest == row.size()) return {piece(row)};
  std::vector<Piece> out;
  Box part(row);
  const FastInterval whole = row[widest];
  double from = whole.lo;
  for (int i = 1; i <= kSlices; ++i) {
    const double to = i == kSlices ? whole.hi : std::min(whole.hi, whole.lo + width * i / kSlices);
    part[widest] = {from, std::max(from, to)};
    out.push_back(piece(part));
    from = std::max(from, to);
  }
  return out;
}

double Search::ratio(const std::vector<Box>& rows) const {
  double magnitude = 0;
  for (const Box& row : rows) {
    double sum = 0;
    for (std::size_t i = 0; i < a_.k.size(); ++i)
      sum += query_sizes_[i] * numbers_.dot(a_.k[i], row).absolute;
    const double size = sum * a_.scale * (1 + 0x1p-40);
    if (!(size <= magnitude)) magnitude = size;  // NaN stays
  }
  return ratio_error(numbers_, 2 * most_terms(a_) + double(a_.dk), magnitude);
}

FastInterval Search::error(const std::vector<Box>& rows, std::size_t at) const {
  double size = 0;
  for (const Box& row : rows) size = std::max(size, numbers_.dot(a_.v[at], row).absolute);
  const double error = average_error(numbers_, n_, most_terms(a_), size);
  return {-error, error};
}

Box Search::among(const std::vector<Box>& rows) const {
  Box out;
  for (const Box& row : rows) join(out, products(a_.v, row, numbers_));
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = numbers_.stored(out[i] + error(rows, i));
  return out;
}

/// The average exceeds x when sum_j e^{s_j} (v_j - x) > 0: linear in the weights, so that each row
/// may be taken at its own worst. Bisection for the largest such x; sign -1 asks for -v instead.
double Search::lower(const Piece& wrong, const std::vector<Piece>& others, std::size_t at,
                     double least, int sign) const {
  const auto value = [&](const Piece& p) { return sign > 0 ? p.values[at].lo : -p.values[at].hi; };
  const double top = wrong.score.hi;
  // Rounded down: e^{s - top} (v - x), s anywhere in the piece.
  const auto term = [&](const Piece& p, double x) {
    const double gain = next_below(value(p) - x);
    if (gain >= 0) return next_below(exp_down(next_below(p.score.lo - top)) * gain);
    return next_below(exp_up(next_above(p.score.hi - top)) * gain);
  };
  const auto exceeds = [&](double x) {
    double worst = 0;
    for (const Piece& p : others)
      if (const double least_term = term(p, x); !(least_term >= worst)) worst = least_term;
    return next_below(term(wrong, x) + next_below(worst * (n_ - 1))) > 0;
  };
  double low = least, high = value(wrong);
  for (int i = 0; i < 60 && low < high; ++i) {
    const double middle = low + (high - low) / 2;
    (exceeds(middle) ? low : high) = middle;
  }
  return low;
}

Box Search::with(const Box& wrong, const std::vector<Box>& others) const {
  std::vector<Box> rows(others);
  rows.push_back(wrong);
  // Ratios of computed weights are off by a factor: as if scores were.
  const double slack = log(FastInterval(ratio(rows))).hi;
  const auto widen = [&](Piece& p) { p.score += FastInterval(-slack, slack); };
  Piece one = piece(wrong);
  std::vector<Piece> all;
  for (const Box& row : others)
    for (Piece& p : pieces(row)) all.push_back(std::move(p));
  for (Piece& p : all) widen(p);
  Box out;
  for (std::size_t i = 0; i < a_.v.size(); ++i) {
    FastInterval range = one.values[i];
    for (const Piece& p : all) range = hull(range, p.values[i]);
    const FastInterval mean(lower(one, all, i, range.lo, 1), -lower(one, all, i, -range.hi, -1));
    out.push_back(numbers_.stored(mean + error(rows, i)));
  }
  return out;
}

}  // namespace separatrix::prefix_scan

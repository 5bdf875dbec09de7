#include "separatrix/bounds/one_layer/fooling.h"

#include <algorithm>
#include <map>
#include <numeric>

namespace separatrix::one_layer {
namespace {

constexpr std::size_t kMaxCells = 2048, kMaxAnswers = 64;
constexpr Index kMaxSwaps = 10000;

using Cell = std::pair<Index, Index>;

/// Independent sets of the graph "two cells conflict".
class CellGraph {
 public:
  CellGraph(const AnswerMatrix& m, Token answer, std::vector<Cell> cells)
      : cells_(std::move(cells)), conflict_(cells_.size(), std::vector<bool>(cells_.size())) {
    const auto breaks = [&](const Cell& a, const Cell& b) {
      const Token crossing = m.at(a.first, b.second);
      return crossing != kIgnore && crossing != answer;
    };
    for (std::size_t i = 0; i < cells_.size(); ++i)
      for (std::size_t j = 0; j < i; ++j)
        conflict_[i][j] = conflict_[j][i] =
            !breaks(cells_[i], cells_[j]) && !breaks(cells_[j], cells_[i]);
  }

  std::vector<Cell> independent() {
    greedy();
    for (Index swaps = 0; swaps < kMaxSwaps && improve();) ++swaps;
    std::vector<Cell> out;
    for (std::size_t i = 0; i < cells_.size(); ++i)
      if (in_[i]) out.push_back(cells_[i]);
    return out;
  }

 private:
  void greedy() {
    std::vector<Index> degree;
    for (const auto& row : conflict_) degree.push_back(std::count(row.begin(), row.end(), true));
    std::vector<std::size_t> order(cells_.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return degree[a] < degree[b]; });
    in_.assign(cells_.size(), false);
    tight_.assign(cells_.size(), 0);
    for (const std::size_t i : order)
      if (tight_[i] == 0) put(i, true);
  }
  void put(std::size_t i, bool in) {
    in_[i] = in;
    for (std::size_t j = 0; j < cells_.size(); ++j)
      if (conflict_[i][j]) tight_[j] += in ? 1 : -1;
  }
  /// One out, two in; then whatever has become free.
  bool improve() {
    std::map<std::size_t, std::vector<std::size_t>> held_off;  // by one member alone
    for (std::size_t i = 0; i < cells_.size(); ++i) {
      if (in_[i] || tight_[i] != 1) continue;
      std::size_t member = 0;
      while (!in_[member] || !conflict_[i][member]) ++member;
      held_off[member].push_back(i);
    }
    for (const auto& [member, waiting] : held_off)
      for (std::size_t a = 0; a < waiting.size(); ++a)
        for (std::size_t b = 0; b < a; ++b) {
          if (conflict_[waiting[a]][waiting[b]]) continue;
          put(member, false);
          put(waiting[a], true);
          put(waiting[b], true);
          for (std::size_t i = 0; i < cells_.size(); ++i)
            if (!in_[i] && tight_[i] == 0) put(i, true);
          return true;
        }
    return false;
  }

  std::vector<Cell> cells_;
  std::vector<std::vector<bool>> conflict_;
  std::vector<bool> in_;
  std::vector<Index> tight_;  ///< members that a cell conflicts with
};

/// The cells of an answer, those first that share row and column with the fewest of it.
std::vector<Cell> rarest_cells(const AnswerMatrix& m, Token answer) {
  std::vector<Index> in_row(m.rows.size(), 0), in_column(m.columns.size(), 0);
  std::vector<Cell> cells;
  for (Index r = 0; r < m.n_rows(); ++r)
    for (Index c = 0; c < m.n_columns(); ++c)
      if (m.at(r, c) == answer) {
        ++in_row[std::size_t(r)];
        ++in_column[std::size_t(c)];
        cells.emplace_back(r, c);
      }
  const auto rarity = [&](const Cell& cell) {
    return in_row[std::size_t(cell.first)] + in_column[std::size_t(cell.second)];
  };
  const auto end = cells.begin() + std::ptrdiff_t(std::min(kMaxCells, cells.size()));
  std::partial_sort(cells.begin(), end, cells.end(), [&](const Cell& a, const Cell& b) {
    return std::pair(rarity(a), a) < std::pair(rarity(b), b);
  });
  cells.erase(end, cells.end());
  return cells;
}

}  // namespace

FoolingSet find_fooling_set(const AnswerMatrix& matrix) {
  std::map<Token, Index> answers;
  for (const Token answer : matrix.answers)
    if (answer != kIgnore && answers.size() < kMaxAnswers) ++answers[answer];
  FoolingSet best;
  for (const auto& [answer, n] : answers) {
    std::vector<Cell> found = CellGraph(matrix, answer, rarest_cells(matrix, answer)).independent();
    if (found.size() > best.cells.size()) best = {answer, std::move(found)};
  }
  return best;
}

}  // namespace separatrix::one_layer

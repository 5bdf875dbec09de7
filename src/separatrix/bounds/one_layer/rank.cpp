#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "separatrix/bounds/one_layer/rank.cpp"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "separatrix/base/index.h"

// Residues are kept balanced, |x| < 2^30, so that eight products and what a fold leaves fit 63
// bits; 2^31 = 1 modulo the prime, so a fold is a shift and an addition.

HWY_BEFORE_NAMESPACE();
namespace separatrix::one_layer::HWY_NAMESPACE {
namespace {  // NOLINT(google-build-namespaces): one copy per instruction set
namespace hn = hwy::HWY_NAMESPACE;

using Longs = hn::CappedTag<std::int64_t, 8>;
constexpr Index kFoldEvery = 8;

template <class V>
HWY_INLINE V fold(V x) {
  const Longs d;
  return hn::Add(hn::And(x, hn::Set(d, 0x7fffffff)), hn::ShiftRight<31>(x));
}

/// Lane by lane; both fit 32 bits.
template <class V>
HWY_INLINE V product(V a, V b) {
#if HWY_TARGET == HWY_SCALAR
  return hn::Set(Longs(), hn::GetLane(a) * hn::GetLane(b));
#else
  const hn::RepartitionToNarrow<Longs> narrow;
  return hn::MulEven(hn::BitCast(narrow, a), hn::BitCast(narrow, b));
#endif
}

/// c[r, :] -= sum over k of a[r, k] b[k, :] for R rows and two vectors of columns; a and b are
/// balanced residues, b as 64-bit lanes; c leaves congruent and below 2^33.
template <int R>
HWY_INLINE void tile(const std::int64_t* HWY_RESTRICT a, Index lda, Index depth,
                     const std::int64_t* HWY_RESTRICT b, Index ldb, std::int64_t* HWY_RESTRICT c,
                     Index ldc) {
  const Longs d;
  const Index lanes = Index(hn::Lanes(d));
  hn::Vec<Longs> sum[R][2];
  for (int r = 0; r < R; ++r) sum[r][0] = sum[r][1] = hn::Zero(d);
  for (Index k = 0; k < depth;) {
    for (const Index end = k + kFoldEvery < depth ? k + kFoldEvery : depth; k < end; ++k) {
      const auto b0 = hn::LoadU(d, b + k * ldb);
      const auto b1 = hn::LoadU(d, b + k * ldb + lanes);
      for (int r = 0; r < R; ++r) {
        const auto x = hn::Set(d, a[r * lda + k]);
        sum[r][0] = hn::Add(sum[r][0], product(x, b0));
        sum[r][1] = hn::Add(sum[r][1], product(x, b1));
      }
    }
    for (int r = 0; r < R; ++r) {
      sum[r][0] = fold(sum[r][0]);
      sum[r][1] = fold(sum[r][1]);
    }
  }
  for (int r = 0; r < R; ++r)
    for (int half = 0; half < 2; ++half) {
      std::int64_t* at = c + r * ldc + half * lanes;
      hn::StoreU(hn::Sub(hn::LoadU(d, at), sum[r][half]), d, at);
    }
}

/// The update of `rows` rows and two vectors' worth of columns.
void update_target(Index rows, const std::int64_t* a, Index lda, Index depth, const std::int64_t* b,
                   Index ldb, std::int64_t* c, Index ldc) {
  Index r = 0;
  for (; r + 4 <= rows; r += 4) tile<4>(a + r * lda, lda, depth, b, ldb, c + r * ldc, ldc);
  for (; r < rows; ++r) tile<1>(a + r * lda, lda, depth, b, ldb, c + r * ldc, ldc);
}

Index columns_target() { return 2 * Index(hn::Lanes(Longs())); }

}  // namespace
}  // namespace separatrix::one_layer::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <algorithm>
#include <map>
#include <numeric>

#include "separatrix/base/parallel.h"
#include "separatrix/bounds/one_layer/rank.h"

namespace separatrix::one_layer {
HWY_EXPORT(update_target);
HWY_EXPORT(columns_target);

namespace {

constexpr Index kPanel = 64;       ///< columns eliminated at a time
constexpr Index kMaxColumns = 16;  ///< of a tile, on any instruction set

/// Congruent to x, of absolute value below 2^30.
inline std::int64_t balanced(std::int64_t x) {
  x = (x & kRankPrime) + (x >> 31);  // 2^31 = 1: from 2^62 to 2^33
  x = (x & kRankPrime) + (x >> 31);  // to [-4, 2^31 + 4]
  return x - (x > kRankPrime / 2 ? kRankPrime : 0);
}

std::int64_t inverse(std::int64_t x) {
  std::int64_t result = 1, base = x;  // x^(p-2)
  for (std::int64_t e = kRankPrime - 2; e > 0; e >>= 1) {
    if ((e & 1) != 0) result = balanced(result * base);
    base = balanced(base * base);
  }
  return result;
}

/// Calls work(begin, end) on even parts of 0 .. n.
template <class Work>
void in_parallel(Index n, int threads, const Work& work) {
  const Index parts = std::clamp<Index>(threads, 1, std::max<Index>(1, n));
  parallel_for(threads, parts,
               [&](std::size_t, Index i) { work(n * i / parts, n * (i + 1) / parts); });
}

class Elimination {
 public:
  Elimination(std::span<const std::uint32_t> matrix, Index n_rows, Index n_columns, int threads)
      : rows_(n_rows),
        columns_(n_columns),
        width_((n_columns + kMaxColumns - 1) / kMaxColumns * kMaxColumns),
        threads_(threads),
        cells_(std::size_t(n_rows * width_), 0),
        order_(std::size_t(n_rows)) {
    std::iota(order_.begin(), order_.end(), 0);
    for (Index r = 0; r < n_rows; ++r)
      for (Index c = 0; c < n_columns; ++c)
        at(r, c) = balanced(matrix[std::size_t(r * n_columns + c)]);
  }

  Rank run() {
    for (Index begin = 0; begin < columns_ && done_ < rows_; begin += kPanel) {
      const Index end = std::min(begin + kPanel, columns_), top = done_;
      factors_.assign(std::size_t((rows_ - top) * kPanel), 0);
      panel(begin, end, top);
      if (done_ > top && end < columns_) trail(end, top);
    }
    rank_.rows.assign(order_.begin(), order_.begin() + done_);
    return std::move(rank_);
  }

 private:
  std::int64_t& at(Index r, Index c) { return cells_[std::size_t(r * width_ + c)]; }
  /// What was subtracted from row r: this many times the panel's k-th pivot row.
  std::int64_t& factor(Index r, Index k, Index top) {
    return factors_[std::size_t((r - top) * kPanel + k)];
  }

  void panel(Index begin, Index end, Index top) {
    for (Index c = begin; c < end && done_ < rows_; ++c) {
      Index pivot = done_;
      while (pivot < rows_ && at(pivot, c) == 0) ++pivot;
      if (pivot == rows_) continue;
      if (pivot != done_) {
        std::swap_ranges(&at(pivot, 0), &at(pivot, 0) + width_, &at(done_, 0));
        std::swap_ranges(&factor(pivot, 0, top), &factor(pivot, 0, top) + kPanel,
                         &factor(done_, 0, top));
        std::swap(order_[std::size_t(pivot)], order_[std::size_t(done_)]);
      }
      const std::int64_t scale = inverse(at(done_, c));
      const Index k = done_ - top, first = done_ + 1;
      in_parallel(rows_ - first, end - c < 8 ? 1 : threads_, [&](Index from, Index to) {
        for (Index r = first + from; r < first + to; ++r) {
          if (at(r, c) == 0) continue;
          const std::int64_t times = balanced(at(r, c) * scale);
          factor(r, k, top) = times;
          for (Index j = c; j < end; ++j) at(r, j) = balanced(at(r, j) - times * at(done_, j));
        }
      });
      rank_.columns.push_back(c);
      ++done_;
    }
  }

  /// The columns right of the panel: first the pivot rows among themselves, then all rows below.
  void trail(Index begin, Index top) {
    const Index depth = done_ - top, first = begin / kMaxColumns * kMaxColumns;
    const Index step = HWY_DYNAMIC_DISPATCH(columns_target)();
    const auto update = HWY_DYNAMIC_DISPATCH(update_target);
    in_parallel((width_ - first) / kMaxColumns, threads_, [&](Index from, Index to) {
      const Index left = std::max(begin, first + from * kMaxColumns),
                  right = first + to * kMaxColumns;
      for (Index k = 1; k < depth; ++k)
        for (Index i = 0; i < k; ++i)
          if (const std::int64_t times = factor(top + k, i, top); times != 0)
            for (Index j = left; j < right; ++j)
              at(top + k, j) = balanced(at(top + k, j) - times * at(top + i, j));
    });
    // A tile may begin inside the panel: there the pivot rows count as 0, so nothing changes.
    std::vector<std::int64_t> pivots(std::size_t(depth * width_), 0);
    for (Index k = 0; k < depth; ++k)
      std::copy_n(&at(top + k, begin), width_ - begin, &pivots[std::size_t(k * width_ + begin)]);
    in_parallel(rows_ - done_, threads_, [&](Index from, Index to) {
      const Index r = done_ + from;
      if (from == to) return;
      for (Index c = first; c < width_; c += step)
        update(to - from, &factor(r, 0, top), kPanel, depth, &pivots[std::size_t(c)], width_,
               &at(r, c), width_);
      for (Index row = r; row < done_ + to; ++row)
        for (Index c = begin; c < width_; ++c) at(row, c) = balanced(at(row, c));
    });
  }

  Index rows_, columns_, width_;
  int threads_;
  std::vector<std::int64_t> cells_;  ///< [rows, width], balanced
  std::vector<std::int64_t> factors_;
  std::vector<Index> order_;  ///< original row of each row
  Index done_ = 0;
  Rank rank_;
};

}  // namespace

Rank rank_modulo(std::span<const std::uint32_t> matrix, Index n_rows, Index n_columns,
                 int threads) {
  return Elimination(matrix, n_rows, n_columns, threads).run();
}

std::vector<AnswerRank> ranks_by_answer(const AnswerMatrix& matrix, int threads) {
  std::map<Token, Index> answers;
  for (const Token answer : matrix.answers) ++answers[answer];
  std::vector<AnswerRank> out;
  std::vector<std::uint32_t> ones(matrix.answers.size());
  for (const auto& [answer, n] : answers) {
    for (std::size_t i = 0; i < ones.size(); ++i) ones[i] = matrix.answers[i] == answer ? 1 : 0;
    out.push_back({answer, rank_modulo(ones, matrix.n_rows(), matrix.n_columns(), threads)});
  }
  return out;
}

}  // namespace separatrix::one_layer
#endif  // HWY_ONCE

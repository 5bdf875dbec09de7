#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <string>
#include <type_traits>

#include "separatrix/kernels/kernels.h"
#include "separatrix/model/interval.h"
#include "separatrix/model/scalar.h"
#include "separatrix/nn/block.h"
#include "separatrix/nn/buffer.h"

namespace separatrix {
namespace {

struct AttentionConfig {
  Index n_heads = 1, d_head = 0, d_value = 0;
  bool causal = true;
  std::string scale = "sqrt";
};
template <class V>
void visit(V& v, AttentionConfig& c) {
  v("n_heads", c.n_heads, "attention heads");
  v("d_head", c.d_head, "width of a head's queries and keys; 0 = d_model / n_heads");
  v("d_value", c.d_value, "width of a head's values; 0 = d_head");
  v("causal", c.causal, "see only the position itself and earlier ones");
  v("scale", c.scale, "of the scores: sqrt (1 / sqrt(d_head)) or none");
}

/// Queries that share one product with the keys: enough rows for a fast product, few enough that
/// little is computed beyond the causal triangle.
constexpr Index kQueryBlock = 32;
/// What a multiply-add costs when one query is worked on alone, relative to a matrix product.
constexpr Index kAlonePenalty = 4;

/// The sizes of one block, once d_model is known.
struct Sizes {
  Index D = 0, H = 0, dk = 0, dv = 0;
  float scale = 1;
  Index qk() const { return H * dk; }
  Index vv() const { return H * dv; }
};

template <class T>
struct Projections {
  T *q, *k, *v, *o;  ///< [D, H dk], [D, H dk], [D, H dv], [H dv, D]
};
template <class T>
Projections<T> split(T* w, const Sizes& z) {
  return {w, w + z.D * z.qk(), w + 2 * z.D * z.qk(), w + 2 * z.D * z.qk() + z.D * z.vv()};
}

/// One sequence of a tile and the rows of it that somebody reads.
struct Sequence {
  Index first = 0;               ///< its row 0 in the tile
  Index n = 0;                   ///< live rows
  const Index* rows = nullptr;   ///< their numbers in the tile; null = all
  Index keys = 0;                ///< positions 0 .. keys-1 are attended to
  bool sparse = false;           ///< few live rows: keys and values are never projected
  Index position(Index i) const { return rows == nullptr ? i : rows[i] - first; }
  Rows list() const { return {n, rows}; }
};

/// For the dense strategy: everything of one sequence. o is the context, before the last product.
struct DenseCache {
  float *q = nullptr, *k = nullptr, *v = nullptr, *o = nullptr;  ///< [T, H dk | H dk | H dv | H dv]
  float* p = nullptr;  ///< attention weights: per head, per block of queries, [queries, padded keys]
  Index end = 0;
};
struct DenseScratch {
  float *x = nullptr, *y = nullptr;               ///< [T, D] the live rows, where not all are
  float* across = nullptr;                        ///< [max(dk, dv), padded T] keys or values
  float *dq = nullptr, *dk = nullptr, *dv = nullptr, *d_o = nullptr;  ///< as q, k, v, o
  float* dp = nullptr;                            ///< [kQueryBlock, padded T]
  Index end = 0;
};
/// For the sparse strategy: the n live rows of all such sequences together.
struct SparseCache {
  float *q = nullptr, *u = nullptr;  ///< [n, H dk], [n, H D]: queries, and folded into the keys
  float* a = nullptr;                ///< [n, H, padded T] attention weights
  float *c = nullptr, *o = nullptr;  ///< [n, H D], [n, H dv]: averaged inputs, then values
  Index end = 0;
};
struct SparseScratch {
  float *x = nullptr, *y = nullptr, *dq = nullptr, *d_o = nullptr;  ///< [n, D | D | H dk | H dv]
  float *dc = nullptr, *du = nullptr;                               ///< [n, H D]
  float* work = nullptr;                                            ///< [T]
  Index end = 0;
};

/// y_t = sum_h (sum_j a_tj x_j v_h) o_h, a_t = softmax over j (<= t if causal) of scale <x_t q_h, x_j
/// k_h>. Two ways of computing the same thing: *dense* projects the keys and values of all
/// positions; *sparse*, for few live rows in a sequence, folds the key projection into the query
/// (u = k_h (x_t q_h), score = <u, x_j>) and the value projection behind the average, which costs
/// O(T D) per live row and head where dense costs O(T D^2). The choice depends on the sequence
/// alone, so results do not depend on the tile it is in. See docs/derivations/attention.md.
class Attention final : public Block {
 public:
  using Config = AttentionConfig;
  explicit Attention(Config config) : config_(std::move(config)) {}

  Mixing mixing() const override { return Mixing::attention; }
  std::vector<ParamSpec> params(Index D) const override;
  Index cache_size(Shape s) const override { return s.B * cache_per_sequence(s); }
  Index scratch_size(Shape s) const override {
    const Sizes z = sizes(s.D);
    const Index n = s.B * sparse_limit(z, s.T);
    return std::max(lay_out<DenseScratch>(z, s.T, s.T, nullptr).end,
                    lay_out<SparseScratch>(z, n, s.T, nullptr).end);
  }
  Live needs(Shape s, Live outputs, std::vector<Index>& storage) const override;
  void forward(Shape s, Live live, const float* x, float* y, Slots slots) const override;
  void backward(Shape s, Live live, const float* x, const float* dy, float* dx,
                Slots slots) const override;
  void reference(std::span<const double> w, View<const double, 2> x,
                 View<double, 2> y) const override {
    run(w, x, y);
  }
  void reference(std::span<const double> w, View<const Interval, 2> x,
                 View<Interval, 2> y) const override {
    run(w, x, y);
  }

 private:
  Sizes sizes(Index D) const {
    const Index dk = config_.d_head == 0 ? D / config_.n_heads : config_.d_head;
    return {D, config_.n_heads, dk, config_.d_value == 0 ? dk : config_.d_value,
            config_.scale == "none" ? 1.0F : 1 / std::sqrt(float(dk))};
  }
  /// The largest number of live rows in a sequence of `keys` visible rows for which sparse is
  /// cheaper; it grows with `keys`.
  static Index sparse_limit(const Sizes& z, Index keys) {
    const Index heads = z.dk + z.dv;
    const Index dense = keys * z.D * heads;
    const Index alone = kAlonePenalty * 2 * keys * z.D + z.D * heads - keys * heads;
    return alone <= 0 ? keys : std::min(keys, dense / alone);
  }
  Index cache_per_sequence(Shape s) const {
    const Sizes z = sizes(s.D);
    // Padding is counted once per array, which is more than all sequences of a tile together need.
    return std::max(lay_out<DenseCache>(z, s.T, s.T, nullptr).end,
                    lay_out<SparseCache>(z, sparse_limit(z, s.T), s.T, nullptr).end);
  }
  template <class Memory>
  static Memory lay_out(const Sizes& z, Index n, Index T, float* base);

  /// The sequence b; `taken` counts the live rows of the ones before it.
  Sequence sequence(Shape s, Live live, Index b, Index& taken) const;
  Index count_sparse(Shape s, Live live) const;

  void forward_dense(const Sizes& z, const Sequence& q, const float* x, float* y,
                     Slots slots) const;
  void backward_dense(const Sizes& z, const Sequence& q, const float* x, const float* dy,
                      float* dx, Slots slots) const;
  void forward_sparse(Shape s, Live live, Index n, const float* x, float* y, Slots slots) const;
  void backward_sparse(Shape s, Live live, Index n, const float* x, const float* dy, float* dx,
                       Slots slots) const;

  template <class S>
  void run(std::span<const double> w, View<const S, 2> x, View<S, 2> y) const;

  Config config_;
};

#include <cmath>
#include <string>
#include <type_traits>

#include "separatrix/nn/attention_block.h"
#include "separatrix/nn/blocks/attention_parts.h"
#include "separatrix/nn/blocks/plain_math.h"

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

/// y_t = sum_h (sum_j a_tj x_j v_h) o_h, a_t = softmax over j (<= t if causal) of scale <x_t q_h,
/// x_j k_h>; no biases. [vaswani2017]. Computed in one of two ways (attention_parts.h) that is
/// chosen for each sequence by itself, so results do not depend on the tile a sequence is in.
/// Derivation: docs/derivations/attention.md.
class Attention final : public Plain<Attention, AttentionBlock> {
 public:
  using Config = AttentionConfig;
  explicit Attention(Config config) : config_(std::move(config)) {}

  Index heads() const override { return config_.n_heads; }
  void averages(std::span<const double> w, View<const double, 2> x, Index first,
                const VisitWeights& visit) const override {
    for_averages(w, x, first,
                 [&](Index t, Index h, const std::vector<double>& a) { visit(t, h, a); });
  }
  std::vector<ParamSpec> params(Index D) const override;
  Index cache_size(Shape s) const override { return s.B * cache_per_sequence(sizes(s)); }
  Index forward_cache_size(Shape s, Live live) const override;
  Index scratch_size(Shape s) const override {
    const AttentionSizes z = sizes(s);
    return std::max(dense_scratch_size(z), sparse_scratch_size(z, s.B * sparse_limit(z)));
  }
  Live needs(Shape s, Live outputs, std::vector<Index>& storage) const override;
  double flops(Shape s, Live outputs) const override;
  void forward(Shape s, Live live, const float* x, float* y, Slots slots) const override;
  void backward(Shape s, Live live, const float* x, const float* dy, float* dx,
                Slots slots) const override;

 private:
  friend Plain<Attention, AttentionBlock>;
  AttentionSizes sizes(Shape s) const {
    const Index dk = config_.d_head == 0 ? s.D / config_.n_heads : config_.d_head;
    const Index dv = config_.d_value == 0 ? dk : config_.d_value;
    const float scale = config_.scale == "none" ? 1.0F : 1 / std::sqrt(float(dk));
    return {s.T, s.D, config_.n_heads, dk, dv, config_.causal, scale};
  }
  static Index cache_per_sequence(const AttentionSizes& z) {
    return std::max(dense_cache_size(z, true), sparse_cache_size(z, sparse_limit(z)));
  }
  /// Calls dense(sequence, cache) for each sequence that wants it, and returns the others, whose
  /// common cache starts at slots.cache. The dense ones take theirs from the end; where nothing is
  /// kept, all the same, and then the sparse ones.
  template <class F>
  SparseTile divide(Shape s, Live live, Slots slots, F dense) const {
    const AttentionSizes z = sizes(s);
    float* cache = slots.cache + (slots.kept ? cache_size(s) : 0);
    SparseTile sparse{s.B, 0, live};
    for_sequences(s.B, live, z, [&](const AttentionSequence& sequence) {
      if (prefers_sparse(z, sequence)) {
        sparse.n += sequence.n;
      } else {
        if (slots.kept) cache -= cache_per_sequence(z);
        dense(sequence, cache);
      }
    });
    return sparse;
  }
  /// Calls visit(t, h, a) with the weights of the average that head h forms for row t.
  template <class S, class Visit>
  void for_averages(std::span<const double> w, View<const S, 2> x, Index first,
                    const Visit& visit) const;
  template <class S>
  void run(std::span<const double> w, View<const S, 2> x, View<S, 2> y, Index first) const;

  Config config_;
};

std::vector<ParamSpec> Attention::params(Index D) const {
  const auto require = [](bool holds, const char* field, const std::string& what,
                          const char* hint) {
    if (!holds) throw Error(ErrorKind::spec, what, field, hint);
  };
  const Index H = config_.n_heads;
  require(H >= 1, "n_heads", "n_heads must be at least 1", "use 1 for a single head");
  require(config_.d_head >= 0, "d_head", "d_head must not be negative",
          "use 0 for d_model / n_heads");
  require(config_.d_value >= 0, "d_value", "d_value must not be negative", "use 0 for d_head");
  require(config_.d_head > 0 || D % H == 0, "n_heads",
          std::to_string(H) + " heads do not divide the width " + std::to_string(D),
          "change n_heads or give d_head");
  require(config_.scale == "sqrt" || config_.scale == "none", "scale",
          "unknown scale '" + config_.scale + "'", "use sqrt or none");
  const AttentionSizes z = sizes({1, 1, D});
  const auto uniform = [](const char* name, Index in, Index out) {
    return ParamSpec{name, {in, out}, Init::uniform, 1 / std::sqrt(double(in))};
  };
  return {uniform("q", D, z.qk()), uniform("k", D, z.qk()), uniform("v", D, z.vv()),
          uniform("o", z.vv(), D)};
}

/// Linear in T when few rows of each sequence are live.
Index Attention::forward_cache_size(Shape s, Live live) const {
  const AttentionSizes z = sizes(s);
  Index dense = 0, sparse = 0;
  for_sequences(s.B, live, z, [&](const AttentionSequence& sequence) {
    if (prefers_sparse(z, sequence))
      sparse += sequence.n;
    else
      dense = dense_cache_size(z, false);
  });
  return std::max(dense, sparse_cache_size(z, sparse));
}

Live Attention::needs(Shape s, Live outputs, std::vector<Index>& storage) const {
  if (outputs.all()) return outputs;
  storage.clear();
  for_sequences(s.B, outputs, sizes(s), [&](const AttentionSequence& sequence) {
    for (Index t = 0; t < sequence.keys; ++t) storage.push_back(sequence.first + t);
  });
  return Index(storage.size()) == s.rows() ? Live{} : Live{storage};
}

/// Of the way that is taken; scores and averages over visible rows only.
double Attention::flops(Shape s, Live outputs) const {
  const AttentionSizes z = sizes(s);
  const double D = double(z.D), qk = double(z.qk()), vv = double(z.vv());
  double products = 0;
  for_sequences(s.B, outputs, z, [&](const AttentionSequence& sequence) {
    const double n = double(sequence.n), keys = double(sequence.keys);
    double pairs = 0;  // of a live row and a row that it sees
    for (Index i = 0; i < sequence.n; ++i) pairs += double(sequence.visible(i, z.causal));
    if (prefers_sparse(z, sequence))
      products += n * D * (2 * qk + 2 * vv) + pairs * 2 * double(z.H) * D;
    else
      products += n * D * (qk + vv) + keys * D * (qk + vv) + pairs * (qk + vv);
  });
  return 2 * products;
}

void Attention::forward(Shape s, Live live, const float* x, float* y, Slots slots) const {
  const AttentionSizes z = sizes(s);
  const SparseTile sparse =
      divide(s, live, slots, [&](const AttentionSequence& sequence, float* cache) {
        dense_forward(z, sequence, x, y, {slots.w, nullptr, cache, slots.scratch, slots.kept});
      });
  if (sparse.n > 0) sparse_forward(z, sparse, x, y, slots);
}

void Attention::backward(Shape s, Live live, const float* x, const float* dy, float* dx,
                         Slots slots) const {
  const AttentionSizes z = sizes(s);
  const SparseTile sparse =
      divide(s, live, slots, [&](const AttentionSequence& sequence, float* cache) {
        dense_backward(z, sequence, x, dy, dx, {slots.w, slots.dw, cache, slots.scratch});
      });
  if (sparse.n > 0) sparse_backward(z, sparse, x, dy, dx, slots);
}

/// Softmax of s[n], in place. Intervals go through differences, 1 / (1 + sum_{k != j} e^(s_k -
/// s_j)): a quotient of two sums that share their terms would lose all sharpness.
template <class S>
void softmax_reference(std::vector<S>& s) {
  const std::vector<S> scores = s;
  if constexpr (!std::is_same_v<S, Interval>) {
    S top = scores[0], sum(0);
    for (const S score : scores) top = max(top, score);
    for (const S score : scores) sum += exp(score - top);
    for (S& a : s) a = exp(a - top) / sum;
  } else {
    for (std::size_t j = 0; j < s.size(); ++j) {
      S sum(1.0);
      for (std::size_t k = 0; k < s.size(); ++k)
        if (k != j) sum += exp(scores[k] - scores[j]);
      s[j] = S(1.0) / sum;
    }
  }
}

/// 1 / sqrt(dk): no double in general, so intervals contain the real number.
template <class S>
S scale_of(Index dk) {
  if constexpr (std::is_same_v<S, Interval>) return 1.0 / sqrt(Interval(double(dk)));
  return S(1 / std::sqrt(double(dk)));
}

template <class S, class Visit>
void Attention::for_averages(std::span<const double> weights, View<const S, 2> x, Index first,
                             const Visit& visit) const {
  const Index T = x.extent[0], D = x.extent[1];
  const AttentionSizes z = sizes({1, T, D});
  const Projections<const double> w(weights.data(), z);
  const S scale = config_.scale == "none" ? S(1.0) : scale_of<S>(z.dk);
  std::vector<S> q = zeros_of<S>(T * z.qk()), k = zeros_of<S>(T * z.qk());
  for (Index t = 0; t < T; ++t) {
    const S* in = x.data + t * D;
    if (t >= first) product(in, D, w.q, z.qk(), z.qk(), q.data() + t * z.qk());
    product(in, D, w.k, z.qk(), z.qk(), k.data() + t * z.qk());
  }
  for (Index t = first; t < T; ++t)
    for (Index h = 0; h < z.H; ++h) {
      std::vector<S> a = zeros_of<S>(config_.causal ? t + 1 : T);
      const S* query = q.data() + t * z.qk() + h * z.dk;
      for (std::size_t j = 0; j < a.size(); ++j) {
        const S* key = k.data() + Index(j) * z.qk() + h * z.dk;
        for (Index i = 0; i < z.dk; ++i) a[j] += query[i] * key[i];
        a[j] *= scale;
      }
      softmax_reference(a);
      visit(t, h, a);
    }
}

template <class S>
void Attention::run(std::span<const double> weights, View<const S, 2> x, View<S, 2> y,
                    Index first) const {
  const Index T = x.extent[0], D = x.extent[1];
  const AttentionSizes z = sizes({1, T, D});
  const Projections<const double> w(weights.data(), z);
  std::vector<S> v = zeros_of<S>(T * z.vv()), context = zeros_of<S>(z.vv());
  for (Index t = 0; t < T; ++t)
    product(x.data + t * D, D, w.v, z.vv(), z.vv(), v.data() + t * z.vv());
  for_averages(weights, x, first, [&](Index t, Index h, const std::vector<S>& a) {
    for (Index i = 0; i < z.dv; ++i) {
      S sum(0.0);
      for (std::size_t j = 0; j < a.size(); ++j)
        sum += a[j] * v[std::size_t(Index(j) * z.vv() + h * z.dv + i)];
      context[std::size_t(h * z.dv + i)] = stored(sum);
    }
    if (h + 1 == z.H) product(context.data(), z.vv(), w.o, D, D, &y(t, 0));
  });
}

}  // namespace

void register_attention(Registry<Block>& blocks) {
  blocks.add<Attention>("attention", "softmax attention with heads, causal or not");
}

}  // namespace separatrix

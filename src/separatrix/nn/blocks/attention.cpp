#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <string>
#include <type_traits>

#include "separatrix/nn/attention_block.h"
#include "separatrix/nn/blocks/attention_parts.h"
#include "separatrix/nn/blocks/plain_math.h"
#include "separatrix/nn/buffer.h"

namespace separatrix {
namespace {

struct AttentionConfig {
  Index n_heads = 1, d_head = 0, d_value = 0;
  bool causal = true;
  std::string scale = "sqrt";
  std::string positions = "none";
  double rotary_base = 10000;
  Index n_kv_heads = 0, window = 0;
};
template <class V>
void visit(V& v, AttentionConfig& c) {
  v("n_heads", c.n_heads, "attention heads");
  v("d_head", c.d_head, "width of a head's queries and keys; 0 = d_model / n_heads");
  v("d_value", c.d_value, "width of a head's values; 0 = d_head");
  v("causal", c.causal, "see only the position itself and earlier ones");
  v("scale", c.scale, "of the scores: sqrt (1 / sqrt(d_head)) or none");
  v("positions", c.positions, "what scores know of them: none, rotary or alibi");
  v("rotary_base", c.rotary_base, "of the angles that rotary turns by");
  v("n_kv_heads", c.n_kv_heads, "heads of keys and values, a divisor of n_heads; 0 = n_heads");
  v("window", c.window, "see this many positions back (and on), itself included; 0 = all");
}

/// y_t = sum_h (sum_j a_tj x_j v_h) o_h, a_t = softmax over j (<= t if causal) of scale <x_t q_h,
/// x_j k_h>; no biases. [vaswani2017].
///
/// n_kv_heads: k_h and v_h are those of head h / (n_heads / n_kv_heads) [shazeer2019, ainslie2023].
/// window w: t sees t-w+1 .. t, or, not causal, all j with |t - j| < w [beltagy2020].
/// rotary: the score is scale <R_t x_t q_h, R_j x_j k_h>, where R_t turns each pair of neighbours
/// (2i, 2i+1) by the angle t rotary_base^(-2i / d_head) [su2021].
/// alibi: m_h |t - j| is subtracted from the score; m_h = 2^(-8 (h+1) / n_heads) for n_heads a
/// power of two, else see AttentionSizes::exponent [press2022].
///
/// Computed in one of two ways (attention_parts.h) that is chosen for each sequence by itself, so
/// results do not depend on the tile a sequence is in. Derivation: docs/derivations/attention.md.
class Attention final : public Plain<Attention, AttentionBlock> {
 public:
  using Config = AttentionConfig;
  explicit Attention(Config config) : config_(std::move(config)) {}

  Index heads() const override { return config_.n_heads; }
  void averages(std::span<const double> w, View<const double, 2> x, Index first,
                const VisitWeights& visit) const override {
    for_averages(w, x, first, [&](Index t, Index h, Span seen, const std::vector<double>& a) {
      std::vector<double> all(std::size_t(seen.end), 0.0);
      std::copy(a.begin(), a.end(), all.begin() + seen.from);
      visit(t, h, all);
    });
  }
  std::vector<ParamSpec> params(Index D) const override;
  Index cache_size(Shape s) const override { return s.B * cache_per_sequence(sizes(s)); }
  Index forward_cache_size(Shape s, Live live) const override;
  Index scratch_size(Shape s) const override {
    const AttentionSizes z = sizes(s);
    return angles_size(z) +
           std::max(dense_scratch_size(z), sparse_scratch_size(z, s.B * sparse_limit(z)));
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
    return {.T = s.T,
            .D = s.D,
            .H = config_.n_heads,
            .dk = dk,
            .dv = dv,
            .causal = config_.causal,
            .scale = scale,
            .G = config_.n_kv_heads == 0 ? config_.n_heads : config_.n_kv_heads,
            .window = std::min(config_.window, s.T),
            .positions = config_.positions == "rotary"  ? AttentionPositions::rotary
                         : config_.positions == "alibi" ? AttentionPositions::alibi
                                                        : AttentionPositions::none};
  }
  static Index angles_size(const AttentionSizes& z) {
    return z.rotary() ? padded(2 * z.T * z.dk) : 0;
  }
  /// What the call brings: dropout, and the table of angles, if one is needed, which it writes to
  /// the front of the scratch.
  void prepare(AttentionSizes& z, Slots& slots) const {
    z.dropout = slots.attention_dropout;
    z.first_sequence = slots.first_sequence;
    if (!z.rotary()) return;
    rotary_table(z.T, z.dk, config_.rotary_base, slots.scratch);
    z.angles = slots.scratch;
    slots.scratch += angles_size(z);
  }
  static Index cache_per_sequence(const AttentionSizes& z) {
    return std::max(dense_cache_size(z, true), sparse_cache_size(z, sparse_limit(z)));
  }
  /// Calls dense(sequence, cache) for each sequence that wants it, and returns the others, whose
  /// common cache starts at slots.cache. The dense ones take theirs from the end; where nothing is
  /// kept, all the same, and then the sparse ones.
  template <class F>
  SparseTile divide(Shape s, const AttentionSizes& z, Live live, Slots slots, F dense) const {
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
  /// Calls visit(t, h, seen, a) with the weights of the average that head h forms for row t over
  /// the rows `seen`.
  template <class S, class Visit>
  void for_averages(std::span<const double> w, View<const S, 2> x, Index first,
                    const Visit& visit) const;
  template <class S>
  void turn(Index t, Index heads, Index width, S* x) const;
  template <class S>
  void run(std::span<const double> w, View<const S, 2> x, View<S, 2> y, Index first) const;

  Config config_;
};

void require(bool holds, const char* field, const std::string& what, const char* hint) {
  if (!holds) throw Error(ErrorKind::spec, what, field, hint);
}

std::vector<ParamSpec> Attention::params(Index D) const {
  const Index H = config_.n_heads, G = config_.n_kv_heads;
  require(H >= 1, "n_heads", "n_heads must be at least 1", "use 1 for a single head");
  require(config_.d_head >= 0, "d_head", "d_head must not be negative",
          "use 0 for d_model / n_heads");
  require(config_.d_value >= 0, "d_value", "d_value must not be negative", "use 0 for d_head");
  require(config_.d_head > 0 || D % H == 0, "n_heads",
          std::to_string(H) + " heads do not divide the width " + std::to_string(D),
          "change n_heads or give d_head");
  require(config_.scale == "sqrt" || config_.scale == "none", "scale",
          "unknown scale '" + config_.scale + "'", "use sqrt or none");
  require(G >= 0 && (G == 0 || H % G == 0), "n_kv_heads",
          "n_kv_heads " + std::to_string(G) + " does not divide n_heads " + std::to_string(H),
          "use 1 (multi-query), a divisor, or 0 for n_heads");
  require(config_.window >= 0, "window", "window must not be negative", "use 0 for no window");
  require(
      config_.positions == "none" || config_.positions == "rotary" || config_.positions == "alibi",
      "positions", "unknown positions '" + config_.positions + "'", "use none, rotary or alibi");
  const AttentionSizes z = sizes({1, 1, D});
  require(!z.rotary() || z.dk % 2 == 0, "positions",
          "rotary positions turn pairs, and d_head " + std::to_string(z.dk) + " is odd",
          "give an even d_head");
  require(config_.rotary_base > 0 && std::isfinite(config_.rotary_base), "rotary_base",
          "rotary_base must be positive and finite", "use 10000, as published");
  const auto uniform = [](const char* name, Index in, Index out) {
    return ParamSpec{name, {in, out}, Init::uniform, 1 / std::sqrt(double(in))};
  };
  std::vector<ParamSpec> list = {uniform("q", D, z.qk()), uniform("k", D, z.keys_width()),
                                 uniform("v", D, z.values_width()), uniform("o", z.vv(), D)};
  for (ParamSpec& param : list) param.role = ParamRole::matrix;
  list.back().role = ParamRole::output;
  return list;
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
  const AttentionSizes z = sizes(s);
  for_sequences(s.B, outputs, z, [&](const AttentionSequence& sequence) {
    for_runs(z, sequence, [&](Span run, Index) {
      for (Index t = run.from; t < run.end; ++t) storage.push_back(sequence.first + t);
    });
  });
  return Index(storage.size()) == s.rows() ? Live{} : Live{storage};
}

/// Of the way that is taken; scores and averages over visible rows only.
double Attention::flops(Shape s, Live outputs) const {
  const AttentionSizes z = sizes(s);
  const double D = double(z.D), qk = double(z.qk()), vv = double(z.vv());
  const double shared = double(z.keys_width() + z.values_width());
  double products = 0;
  for_sequences(s.B, outputs, z, [&](const AttentionSequence& sequence) {
    const double n = double(sequence.n), keys = double(sequence.keys);
    double pairs = 0;  // of a live row and a row that it sees
    for (Index i = 0; i < sequence.n; ++i) pairs += double(z.seen(sequence.position(i)).size());
    if (prefers_sparse(z, sequence))
      products += n * D * (2 * qk + 2 * vv) + pairs * 2 * double(z.H) * D;
    else
      products += n * D * (qk + vv) + keys * D * shared + pairs * (qk + vv);
  });
  return 2 * products;
}

void Attention::forward(Shape s, Live live, const float* x, float* y, Slots slots) const {
  AttentionSizes z = sizes(s);
  prepare(z, slots);
  const SparseTile sparse =
      divide(s, z, live, slots, [&](const AttentionSequence& sequence, float* cache) {
        dense_forward(z, sequence, x, y, {slots.w, nullptr, cache, slots.scratch, slots.kept});
      });
  if (sparse.n > 0) sparse_forward(z, sparse, x, y, slots);
}

void Attention::backward(Shape s, Live live, const float* x, const float* dy, float* dx,
                         Slots slots) const {
  AttentionSizes z = sizes(s);
  prepare(z, slots);
  const SparseTile sparse =
      divide(s, z, live, slots, [&](const AttentionSequence& sequence, float* cache) {
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

/// x [heads, width], in place: R_t.
template <class S>
void Attention::turn(Index t, Index heads, Index width, S* x) const {
  for (Index i = 0; i < width / 2; ++i) {
    const auto angle = [&](auto base) {
      return double(t) * exp(-2 * double(i) / double(width) * log(base));
    };
    const S cosine = constant<S>([&](auto base) { return cos(angle(base)); }, config_.rotary_base);
    const S sine = constant<S>([&](auto base) { return sin(angle(base)); }, config_.rotary_base);
    for (Index h = 0; h < heads; ++h) {
      S &a = x[h * width + 2 * i], &b = x[h * width + 2 * i + 1];
      const S turned = a * cosine - b * sine;
      b = stored(b * cosine + a * sine);
      a = stored(turned);
    }
  }
}

template <class S, class Visit>
void Attention::for_averages(std::span<const double> weights, View<const S, 2> x, Index first,
                             const Visit& visit) const {
  const Index T = x.extent[0], D = x.extent[1];
  const AttentionSizes z = sizes({1, T, D});
  const Index qk = z.qk(), kk = z.keys_width();
  const Projections<const double> w(weights.data(), z);
  const S scale = config_.scale == "none" ? S(1.0) : scale_of<S>(z.dk);
  std::vector<S> q = zeros_of<S>(T * qk), k = zeros_of<S>(T * kk);
  for (Index t = 0; t < T; ++t) {
    const S* in = x.data + t * D;
    if (t >= first) product(in, D, w.q, qk, qk, q.data() + t * qk);
    product(in, D, w.k, kk, kk, k.data() + t * kk);
    if (z.rotary() && t >= first) turn(t, z.H, z.dk, q.data() + t * qk);
    if (z.rotary()) turn(t, z.G, z.dk, k.data() + t * kk);
  }
  for (Index t = first; t < T; ++t)
    for (Index h = 0; h < z.H; ++h) {
      const Span seen = z.seen(t);
      const S slope = constant<S>([&](auto two) { return exp(z.exponent(h) * log(two)); }, 2.0);
      std::vector<S> a = zeros_of<S>(seen.size());
      const S* query = q.data() + t * qk + h * z.dk;
      for (Index j = seen.from; j < seen.end; ++j) {
        const S* key = k.data() + j * kk + z.shared(h) * z.dk;
        S& score = a[std::size_t(j - seen.from)];
        for (Index i = 0; i < z.dk; ++i) score += query[i] * key[i];
        score *= scale;
        if (z.positions == AttentionPositions::alibi) score -= slope * double(std::abs(t - j));
      }
      softmax_reference(a);
      visit(t, h, seen, a);
    }
}

template <class S>
void Attention::run(std::span<const double> weights, View<const S, 2> x, View<S, 2> y,
                    Index first) const {
  const Index T = x.extent[0], D = x.extent[1];
  const AttentionSizes z = sizes({1, T, D});
  const Index values = z.values_width();
  const Projections<const double> w(weights.data(), z);
  std::vector<S> v = zeros_of<S>(T * values), context = zeros_of<S>(z.vv());
  for (Index t = 0; t < T; ++t)
    product(x.data + t * D, D, w.v, values, values, v.data() + t * values);
  for_averages(weights, x, first, [&](Index t, Index h, Span seen, const std::vector<S>& a) {
    for (Index i = 0; i < z.dv; ++i) {
      S sum(0.0);
      for (Index j = seen.from; j < seen.end; ++j)
        sum += a[std::size_t(j - seen.from)] * v[std::size_t(j * values + z.shared(h) * z.dv + i)];
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

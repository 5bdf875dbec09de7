#include "separatrix/proofs/key_grid.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>

#include "separatrix/nn/plain_attention.h"
#include "separatrix/proofs/exact_sum.h"
#include "separatrix/proofs/layered/network.h"
#include "separatrix/proofs/one_layer.h"

namespace separatrix {
namespace {

using layered::Column;
using layered::Entry;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// Numbers of bfloat16, and normal ones of float16, are told by their last bits.
bool surely_kept(Arithmetic arithmetic, double x) {
  if (!is_emulated(arithmetic)) return true;
  const auto narrow = float(x);
  if (double(narrow) != x) return false;
  const auto bits = std::bit_cast<std::uint32_t>(narrow);
  if (arithmetic == Arithmetic::bfloat16) return (bits & 0xFFFFU) == 0;
  const float size = std::abs(narrow);
  return (bits & 0x1FFFU) == 0 && (size == 0 || (size >= 0x1p-14F && size <= 65504.0F));
}

double dot(const Column& column, const std::vector<double>& x) {
  double sum = 0;
  for (const Entry& e : column) sum += x[std::size_t(e.at)] * e.weight;
  return sum;
}
double dot_absolute(const Column& column, const std::vector<double>& x) {
  double sum = 0;
  for (const Entry& e : column) sum += x[std::size_t(e.at)] * std::abs(e.weight);
  return sum;
}

/// The lowest bit set in any of the values, as a power of two.
class LowestBit {
 public:
  void look(float value) {
    const auto bits = std::bit_cast<std::uint32_t>(value) & 0x7FFFFFFFU;
    if (bits == 0) return;
    const auto exponent = int(bits >> 23U);
    const std::uint32_t digits = (bits & 0x7FFFFFU) | (exponent > 0 ? 0x800000U : 0);
    lowest_ = std::min(lowest_, std::max(exponent, 1) - 150 + std::countr_zero(digits));
  }
  double power() const { return std::ldexp(1.0, lowest_); }

 private:
  int lowest_ = 127;
};

double grid_of(const std::vector<Column>& columns) {
  double grid = kInfinity;
  for (const Column& column : columns)
    for (const Entry& e : column) grid = std::min(grid, layered::lowest_bit(e.weight));
  return grid;
}

/// Coordinates that some column reads.
std::vector<Index> read_coordinates(const std::vector<Column>& columns, Index D) {
  const std::vector<bool> reads = layered::read_by(columns, D);
  std::vector<Index> out;
  for (Index d = 0; d < D; ++d)
    if (reads[std::size_t(d)]) out.push_back(d);
  return out;
}

class Reader {
 public:
  Reader(const LookupLayer& layer, const LookupPattern& pattern) : m_(layer), f_(pattern) {}

  std::optional<KeyGrid> read(std::string& why) {
    why = "the scores depend on the symbols";
    for (const Index d : read_coordinates(m_.k, m_.D))
      for (const Token s : f_.symbols)
        if (embedded(s, d) != embedded(f_.symbols.front(), d)) return std::nullopt;
    why = "the values depend on the positions";
    for (const Index d : read_coordinates(m_.v, m_.D))
      for (Index t = 0; t <= f_.n && !m_.positions.empty(); ++t)
        if (m_.positions[std::size_t(t * m_.D + d)] != 0) return std::nullopt;
    why = "float32 would round the scores, or a weight is not finite";
    if (!scores_are_exact()) return std::nullopt;
    read_keys();
    why = "the keys are not on a small grid";
    if (!read_grid()) return std::nullopt;
    read_values();
    read_queries();
    why.clear();
    return std::move(out_);
  }

 private:
  float embedded(Token token, Index d) const {
    return m_.embedding[std::size_t(Index(token) * m_.D + d)];
  }

  /// Every sum on either path of the attention, from the rows to score - maximum; a rounding of
  /// tensors to 16 bits keeps multiples of a power of two, and adds less than 1 % to sizes.
  bool scores_are_exact() {
    LowestBit lowest;
    bound_.assign(std::size_t(m_.D), 0);
    std::vector<double> at(bound_);
    const auto look = [&](std::span<const float> rows, std::vector<double>& bound) {
      for (std::size_t i = 0; i < rows.size(); i += bound.size())
        for (std::size_t d = 0; d < bound.size(); ++d) {
          lowest.look(rows[i + d]);
          // The comparison is false for NaN.
          if (!(double(std::abs(rows[i + d])) <= bound[d])) bound[d] = std::abs(rows[i + d]);
        }
    };
    look(m_.embedding, bound_);
    look(m_.positions, at);
    constexpr double kSlack = 1.01;
    for (std::size_t d = 0; d < at.size(); ++d) {
      bound_[d] = (bound_[d] + at[d]) * kSlack;
      if (!(bound_[d] < 0x1p16)) return false;
    }
    const double gx = lowest.power(), gq = grid_of(m_.q), gk = grid_of(m_.k);
    double score = 0;
    std::vector<double> folded(std::size_t(m_.D), 0);
    for (std::size_t i = 0; i < m_.q.size(); ++i) {
      const double q = dot_absolute(m_.q[i], bound_) * kSlack;
      const double k = dot_absolute(m_.k[i], bound_) * kSlack;
      if (!sums_exactly(gx * gq, q) || !sums_exactly(gx * gk, k)) return false;
      for (const Entry& e : m_.k[i]) folded[std::size_t(e.at)] += q * std::abs(e.weight);
      score += q * k;
    }
    for (const double u : folded)
      if (!sums_exactly(gx * gq * gk, u)) return false;
    int exponent = 0;
    for (const double x : bound_)
      if (!sums_exactly(gx, x)) return false;
    return std::frexp(m_.scale, &exponent) == 0.5 && sums_exactly(gx * gx * gq * gk, score) &&
           sums_exactly(gx * gx * gq * gk * m_.scale, 2 * score * m_.scale);
  }

  void read_keys() {
    keys_.resize(std::size_t(f_.n * m_.dk));
    std::vector<double> x;
    for (Index j = 0; j < f_.n; ++j) {
      m_.row(f_.symbols.front(), j, x);
      for (Index i = 0; i < m_.dk; ++i)
        keys_[std::size_t(j * m_.dk + i)] = float(m_.kept(dot(m_.k[std::size_t(i)], x)));
    }
  }

  /// The values of each coordinate; and whether two keys are the same point.
  bool read_grid() {
    constexpr std::size_t kFew = 64;
    axes_.assign(std::size_t(m_.dk), {});
    for (Index j = 0; j < f_.n; ++j)
      for (std::size_t i = 0; i < axes_.size(); ++i) {
        auto& axis = axes_[i];
        const double v = keys_[std::size_t(j) * axes_.size() + i];
        if (std::find(axis.begin(), axis.end(), v) != axis.end()) continue;
        if (axis.size() == kFew) return false;
        axis.push_back(v);
      }
    double points = 1;
    for (const auto& axis : axes_) points *= double(axis.size());
    if (!(points < 0x1p43)) return false;
    // The number of the point in mixed radix, exact, then the position: below 2^43 and 2^20.
    std::vector<std::pair<std::uint64_t, std::uint32_t>> at;
    for (Index j = 0; j < f_.n; ++j) {
      std::uint64_t point = 0;
      for (std::size_t i = 0; i < axes_.size(); ++i) {
        const auto& axis = axes_[i];
        const double v = keys_[std::size_t(j) * axes_.size() + i];
        point = point * axis.size() +
                std::uint64_t(std::find(axis.begin(), axis.end(), v) - axis.begin());
      }
      at.emplace_back(point, std::uint32_t(j));
    }
    std::sort(at.begin(), at.end());
    for (std::size_t j = 1; j < at.size() && !out_.equal_keys; ++j)
      if (at[j].first == at[j - 1].first) out_.equal_keys.emplace(at[j - 1].second, at[j].second);
    return true;
  }

  void read_values() {
    std::vector<double> x(std::size_t(m_.D), 0);
    for (const Token s : f_.symbols) {
      for (Index d = 0; d < m_.D; ++d) x[std::size_t(d)] = m_.kept(embedded(s, d));
      out_.value.emplace_back();
      for (const Column& column : m_.v) out_.value.back().push_back(dot(column, x));
    }
    for (const Column& column : m_.v) out_.value_bound.push_back(dot_absolute(column, bound_));
  }

  void read_queries() {
    out_.self_value.assign(std::size_t(m_.dv), FastInterval());
    out_.stream.assign(std::size_t(m_.D), FastInterval());
    std::vector<double> x, q(std::size_t(m_.dk));
    factors_.assign(std::size_t(m_.dk), {});
    for (Index p = 0; p < f_.n; ++p) {
      m_.row(f_.queries[std::size_t(p)], f_.n, x);
      double target = 0, self = 0, log_total = 0;
      for (Index i = 0; i < m_.dk; ++i) {
        const double u = m_.kept(dot(m_.q[std::size_t(i)], x)) * m_.scale;
        const double key = keys_[std::size_t(p * m_.dk + i)];
        target += u * key;
        self += u * m_.kept(dot(m_.k[std::size_t(i)], x));
        log_total += log_factor(std::size_t(i), u, key);
      }
      // What is added up has at most 2^-45 of relative error.
      const double leak = std::expm1(log_total * (1 + 0x1p-40)) * (1 + 0x1p-40);
      if (!(leak <= out_.leak)) {
        out_.leak = std::isnan(leak) ? kInfinity : leak;
        out_.worst = p;
      }
      const FastInterval own = exp(FastInterval(self - target));
      out_.self = p == 0 ? own : hull(out_.self, own);
      for (std::size_t i = 0; i < m_.v.size(); ++i) {
        const FastInterval v(dot(m_.v[i], x));
        out_.self_value[i] = p == 0 ? v : hull(out_.self_value[i], v);
      }
      for (std::size_t d = 0; d < x.size(); ++d) {
        const FastInterval v(x[d]);
        out_.stream[d] = p == 0 ? v : hull(out_.stream[d], v);
      }
    }
  }

  /// log of sum_v e^(u (v - key)) over the axis; a few results are remembered.
  double log_factor(std::size_t i, double u, double key) {
    auto& known = factors_[i];
    for (const Factor& f : known)
      if (f.u == u && f.key == key) return f.log_sum;
    double others = 0;
    for (const double v : axes_[i])
      if (v != key) others += std::exp(u * (v - key));
    const Factor fresh{u, key, std::log1p(others)};
    if (known.size() < 8) known.push_back(fresh);
    return fresh.log_sum;
  }

  struct Factor {
    double u, key, log_sum;
  };
  const LookupLayer& m_;
  const LookupPattern& f_;
  KeyGrid out_;
  std::vector<double> bound_;              ///< [D]: |x| for every row
  std::vector<float> keys_;                ///< [n, dk]
  std::vector<std::vector<double>> axes_;  ///< [dk]: the values of a coordinate
  std::vector<std::vector<Factor>> factors_;
};

/// The nonzero weights of each column of [rows, columns], as the arithmetic keeps them.
std::vector<Column> columns_of(const LookupLayer& m, std::span<const float> w, Index columns) {
  std::vector<Column> out(static_cast<std::size_t>(columns));
  for (std::size_t i = 0; i < w.size(); ++i)
    if (const double weight = m.kept(w[i]); weight != 0)
      out[i % out.size()].push_back({Index(i / out.size()), weight});
  return out;
}

}  // namespace

double LookupLayer::kept(double x) const {
  return surely_kept(arithmetic, x) ? x : round_to(arithmetic, x);
}

void LookupLayer::row(Token token, Index t, std::vector<double>& x) const {
  x.resize(std::size_t(D));
  const float* e = embedding.data() + Index(token) * D;
  for (Index d = 0; d < D; ++d) {
    double value = kept(double(e[d]));
    if (!positions.empty()) value = kept(value + kept(double(positions[std::size_t(t * D + d)])));
    x[std::size_t(d)] = value;
  }
}

std::optional<LookupLayer> view_lookup_layer(const Weights& weights, Arithmetic arithmetic,
                                             std::string& why) {
  const ModelSpec& spec = weights.spec;
  why = "the model is not one attention layer of one head without norm and MLP";
  if (spec.layers.size() != 1 || spec.layers.front().block != "attention" || spec.norm != "none" ||
      spec.layers.front().config.value("n_heads", Index{1}) != 1)
    return std::nullopt;
  if (why = beyond_plain_attention(spec.layers.front().config); !why.empty()) return std::nullopt;
  const auto part = [&](const char* name) {
    return weights["layers.0.attention." + std::string(name)];
  };
  LookupLayer m;
  m.D = spec.d_model;
  m.C = spec.n_classes;
  m.dk = Index(part("q").size()) / m.D;
  m.dv = Index(part("v").size()) / m.D;
  m.scale = attention_scale(spec.layers.front().config, m.dk);
  m.residual = spec.layers.front().residual;
  m.arithmetic = arithmetic;
  m.embedding = weights["embedding"];
  if (spec.positions == "learned") m.positions = weights["positions"];
  why = "a weight is not a moderate number";
  for (const char* name : {"q", "k", "v", "o"})
    for (const float w : part(name))
      if (!(std::abs(w) < 0x1p16F)) return std::nullopt;
  for (const char* name : {"head", "head_bias"})
    for (const float w : weights[name])
      if (!(std::abs(w) < 0x1p16F)) return std::nullopt;
  m.q = columns_of(m, part("q"), m.dk);
  m.k = columns_of(m, part("k"), m.dk);
  m.v = columns_of(m, part("v"), m.dv);
  m.o = columns_of(m, part("o"), m.D);
  m.head = columns_of(m, weights["head"], m.C);
  for (const float b : weights["head_bias"]) m.head_bias.push_back(m.kept(b));
  why.clear();
  return m;
}

std::optional<KeyGrid> read_key_grid(const LookupLayer& layer, const LookupPattern& pattern,
                                     std::string& why) {
  return Reader(layer, pattern).read(why);
}

}  // namespace separatrix

#include <algorithm>
#include <cassert>

#include "separatrix/model/interval.h"
#include "separatrix/model/rounded.h"
#include "separatrix/model/scalar.h"
#include "separatrix/nn/attention_block.h"
#include "separatrix/nn/trace.h"

namespace separatrix {
namespace {

/// Must be what the norm kernel uses.
constexpr double kNormEpsilon = static_cast<double>(1e-5F);

template <class S>
using Matrix = std::vector<S>;  // [T, D]

/// Parameters in doubles, by name.
class Parameters {
 public:
  Parameters(const Weights& weights, Arithmetic arithmetic)
      : weights_(weights), values_(weights.values.begin(), weights.values.end()) {
    for (double& value : values_) value = round_to(arithmetic, value);
  }
  /// The slice that starts with the first parameter whose name starts with `prefix`, and holds all
  /// that do.
  std::span<const double> operator[](const std::string& prefix) const {
    Index at = 0, begin = 0, size = 0;
    for (const ParamSpec& param : weights_.params) {
      if (param.name.starts_with(prefix)) {
        if (size == 0) begin = at;
        size += param.size();
      }
      at += param.size();
    }
    return {values_.data() + begin, std::size_t(size)};
  }

 private:
  const Weights& weights_;
  std::vector<double> values_;
};

/// layer: (x - mean) / sqrt(var + eps) gain + bias; rms: x / sqrt(mean(x^2) + eps) gain.
template <class S>
Matrix<S> reference_norm(const std::string& kind, std::span<const double> w, Index D, Matrix<S> x) {
  if (kind == "none") return x;
  for (std::size_t row = 0; row < x.size(); row += std::size_t(D)) {
    const std::span<S> v{x.data() + row, std::size_t(D)};
    if (kind == "layer") {
      S mean(0);
      for (const S& a : v) mean += a;
      mean /= double(D);
      for (S& a : v) a -= mean;
    }
    S power(0);
    for (const S& a : v) power += square(a);
    const S deviation = sqrt(power / double(D) + kNormEpsilon);
    for (std::size_t d = 0; d < v.size(); ++d) {
      v[d] = v[d] / deviation * w[d];
      if (kind == "layer") v[d] += w[std::size_t(D) + d];
      v[d] = stored(v[d]);
    }
  }
  return x;
}

template <class S>
Matrix<S> reference_embed(const ModelSpec& spec, const Parameters& w,
                          std::span<const Token> tokens) {
  const auto D = std::size_t(spec.d_model);
  const std::span<const double> embedding = w["embedding"], positions = w["positions"];
  Matrix<S> x;
  for (std::size_t t = 0; t < tokens.size(); ++t)
    for (std::size_t d = 0; d < D; ++d) {
      S value(embedding[std::size_t(tokens[t]) * D + d]);
      if (spec.positions == "learned") value += positions[t * D + d];
      x.push_back(stored(value));
    }
  return x;
}

/// x head + head_bias, or x E^T where the head is tied.
template <class S>
Matrix<S> reference_head(const ModelSpec& spec, const Parameters& w, const Matrix<S>& x,
                         Index first) {
  const auto C = std::size_t(spec.n_classes), D = std::size_t(spec.d_model);
  const std::span<const double> own = w["head"];  // head and head_bias
  const std::span<const double> matrix = spec.tied() ? w["embedding"] : own.first(D * C);
  const std::size_t of_class = spec.tied() ? D : 1, of_unit = spec.tied() ? 1 : C;
  Matrix<S> logits;
  for (std::size_t row = std::size_t(first) * D; row < x.size(); row += D)
    for (std::size_t c = 0; c < C; ++c) {
      S sum(spec.tied() ? 0.0 : own[D * C + c]);
      for (std::size_t d = 0; d < D; ++d) {
        const double weight = matrix[d * of_unit + c * of_class];
        if (weight != 0) sum += x[row + d] * weight;  // 0 times unbounded is 0
      }
      logits.push_back(stored(sum));
    }
  return logits;
}

template <class S>
constexpr Arithmetic kArithmeticOf = Arithmetic::real;
template <Arithmetic A>
constexpr Arithmetic kArithmeticOf<Rounded<A>> = A;

/// What one layer was called with and what the stream is after it; layer -1: the embedding.
template <class S>
struct LayerRun {
  Index layer = -1;
  const Block* block = nullptr;
  std::span<const double> w;
  View<const S, 2> x;  ///< [T, D]: the block's input
  const Matrix<S>& stream;
  Index first = 0;  ///< rows of the stream before this one were not computed
};

/// The logits; calls watch(run) after the embedding and after each layer.
template <class S, class Watch>
std::vector<S> run_model(const Weights& weights, const Registry<Block>& blocks,
                         std::span<const Token> tokens, Index first, const Watch& watch) {
  const ModelSpec& spec = weights.spec;
  const Index D = spec.d_model;
  const std::array<Index, 2> extent{Index(tokens.size()), D};
  const Parameters w(weights, kArithmeticOf<S>);
  std::vector<std::unique_ptr<Block>> layers;
  for (const LayerSpec& layer : spec.layers)
    layers.push_back(blocks.make(layer.block, layer.config));
  // Rows before `first` are needed as long as a later layer mixes positions.
  std::vector<Index> from(layers.size(), first);
  for (std::size_t i = layers.size(); i-- > 1;)
    from[i - 1] = layers[i]->mixing() == Mixing::pointwise ? from[i] : 0;

  auto x = reference_embed<S>(spec, w, tokens);
  watch(LayerRun<S>{.w = {}, .x = {}, .stream = x});
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const LayerSpec& layer = spec.layers[i];
    const std::string prefix = "layers." + std::to_string(i) + ".";
    const auto normed = reference_norm(spec.norm, w[prefix + "norm."], D, x);
    const View<const S, 2> in{normed.data(), extent};
    const std::span<const double> own = w[prefix + layer.block + "."];
    Matrix<S> y(x.size());
    layers[i]->reference(own, in, View<S, 2>{y.data(), extent}, from[i]);
    if (layer.residual)
      for (std::size_t j = 0; j < y.size(); ++j) y[j] = stored(y[j] + x[j]);
    x = std::move(y);
    watch(LayerRun<S>{Index(i), layers[i].get(), own, in, x, from[i]});
  }
  x = reference_norm(spec.norm, w["norm."], D, std::move(x));
  return reference_head(spec, w, x, first);
}

}  // namespace

template <class Scalar>
std::vector<Scalar> reference_logits(const Weights& weights, const Registry<Block>& blocks,
                                     std::span<const Token> tokens, Index first) {
  return run_model<Scalar>(weights, blocks, tokens, first, [](const LayerRun<Scalar>&) {});
}

template std::vector<double> reference_logits<double>(const Weights&, const Registry<Block>&,
                                                      std::span<const Token>, Index);
template std::vector<Interval> reference_logits<Interval>(const Weights&, const Registry<Block>&,
                                                          std::span<const Token>, Index);
template std::vector<BFloat16> reference_logits<BFloat16>(const Weights&, const Registry<Block>&,
                                                          std::span<const Token>, Index);
template std::vector<Float16> reference_logits<Float16>(const Weights&, const Registry<Block>&,
                                                        std::span<const Token>, Index);

namespace {

template <class Scalar>
std::vector<double> emulate(const Weights& weights, const Registry<Block>& blocks,
                            std::span<const Token> tokens, Index first) {
  const auto logits = reference_logits<Scalar>(weights, blocks, tokens, first);
  std::vector<double> out;
  out.reserve(logits.size());
  for (const Scalar& logit : logits) out.push_back(double(logit));
  return out;
}

}  // namespace

std::vector<double> emulated_logits(const Weights& weights, const Registry<Block>& blocks,
                                    std::span<const Token> tokens, Arithmetic arithmetic,
                                    Index first) {
  assert(is_emulated(arithmetic));
  return arithmetic == Arithmetic::bfloat16 ? emulate<BFloat16>(weights, blocks, tokens, first)
                                            : emulate<Float16>(weights, blocks, tokens, first);
}

namespace {

/// The weights of the averages at the asked rows, [rows, heads, T].
std::vector<double> attention_at(const AttentionBlock& block, const LayerRun<double>& run,
                                 std::span<const Index> rows) {
  const Index T = run.x.extent[0], H = block.heads();
  std::vector<double> out(rows.size() * std::size_t(H * T));
  block.averages(run.w, run.x, std::max(run.first, rows.front()),
                 [&](Index t, Index h, std::span<const double> a) {
                   const auto row = std::lower_bound(rows.begin(), rows.end(), t);
                   if (row != rows.end() && *row == t)
                     std::copy(a.begin(), a.end(),
                               out.begin() + ((row - rows.begin()) * H + h) * T);
                 });
  return out;
}

/// The rows of a matrix with so many columns.
std::vector<double> rows_of(std::span<const double> matrix, Index columns,
                            std::span<const Index> rows, Index first = 0) {
  std::vector<double> out;
  for (const Index row : rows) {
    const auto begin = matrix.begin() + (row - first) * columns;
    out.insert(out.end(), begin, begin + columns);
  }
  return out;
}

}  // namespace

Trace trace(const Weights& weights, const Registry<Block>& blocks, std::span<const Token> tokens,
            std::span<const Index> rows) {
  assert(!rows.empty() && rows.back() < Index(tokens.size()));
  const ModelSpec& spec = weights.spec;
  Trace out{.rows = {rows.begin(), rows.end()}, .embedded = {}, .layers = {}, .logits = {}};
  const auto logits =
      run_model<double>(weights, blocks, tokens, rows.front(), [&](const LayerRun<double>& run) {
        std::vector<double> stream = rows_of(run.stream, spec.d_model, rows);
        if (run.block == nullptr) {
          out.embedded = std::move(stream);
          return;
        }
        const LayerSpec& layer = spec.layers[std::size_t(run.layer)];
        Trace::Layer seen{layer.block, layer.residual, 0, {}, std::move(stream)};
        if (const auto* averaging = dynamic_cast<const AttentionBlock*>(run.block)) {
          seen.heads = averaging->heads();
          seen.attention = attention_at(*averaging, run, rows);
        }
        out.layers.push_back(std::move(seen));
      });
  out.logits = rows_of(logits, spec.n_classes, rows, rows.front());
  return out;
}

}  // namespace separatrix

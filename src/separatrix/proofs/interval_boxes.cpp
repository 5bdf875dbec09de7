#include <algorithm>
#include <limits>

#include "separatrix/proofs/intervals.h"

namespace separatrix {
namespace {

/// What the norm kernel adds to the variance.
constexpr double kNormEpsilon = double(1e-5F);

/// Norm of one row, in place.
void normalise(const std::string& kind, const std::vector<double>& w, std::span<Interval> row) {
  if (kind == "none") return;
  const double D = double(row.size());
  if (kind == "layer") {
    Interval mean(0);
    for (const Interval& a : row) mean += a;
    mean /= D;
    for (Interval& a : row) a -= mean;
  }
  Interval power(0);
  for (const Interval& a : row) power += square(a);
  const Interval deviation = sqrt(power / D + kNormEpsilon);
  for (std::size_t d = 0; d < row.size(); ++d) {
    row[d] = row[d] / deviation * w[d];
    if (kind == "layer") row[d] += w[row.size() + d];
  }
}

}  // namespace

BoxModel::BoxModel(const Weights& weights, const Registry<Block>& blocks) : weights_(weights) {
  for (std::size_t i = 0; i < weights.spec.layers.size(); ++i) {
    const LayerSpec& layer = weights.spec.layers[i];
    const std::string prefix = "layers." + std::to_string(i) + ".";
    layers_.push_back(blocks.make(layer.block, layer.config));
    norms_.push_back(slice(prefix + "norm."));
    params_.push_back(slice(prefix + layer.block + "."));
  }
  norms_.push_back(slice("norm."));
}

std::vector<double> BoxModel::slice(const std::string& prefix) const {
  std::vector<double> out;
  auto value = weights_.values.begin();
  for (const ParamSpec& param : weights_.params) {
    if (param.name.starts_with(prefix)) out.insert(out.end(), value, value + param.size());
    value += param.size();
  }
  return out;
}

std::vector<Interval> BoxModel::last_row(const InputBox& box) const {
  const ModelSpec& spec = weights_.spec;
  const auto D = std::size_t(spec.d_model), T = box.size();
  const auto embedding = weights_["embedding"];
  std::vector<Interval> x;
  for (std::size_t t = 0; t < T; ++t)
    for (std::size_t d = 0; d < D; ++d) {
      const auto entry = [&](Token s) { return double(embedding[std::size_t(s) * D + d]); };
      double low = entry(box[t].front()), high = low;
      for (const Token s : box[t]) {
        low = std::min(low, entry(s));
        high = std::max(high, entry(s));
      }
      x.emplace_back(low, high);
      if (spec.positions == "learned") x.back() += double(weights_["positions"][t * D + d]);
    }
  // Rows before the last are needed as long as a later layer mixes positions.
  Index first = Index(T) - 1;
  std::vector<Index> from(layers_.size());
  for (std::size_t i = layers_.size(); i-- > 0;) {
    from[i] = first;
    if (layers_[i]->mixing() != Mixing::pointwise) first = 0;
  }
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    std::vector<Interval> in = x, y(x.size());
    for (std::size_t t = 0; t < T; ++t)
      normalise(spec.norm, norms_[i], std::span(in).subspan(t * D, D));
    const std::array<Index, 2> extent{Index(T), Index(D)};
    layers_[i]->reference(params_[i], View<const Interval, 2>{in.data(), extent},
                          View<Interval, 2>{y.data(), extent}, from[i]);
    for (std::size_t j = 0; j < x.size(); ++j) x[j] = spec.layers[i].residual ? x[j] + y[j] : y[j];
  }
  std::vector<Interval> row(x.end() - std::ptrdiff_t(D), x.end());
  normalise(spec.norm, norms_.back(), row);
  return row;
}

BoxModel::Margin BoxModel::margin(const InputBox& box, Token y) const {
  const std::vector<Interval> row = last_row(box);
  const auto head = weights_["head"], bias = weights_["head_bias"];
  const std::size_t C = bias.size(), a = std::size_t(y);
  Margin out{std::numeric_limits<double>::infinity(), std::numeric_limits<double>::infinity()};
  for (std::size_t c = 0; c < C; ++c) {
    if (c == a) continue;
    // Differences of two floats are exact or rounded outward here, the row occurs once.
    Interval difference = Interval(double(bias[a])) - Interval(double(bias[c]));
    for (std::size_t d = 0; d < row.size(); ++d)
      difference +=
          row[d] * (Interval(double(head[d * C + a])) - Interval(double(head[d * C + c])));
    out.lower = std::min(out.lower, difference.lower());
    out.upper = std::min(out.upper, difference.upper());
  }
  return out;
}

}  // namespace separatrix

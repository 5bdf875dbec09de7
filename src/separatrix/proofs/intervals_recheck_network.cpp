#include "separatrix/proofs/intervals_recheck_network.h"

#include <algorithm>
#include <limits>

namespace separatrix::intervals_recheck {
namespace {

constexpr Real kInfinity = std::numeric_limits<Real>::infinity();

Layout lay_out(const Tokens& box) {
  Layout layout;
  for (std::size_t t = 0; t < box.size(); ++t) {
    if (box[t].size() < 2) continue;
    layout.free.push_back({t, layout.size, box[t].size()});
    layout.size += box[t].size();
  }
  return layout;
}

/// The row of the embedding table and of the position table at position t.
std::vector<Number> embed(const Weights& weights, const Calculus& calculus, const Layout& layout,
                          const std::vector<Token>& tokens, Index t) {
  const Index D = weights.spec.d_model;
  const Matrix table{weights["embedding"], D};
  const auto free = std::find_if(layout.free.begin(), layout.free.end(),
                                 [&](const auto& f) { return Index(f.position) == t; });
  std::vector<Number> row;
  for (Index d = 0; d < D; ++d) {
    Number x = Number::point(table.at(tokens.front(), d));
    if (free != layout.free.end()) {
      x = {{kInfinity, -kInfinity}, 0, 0, std::vector<Real>(layout.size, 0)};
      for (std::size_t i = 0; i < tokens.size(); ++i) {
        const Real entry = x.effect[free->begin + i] = table.at(tokens[i], d);
        x.range = {std::min(x.range.lo, entry), std::max(x.range.hi, entry)};
      }
    }
    if (weights.spec.positions == "learned") {
      const Term self[] = {{1, &x}};
      x = calculus.sum(self, Matrix{weights["positions"], D}.at(t, d));
    }
    row.push_back(std::move(x));
  }
  return row;
}

/// layer: (x - mean) / sqrt(variance + eps) gain + bias; rms: x / sqrt(mean of squares + eps) gain.
std::vector<Number> normed(const Weights& weights, const std::string& prefix,
                           const Calculus& calculus, std::vector<Number> x) {
  const std::string& kind = weights.spec.norm;
  if (kind == "none") return x;
  const Real D = Real(x.size());
  const Number part = calculus.apply(Function::reciprocal, Number::point(D));
  std::vector<Term> all;
  all.reserve(x.size());
  for (const Number& entry : x) all.push_back({1, &entry});
  if (kind == "layer") {
    const Number mean = calculus.product(calculus.sum(all), part);
    std::vector<Number> centred;
    for (const Number& entry : x) {
      const Term difference[] = {{1, &entry}, {-1, &mean}};
      centred.push_back(calculus.sum(difference));
    }
    x = std::move(centred);
  }
  std::vector<Number> squares;
  squares.reserve(x.size());
  for (const Number& entry : x) squares.push_back(calculus.square(entry));
  for (std::size_t d = 0; d < x.size(); ++d) all[d].x = &squares[d];
  const Number power = calculus.product(calculus.sum(all), part);
  const Term self[] = {{1, &power}};
  const Number deviation = calculus.apply(Function::sqrt, calculus.sum(self, Real(1e-5F)));
  const Number inverse = calculus.apply(Function::reciprocal, deviation);
  const auto gain = weights[prefix + "norm.gain"];
  for (std::size_t d = 0; d < x.size(); ++d) {
    const Number scaled = calculus.product(x[d], inverse);
    const Term term[] = {{Real(gain[d]), &scaled}};
    x[d] = calculus.sum(term, kind == "layer" ? Real(weights[prefix + "norm.bias"][d]) : 0);
  }
  return x;
}

}  // namespace

Number affine(const Calculus& calculus, std::span<const Number> x, const Matrix& w, Index j,
              std::span<const float> bias) {
  std::vector<Term> terms;
  terms.reserve(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) terms.push_back({w.at(Index(i), j), &x[i]});
  return calculus.sum(terms, bias.empty() ? 0 : Real(bias[std::size_t(j)]));
}

Network::Network(const Weights& weights) : weights_(weights) {
  for (std::size_t i = 0; i < weights.spec.layers.size(); ++i) {
    const LayerSpec& spec = weights.spec.layers[i];
    layers_.push_back(
        make_layer(spec, weights, "layers." + std::to_string(i) + "." + spec.block + "."));
    if (layers_.back() == nullptr) unknown_ = spec.block;
  }
}

std::vector<Number> Network::last_row(const Calculus& calculus, const Tokens& box,
                                      const Layout& layout) const {
  Rows x;
  for (std::size_t t = 0; t < box.size(); ++t)
    x.push_back(embed(weights_, calculus, layout, box[t], Index(t)));
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const bool all = std::any_of(layers_.begin() + std::ptrdiff_t(i) + 1, layers_.end(),
                                 [](const auto& layer) { return layer->mixes(); });
    const Index first = all ? 0 : Index(box.size()) - 1;
    Rows in = x;
    for (std::size_t t = layers_[i]->mixes() ? 0 : std::size_t(first); t < in.size(); ++t)
      in[t] = normed(weights_, "layers." + std::to_string(i) + ".", calculus, std::move(in[t]));
    Rows y = layers_[i]->run(calculus, in, first);
    for (auto t = std::size_t(first); t < x.size(); ++t)
      for (std::size_t d = 0; d < x[t].size(); ++d) {
        const Term both[] = {{1, &x[t][d]}, {1, &y[t][d]}};
        x[t][d] = weights_.spec.layers[i].residual ? calculus.sum(both) : std::move(y[t][d]);
      }
  }
  return normed(weights_, "", calculus, std::move(x.back()));
}

Network::Margin Network::margin(const Tokens& box, Token y) const {
  const Layout layout = lay_out(box);
  const Calculus calculus(layout);
  const std::vector<Number> row = last_row(calculus, box, layout);
  const Index C = weights_.spec.n_classes;
  const Matrix head{weights_["head"], C};
  const auto bias = weights_["head_bias"];
  Margin out{kInfinity, kInfinity, layout.free.empty() ? -1 : Index(layout.free[0].position)};
  const Number one = Number::point(1);
  for (Index c = 0; c < C; ++c) {
    if (c == y) continue;
    // A difference of two floats need not fit 64 bits: what rounding takes away follows in a term
    // of its own.
    std::vector<Term> terms;
    const auto add = [&](Real a, Real b, const Number& x) {
      const Real difference = a - b, back = difference - a;
      terms.push_back({difference, &x});
      terms.push_back({(a - (difference - back)) + (-b - back), &x});
    };
    add(bias[std::size_t(y)], bias[std::size_t(c)], one);
    for (std::size_t d = 0; d < row.size(); ++d)
      add(head.at(Index(d), y), head.at(Index(d), c), row[d]);
    const Number difference = calculus.sum(terms);
    if (difference.range.lo < out.lower) {
      out.lower = difference.range.lo;
      if (const Index at = calculus.most_effective(difference); at >= 0) out.split = at;
    }
    out.upper = std::min(out.upper, difference.range.hi);
  }
  return out;
}

}  // namespace separatrix::intervals_recheck

#include "separatrix/proofs/prefix_scan/recheck_balls.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "separatrix/proofs/recheck.h"

namespace separatrix::prefix_scan_recheck {
namespace {

using Real = long double;
constexpr Real kInfinity = std::numeric_limits<Real>::infinity();
/// Twice the relative error of an operation, so that errors of errors are in it.
constexpr Real kStep = std::numeric_limits<Real>::epsilon();
constexpr Real kUnit = 0x1p-24L;

Real size_of(Real x) { return x < 0 ? -x : x; }

Affine read_map(const Weights& w, const std::string& name, const std::string& bias, Index rows,
                Arithmetic arithmetic) {
  Affine map;
  for (const float value : w[name]) map.w.push_back(round_to(arithmetic, double(value)));
  map.rows = rows;
  map.cols = Index(map.w.size()) / rows;
  map.b.assign(std::size_t(map.cols), 0);
  if (!bias.empty())
    for (Index j = 0; j < map.cols; ++j)
      map.b[std::size_t(j)] = round_to(arithmetic, double(w[bias][std::size_t(j)]));
  map.nonzeros.resize(std::size_t(map.cols));
  for (Index j = 0; j < map.cols; ++j)
    for (Index i = 0; i < rows; ++i)
      if (map.w[std::size_t(i * map.cols + j)] != 0) map.nonzeros[std::size_t(j)].push_back(i);
  return map;
}

}  // namespace

Ball between(Real low, Real high) {
  const Real mid = low / 2 + high / 2;
  if (!(size_of(mid) < kInfinity) || !(low <= high)) return {0, kInfinity};
  const Real rad = std::max(high - mid, mid - low);
  return {mid, rad == 0 ? 0 : rad * (1 + 4 * kStep) + size_of(mid) * kStep};
}
Ball hull(Ball x, Ball y) {
  if (x.rad == 0 && y.rad == 0 && x.mid == y.mid) return x;
  if (!(x.rad < kInfinity) || !(y.rad < kInfinity)) return {0, kInfinity};
  return between(std::min(x.low(), y.low()), std::max(x.high(), y.high()));
}
Ball sum(Ball x, Ball y) {
  const Real mid = x.mid + y.mid;
  return {mid, (x.rad + y.rad) * (1 + 2 * kStep) + size_of(mid) * kStep};
}
Ball product(Ball x, Ball y) {
  if (!(x.rad < kInfinity) || !(y.rad < kInfinity)) return {0, kInfinity};
  if (x.rad != 0 && y.rad != 0) {  // |x||y| - |mid mid| on both sides would be too much
    const Real a = x.low() * y.low(), b = x.low() * y.high(), c = x.high() * y.low(),
               d = x.high() * y.high();
    const Ball out = between(std::min({a, b, c, d}), std::max({a, b, c, d}));
    return {out.mid, out.rad + out.size() * 8 * kStep + 0x1p-1000L};
  }
  const Real mid = x.mid * y.mid;
  return {mid, (size_of(x.mid) * y.rad + x.rad * size_of(y.mid)) * (1 + 8 * kStep) +
                   size_of(mid) * kStep + 0x1p-1000L};
}
void widen(Balls& to, const Balls& x) {
  if (to.empty()) to = x;
  for (std::size_t i = 0; i < x.size(); ++i) to[i] = hull(to[i], x[i]);
}

Index Affine::most_terms() const {
  std::size_t most = 0;
  for (const auto& terms : nonzeros) most = std::max(most, terms.size());
  return Index(most);
}

std::optional<Machine> Machine::read(const Weights& weights, Arithmetic arithmetic) {
  const ModelSpec& spec = weights.spec;
  if (spec.norm != "none" || spec.positions != "learned") return std::nullopt;
  Machine m;
  m.arithmetic = arithmetic;
  m.D = spec.d_model;
  for (const float value : weights["embedding"])
    m.tokens_.push_back(round_to(arithmetic, double(value)));
  for (const float value : weights["positions"])
    m.positions_.push_back(round_to(arithmetic, double(value)));
  for (std::size_t i = 0; i < spec.layers.size(); ++i) {
    const auto& [block, config, residual] = spec.layers[i];
    const std::string at = "layers." + std::to_string(i) + "." + block + ".";
    const auto map = [&](const std::string& name, Index rows, const std::string& bias = {}) {
      return read_map(weights, at + name, bias.empty() ? bias : at + bias, rows, arithmetic);
    };
    Layer layer;
    if (!residual) return std::nullopt;
    if (block == "attention") {
      if (!config.value("causal", true) || !unlike_plain_attention(config).empty())
        return std::nullopt;
      if (!m.layers.empty() && config.value("n_heads", 1) != 1) return std::nullopt;
      layer.attention = true;
      layer.q = map("q", m.D);
      layer.k = map("k", m.D);
      layer.v = map("v", m.D);
      layer.o = map("o", layer.v.cols);
      if (config.value("scale", std::string("sqrt")) != "none")
        layer.scale = Real(1 / std::sqrt(float(layer.q.cols) / float(config.value("n_heads", 1))));
    } else {
      if (block != "mlp" || m.layers.empty() ||
          config.value("activation", std::string("gelu")) != "relu")
        return std::nullopt;
      const bool biased = config.value("bias", true);
      layer.in = map("in", m.D, biased ? "in_bias" : "");
      layer.out = map("out", layer.in.cols, biased ? "out_bias" : "");
    }
    m.layers.push_back(std::move(layer));
  }
  m.head = read_map(weights, "head", "head_bias", m.D, arithmetic);
  return m;
}

/// Rounding is monotone, so the ends say what becomes of all numbers between.
Ball Machine::stored(Ball x) const {
  if (!rounds()) return x;
  double low = double(x.low()), high = double(x.high());
  if (Real(low) != x.mid || x.rad != 0) {
    low = std::nextafter(low, -std::numeric_limits<double>::infinity());
    high = std::nextafter(high, std::numeric_limits<double>::infinity());
  }
  low = round_to(arithmetic, low);
  high = round_to(arithmetic, high);
  return low == high ? Ball{Real(low), 0} : between(Real(low), Real(high));
}

Balls Machine::embed(Index t, Token token) const {
  Balls x;
  for (Index d = 0; d < D; ++d) {
    const Ball a{Real(tokens_[std::size_t(token * D + d)]), 0}, b{Real(position(t, d)), 0};
    x.push_back(a.mid == 0 ? b : b.mid == 0 ? a : stored(sum(a, b)));
  }
  return x;
}

long double Machine::absolute(const Affine& map, Index column, const Balls& x) const {
  Real total = size_of(Real(map.b[std::size_t(column)]));
  for (const Index i : map.nonzeros[std::size_t(column)])
    total += size_of(Real(map.w[std::size_t(i * map.cols + column)])) * x[std::size_t(i)].size();
  return total * (1 + 1000 * kStep);
}

Ball Machine::affine(const Affine& map, Index column, const Balls& x) const {
  const auto& terms = map.nonzeros[std::size_t(column)];
  Ball y{Real(map.b[std::size_t(column)]), 0};
  const auto whole = [](Real value) { return value * 4096 == std::floor(value * 4096); };
  bool exact = whole(y.mid);  // points, all multiples of 2^-12
  for (const Index i : terms) {
    const Real w = Real(map.w[std::size_t(i * map.cols + column)]);
    const Ball& in = x[std::size_t(i)];
    y.mid += w * in.mid;
    y.rad += size_of(w) * in.rad;
    exact = exact && in.rad == 0 && whole(w * in.mid);
  }
  const Real total = absolute(map, column, x);
  if (exact && total <= 4096) return y;  // 2^24 steps of 2^-12: no sum is ever rounded
  const Real n = Real(terms.size() + 2);
  y.rad += total * n * kStep;
  if (rounds()) y.rad += total * n * kUnit * (1 + 2 * n * kUnit) + 0x1p-120L;
  return y;
}

Balls Machine::apply(const Affine& map, const Balls& x) const {
  Balls y;
  for (Index j = 0; j < map.cols; ++j) y.push_back(stored(affine(map, j, x)));
  return y;
}

void Machine::add(const Balls& y, Balls& x) const {
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (y[i].mid == 0 && y[i].rad == 0) continue;
    const bool whole = x[i].mid == 0 && x[i].rad == 0;
    x[i] = whole ? y[i] : stored(sum(x[i], y[i]));
  }
}

void Machine::mlp(const Layer& layer, Balls& x) const {
  Balls hidden = apply(layer.in, x);
  for (Ball& h : hidden)
    if (h.low() < 0) h = h.high() <= 0 ? Ball{} : between(0, h.high());
  add(apply(layer.out, hidden), x);
}

std::size_t Machine::run_mlps(std::size_t first, Balls& x) const {
  while (first < layers.size() && !layers[first].attention) mlp(layers[first++], x);
  return first;
}

}  // namespace separatrix::prefix_scan_recheck

#include "separatrix/proofs/layered/network.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "separatrix/nn/plain_attention.h"

namespace separatrix::layered {
namespace {

class Reader {
 public:
  Reader(const Weights& weights, Arithmetic arithmetic) : w_(weights), arithmetic_(arithmetic) {}

  Matrix table(const std::string& name, Index rows, Index cols) const {
    Matrix out(rows, cols);
    const auto values = w_[name];
    for (std::size_t i = 0; i < out.data.size(); ++i)
      out.data[i] = round_to(arithmetic_, double(values[i]));
    return out;
  }
  std::vector<Column> columns(const std::string& name, Index rows) const {
    const auto values = w_[name];
    const Index cols = Index(values.size()) / rows;
    std::vector<Column> out(std::size_t(cols), Column{});
    for (Index i = 0; i < rows; ++i)
      for (Index j = 0; j < cols; ++j)
        if (const double w = round_to(arithmetic_, double(values[std::size_t(i * cols + j)]));
            w != 0)
          out[std::size_t(j)].push_back({i, w});
    return out;
  }
  std::vector<double> vector(const std::string& name) const {
    std::vector<double> out;
    for (const float w : w_[name]) out.push_back(round_to(arithmetic_, double(w)));
    return out;
  }
  bool has(const std::string& name) const {
    return std::any_of(w_.params.begin(), w_.params.end(),
                       [&](const ParamSpec& p) { return p.name == name; });
  }

 private:
  const Weights& w_;
  Arithmetic arithmetic_;
};

AttentionPart read_attention(const Reader& read, const Json& config, const std::string& prefix,
                             Index D) {
  AttentionPart a;
  a.heads = config.value("n_heads", Index(1));
  a.q = read.columns(prefix + "q", D);
  a.k = read.columns(prefix + "k", D);
  a.v = read.columns(prefix + "v", D);
  a.o = read.columns(prefix + "o", Index(a.v.size()));
  a.dk = Index(a.q.size()) / a.heads;
  a.dv = Index(a.v.size()) / a.heads;
  a.causal = config.value("causal", true);
  a.scale = attention_scale(config, a.dk);
  return a;
}

MlpPart read_mlp(const Reader& read, const std::string& prefix, Index D) {
  MlpPart m;
  m.in = read.columns(prefix + "in", D);
  m.out = read.columns(prefix + "out", Index(m.in.size()));
  const bool biased = read.has(prefix + "in_bias");
  m.in_bias = biased ? read.vector(prefix + "in_bias") : std::vector<double>(m.in.size(), 0);
  m.out_bias = biased ? read.vector(prefix + "out_bias") : std::vector<double>(m.out.size(), 0);
  return m;
}

}  // namespace

std::optional<Network> view_network(const Weights& weights, Index n_tokens, Arithmetic arithmetic,
                                    std::string& why) {
  const ModelSpec& spec = weights.spec;
  constexpr float kModerate = 0x1p30F;  // so that sums and products do not overflow unseen
  why = "a weight is too large";
  for (const float w : weights.values)
    if (!(std::abs(w) <= kModerate)) return std::nullopt;
  why = "the model is not one or two attention layers with ReLU MLPs after them, without norms";
  if (spec.norm != "none" || spec.layers.empty()) return std::nullopt;
  const Index D = spec.d_model;
  const Reader read(weights, arithmetic);
  Network net{.V = spec.vocab_size, .C = spec.n_classes, .D = D, .T = n_tokens};
  std::vector<AttentionPart> attentions;
  std::vector<std::vector<MlpPart>> mlps;
  for (std::size_t i = 0; i < spec.layers.size(); ++i) {
    const LayerSpec& layer = spec.layers[i];
    const std::string prefix = "layers." + std::to_string(i) + "." + layer.block + ".";
    if (!layer.residual) return std::nullopt;
    if (layer.block == "attention")
      if (auto beyond = beyond_plain_attention(layer.config); !beyond.empty()) {
        why = std::move(beyond);
        return std::nullopt;
      }
    if (layer.block == "attention" && attentions.size() < 2) {
      attentions.push_back(read_attention(read, layer.config, prefix, D));
      mlps.emplace_back();
    } else if (layer.block == "mlp" && !attentions.empty() &&
               layer.config.value("activation", std::string("gelu")) == "relu") {
      mlps.back().push_back(read_mlp(read, prefix, D));
    } else {
      return std::nullopt;
    }
  }
  why = "the scores are divided by an irrational number";
  if (arithmetic == Arithmetic::real)
    for (const AttentionPart& a : attentions)
      if (int exponent = 0; std::frexp(a.scale, &exponent) != 0.5) return std::nullopt;
  why.clear();
  net.tokens = read.table("embedding", net.V, D);
  net.positions = spec.positions == "learned" ? read.table("positions", spec.max_length, D)
                                              : Matrix(n_tokens, D);
  net.last = attentions.back();
  net.top = mlps.back();
  if (attentions.size() == 2) {
    net.first = attentions.front();
    net.middle = mlps.front();
  } else if (attentions.empty()) {
    return std::nullopt;
  }
  net.head = read.columns("head", D);
  net.head_bias = read.vector("head_bias");
  for (const float w : weights.values)
    if (!std::isfinite(round_to(arithmetic, double(w)))) {
      why = "a weight is not a number of the arithmetic";
      return std::nullopt;
    }
  return net;
}

std::vector<bool> read_by(const std::vector<Column>& columns, Index D) {
  std::vector<bool> out(std::size_t(D), false);
  for (const Column& column : columns)
    for (const Entry& e : column) out[std::size_t(e.at)] = true;
  return out;
}

namespace {

struct HiddenUnit {
  FastInterval value;  ///< stored, after the ReLU
  double error = 0;    ///< |value - exact pre-activation|, if on
  bool on = false;     ///< certainly
};

/// sum over the certainly-on units of their affine functions of x, the others as intervals.
FastInterval composed(const MlpPart& mlp, const Numbers& numbers, std::size_t d,
                      const std::vector<HiddenUnit>& hidden, const Box& x) {
  std::map<Index, FastInterval> coefficients;
  FastInterval sum(mlp.out_bias[d]);
  double error = 0, absolute = std::abs(mlp.out_bias[d]);
  for (const Entry& out : mlp.out[d]) {
    const HiddenUnit& unit = hidden[std::size_t(out.at)];
    absolute += unit.value.magnitude() * std::abs(out.weight);
    if (!unit.on) {
      sum += unit.value * out.weight;
      continue;
    }
    sum += FastInterval(mlp.in_bias[std::size_t(out.at)]) * out.weight;
    for (const Entry& in : mlp.in[std::size_t(out.at)])
      coefficients[in.at] += FastInterval(in.weight) * out.weight;
    error += unit.error * std::abs(out.weight);
  }
  for (const auto& [at, weight] : coefficients) sum += x[std::size_t(at)] * weight;
  error += numbers.gamma(double(mlp.out[d].size()) + 1) * absolute;
  error *= 1 + 0x1p-40;
  return sum + FastInterval(-error, error);
}

}  // namespace

void apply(const MlpPart& mlp, const Numbers& numbers, Box& x) {
  std::vector<HiddenUnit> hidden(mlp.in.size());
  Box values(mlp.in.size());
  for (std::size_t f = 0; f < hidden.size(); ++f) {
    const auto sum = numbers.dot(mlp.in[f], x, mlp.in_bias[f]);
    HiddenUnit& unit = hidden[f];
    const FastInterval stored = numbers.stored(sum.value);
    unit.on = stored.lo >= 0 && sum.value.lo >= 0;
    unit.error = sum.error + numbers.store_error(stored.magnitude());
    values[f] = unit.value = relu(stored);
  }
  Box out(x);
  for (std::size_t d = 0; d < x.size(); ++d) {
    if (mlp.out[d].empty() && mlp.out_bias[d] == 0) continue;
    FastInterval sum = numbers.dot(mlp.out[d], values, mlp.out_bias[d]).value;
    const auto loose = std::count_if(mlp.out[d].begin(), mlp.out[d].end(), [&](const Entry& e) {
      const HiddenUnit& unit = hidden[std::size_t(e.at)];
      return unit.on && !unit.value.is_point();
    });
    if (loose > 1) sum = intersect(sum, composed(mlp, numbers, d, hidden, x));
    out[d] = numbers.stored(x[d] + numbers.stored(sum));
  }
  x = std::move(out);
}

}  // namespace separatrix::layered

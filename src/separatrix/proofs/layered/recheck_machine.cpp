#include "separatrix/proofs/layered/recheck_machine.h"

#include <algorithm>
#include <cmath>

#include "separatrix/proofs/recheck.h"

namespace separatrix::relayer {
namespace {

class File {
 public:
  File(const Weights& weights, Arithmetic arithmetic) : weights_(weights), as_(arithmetic) {}
  std::vector<double> numbers(const std::string& name) const {
    std::vector<double> out;
    for (const float w : weights_[name]) out.push_back(round_to(as_, double(w)));
    return out;
  }
  /// [rows, .] row-major: the entries of each column that are not 0.
  std::vector<Terms> columns(const std::string& name, Index rows) const {
    const auto all = numbers(name);
    const std::size_t width = all.size() / std::size_t(rows);
    std::vector<Terms> out(width, Terms{});
    for (std::size_t i = 0; i < all.size(); ++i)
      if (all[i] != 0) out[i % width].push_back({Index(i / width), all[i]});
    return out;
  }
  Arithmetic as() const { return as_; }
  bool holds(const std::string& name) const {
    for (const ParamSpec& param : weights_.params)
      if (param.name == name) return true;
    return false;
  }

 private:
  const Weights& weights_;
  Arithmetic as_;
};

Attention attention_of(const File& file, const Json& config, const std::string& name, Index D) {
  Attention a;
  a.heads = config.value("n_heads", Index{1});
  a.causal = config.value("causal", true);
  a.q = file.columns(name + "q", D);
  a.k = file.columns(name + "k", D);
  a.v = file.columns(name + "v", D);
  a.o = file.columns(name + "o", Index(a.v.size()));
  a.dk = Index(a.q.size()) / a.heads;
  a.dv = Index(a.v.size()) / a.heads;
  if (config.value("scale", std::string("sqrt")) != "none") {
    // The programs round it in ways of their own, by less than two units; exact for 4, 16, ..
    const Real exact = 1 / std::sqrt(Real(a.dk));
    const bool power = exact == Real(float(exact)) && low_exponent(exact) == std::ilogb(exact);
    const Real loose = power ? 0 : file.as() == Arithmetic::real ? 0x1p-60L : 0x1p-22L;
    a.scale = {exact * (1 - loose), exact * (1 + loose)};
  }
  return a;
}

Mlp mlp_of(const File& file, const std::string& name, Index D) {
  Mlp m;
  m.in = file.columns(name + "in", D);
  m.out = file.columns(name + "out", Index(m.in.size()));
  m.in_bias.assign(m.in.size(), 0);
  m.out_bias.assign(m.out.size(), 0);
  if (file.holds(name + "in_bias")) {
    m.in_bias = file.numbers(name + "in_bias");
    m.out_bias = file.numbers(name + "out_bias");
  }
  return m;
}

/// Largest sum of absolute weights of an output.
Real reach(const std::vector<Terms>& columns) {
  Real most = 0;
  for (const Terms& terms : columns) {
    Real sum = 0;
    for (const Term& term : terms) sum += std::fabs(Real(term.weight));
    most = std::max(most, sum);
  }
  return most;
}
Real largest(const std::vector<double>& numbers) {
  Real most = 0;
  for (const double x : numbers) most = std::max(most, std::fabs(Real(x)));
  return most;
}

/// No intermediate result can overflow a float32.
bool stays_moderate(const Machine& m) {
  constexpr Real kModerate = 0x1p100L;
  Real x = largest(m.tokens) + largest(m.positions);
  bool fine = x < kModerate;
  const auto attend = [&](const Attention& a) {
    const Real q = std::max(1.0L, reach(a.q)), k = std::max(1.0L, reach(a.k));
    fine = fine && x * x * q * k * Real(a.dk + 1) < kModerate;
    x += x * std::max(1.0L, reach(a.v)) * std::max(1.0L, reach(a.o));
  };
  const auto pass_mlp = [&](const Mlp& mlp) {
    const Real hidden = x * reach(mlp.in) + largest(mlp.in_bias);
    x += hidden * reach(mlp.out) + largest(mlp.out_bias);
    fine = fine && hidden < kModerate && x < kModerate;
  };
  if (m.first) attend(*m.first);
  for (const Mlp& mlp : m.middle) pass_mlp(mlp);
  attend(m.last);
  for (const Mlp& mlp : m.top) pass_mlp(mlp);
  return fine && x * reach(m.head) + largest(m.head_bias) < kModerate;
}

}  // namespace

std::string read_machine(const Weights& weights, Index n_tokens, Arithmetic arithmetic,
                         Machine& m) {
  const ModelSpec& spec = weights.spec;
  const File file(weights, arithmetic);
  m = Machine{.V = spec.vocab_size, .D = spec.d_model, .T = n_tokens};
  if (spec.norm != "none") return "the model has norms";
  Index n_attentions = 0;
  for (const LayerSpec& layer : spec.layers) n_attentions += layer.block == "attention" ? 1 : 0;
  if (n_attentions < 1 || n_attentions > 2) return "the model has not one or two attention layers";
  Index met = 0;
  for (std::size_t i = 0; i < spec.layers.size(); ++i) {
    const LayerSpec& layer = spec.layers[i];
    const std::string name = "layers." + std::to_string(i) + "." + layer.block + ".";
    if (!layer.residual) return "a layer has no residual";
    if (layer.block == "attention") {
      if (auto wrong = unlike_plain_attention(layer.config); !wrong.empty()) return wrong;
      const Attention a = attention_of(file, layer.config, name, m.D);
      if (++met == n_attentions)
        m.last = a;
      else
        m.first = a;
    } else if (layer.block == "mlp" && met > 0 && layer.config.contains("activation") &&
               layer.config.at("activation") == "relu") {
      (met == n_attentions ? m.top : m.middle).push_back(mlp_of(file, name, m.D));
    } else {
      return "a layer is neither attention nor a ReLU MLP after one";
    }
  }
  m.tokens = file.numbers("embedding");
  m.positions.assign(std::size_t(n_tokens * m.D), 0);
  if (spec.positions == "learned") {
    const auto table = file.numbers("positions");
    if (table.size() < m.positions.size()) return "the model has too few positions";
    std::copy_n(table.begin(), m.positions.size(), m.positions.begin());
  }
  m.head = file.columns("head", m.D);
  m.head_bias = file.numbers("head_bias");
  return stays_moderate(m) ? "" : "a number may leave the range of float32";
}

void pass(const Mlp& mlp, const Rounding& rounding, std::vector<Quantity>& x) {
  std::vector<Quantity> hidden;
  for (std::size_t f = 0; f < mlp.in.size(); ++f) {
    Quantity unit = rounding.stored(rounding.sum(mlp.in[f], x, mlp.in_bias[f]).value);
    if (unit.range.hi <= 0)
      unit = Quantity::point(0);
    else if (!(unit.range.lo >= 0))
      unit = Quantity::between({0, unit.range.hi});
    hidden.push_back(std::move(unit));
  }
  const std::vector<Quantity> before = x;
  for (std::size_t d = 0; d < x.size(); ++d)
    if (!mlp.out[d].empty() || mlp.out_bias[d] != 0)
      x[d] = rounding.residual(before[d], rounding.sum(mlp.out[d], hidden, mlp.out_bias[d]).value);
}

Real average_error(const Rounding& rounding, Real n, Real width, Real score, Real size) {
  if (rounding.real()) return std::expm1(4 * score);
  // Scores, and the argument of the exponential, in numerator and denominator; the exponential
  // within 4 units (8 u), twice; the sum of all, its inverse, one product; then the average's n
  // products and sums, and those of the values.
  const Real argument = score == 0 ? 0 : 4 * size * 0x1p-24L;
  return std::expm1(2 * score + 2 * argument) +
         std::exp(2 * score + 2 * argument) * rounding.chain(2 * 8 + n + 4 + n + width + 4);
}

}  // namespace separatrix::relayer

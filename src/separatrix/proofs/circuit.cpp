#include "separatrix/proofs/circuit.h"

#include <algorithm>
#include <cmath>

#include "separatrix/nn/model.h"

namespace separatrix {

Slot Stream::add(std::string name, Index width, Slot::Code code) {
  slots_.push_back({std::move(name), width_, width, code});
  width_ += width;
  return slots_.back();
}

void Head::score(Index query, Index key, int log2_weight, double factor) {
  const int in_key = log2_weight > 0 ? log2_weight / 2 : 0;
  scores_.push_back({.in = query,
                     .out = key,
                     .first = float(std::ldexp(factor, log2_weight - in_key)),
                     .second = float(std::ldexp(1, in_key))});
}

void Head::match(const Slot& query, const Slot& key, double c) {
  for (Index i = 0; i < query.width; ++i)
    scores_.push_back(
        {.in = query.begin + i, .out = key.begin + i, .first = float(c), .second = 1});
}

void Head::copy(const Slot& from, const Slot& to, int log2_scale) {
  for (Index i = 0; i < from.width; ++i)
    values_.push_back({.in = from.begin + i,
                       .out = to.begin + i,
                       .first = 1,
                       .second = float(std::ldexp(1, log2_scale))});
}

void Table::write(Index row, const Slot& slot, Index n) const {
  const float low = slot.code == Slot::Code::signs ? -1 : 0;
  for (Index i = 0; i < slot.width; ++i) (*this)(row, slot.begin + i) = (n >> i & 1) != 0 ? 1 : low;
}

void Circuit::attention(std::vector<Head> heads, bool causal) {
  layers_.push_back({.heads = std::move(heads), .causal = causal, .units = {}});
}
void Circuit::mlp(std::vector<Unit> units) {
  layers_.push_back({.heads = {}, .units = std::move(units)});
}

Index Circuit::Layer::d_head() const {
  std::size_t widest = 1;
  for (const Head& head : heads) widest = std::max(widest, head.scores_.size());
  return Index(widest);
}
Index Circuit::Layer::d_value() const {
  std::size_t widest = 1;
  for (const Head& head : heads) widest = std::max(widest, head.values_.size());
  return Index(widest);
}

double Circuit::n_parameters(const Size& size) const {
  const double D = double(stream_.width());
  double sum = D * double(size.vocab_size + size.n_tokens) + (D + 1) * double(size.n_classes);
  for (const Layer& layer : layers_) {
    sum += 2 * D * double(layer.heads.size()) * double(layer.d_head() + layer.d_value());
    if (layer.heads.empty()) sum += (2 * D + 1) * double(layer.units.size()) + D;
  }
  return sum;
}

LayerSpec Circuit::spec_of(const Layer& layer) const {
  if (layer.heads.empty())
    return {.block = "mlp",
            .config = {{"d_ff", Index(layer.units.size())}, {"activation", "relu"}},
            .residual = true};
  return {.block = "attention",
          .config = {{"n_heads", Index(layer.heads.size())},
                     {"d_head", layer.d_head()},
                     {"d_value", layer.d_value()},
                     {"causal", layer.causal},
                     {"scale", "none"}},
          .residual = true};
}

void Circuit::write(const Layer& layer, const std::string& prefix, Weights& w) const {
  const Index D = stream_.width();
  if (layer.heads.empty()) {
    const Index F = Index(layer.units.size());
    const Table in(w, prefix + "mlp.in", F), in_bias(w, prefix + "mlp.in_bias", F),
        out(w, prefix + "mlp.out", D);
    for (Index f = 0; f < F; ++f) {
      const Unit& unit = layer.units[std::size_t(f)];
      for (const auto& [at, weight] : unit.in) in(at, f) += float(weight);
      in_bias(0, f) = float(unit.bias);
      for (const auto& [at, weight] : unit.out) out(f, at) += float(weight);
    }
    return;
  }
  const Index H = Index(layer.heads.size()), dk = layer.d_head(), dv = layer.d_value();
  const Table q(w, prefix + "attention.q", H * dk), k(w, prefix + "attention.k", H * dk),
      v(w, prefix + "attention.v", H * dv), o(w, prefix + "attention.o", D);
  for (Index h = 0; h < H; ++h) {
    const Head& head = layer.heads[std::size_t(h)];
    Index i = h * dk;
    for (const Head::Wire& wire : head.scores_) {
      q(wire.in, i) = wire.first;
      k(wire.out, i++) = wire.second;
    }
    i = h * dv;
    for (const Head::Wire& wire : head.values_) {
      v(wire.in, i) = wire.first;
      o(i++, wire.out) = wire.second;
    }
  }
}

Weights Circuit::weights(const Size& size, const Registry<Block>& blocks) const {
  ModelSpec spec{.vocab_size = size.vocab_size,
                 .n_classes = size.n_classes,
                 .d_model = stream_.width(),
                 .max_length = size.n_tokens,
                 .positions = "learned",
                 .norm = "none",
                 .layers = {}};
  for (const Layer& layer : layers_) spec.layers.push_back(spec_of(layer));
  Weights w = zeros(spec, blocks);
  for (std::size_t i = 0; i < layers_.size(); ++i)
    write(layers_[i], "layers." + std::to_string(i) + ".", w);
  return w;
}

void require_fits(const std::string& construction, double parameters) {
  constexpr double kMaxBytes = 0x1p30;
  const auto mebibytes = [](double bytes) { return std::to_string(std::llround(bytes / 0x1p20)); };
  if (4 * parameters > kMaxBytes)
    throw Error(ErrorKind::spec,
                "the weights take " + mebibytes(4 * parameters) + " MiB; the limit is " +
                    mebibytes(kMaxBytes),
                construction, "take a shorter length, or fewer symbols or features");
}

}  // namespace separatrix

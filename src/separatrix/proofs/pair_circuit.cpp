#include "separatrix/proofs/pair_circuit.h"

#include "separatrix/proofs/symbol_code.h"

namespace separatrix {
namespace {

Stream lay_out(const PairCircuit::Design& design, Index L, PairCircuit::Slots& s) {
  Stream stream;
  s.symbol = stream.add("symbol", design.symbol_width, design.code);
  s.address = stream.add("address", L, Slot::Code::signs);
  s.looks_at = stream.add("looks at", L, Slot::Code::signs);
  s.found = stream.add("found", design.symbol_width, design.code);
  if (design.needs_is_y) s.is_y = stream.add("second");
  s.clash = stream.add("clash");
  s.end = stream.add("end");
  s.answer = stream.add("answer");
  return stream;
}

}  // namespace

PairCircuit::PairCircuit(Design design, const ConstructionRequest& request, double temperature)
    : design_(std::move(design)),
      request_(request),
      temperature_(temperature),
      n_tokens_(request.length + 1),
      beta_(alarm_temperature(n_tokens_)),
      circuit_(lay_out(design_, code_bits(n_tokens_), slots_)) {
  Head look_up, look_for_clash;
  look_up.match(slots_.looks_at, slots_.address, temperature_);
  look_up.copy(slots_.symbol, slots_.found);
  look_for_clash.score(slots_.end.begin, slots_.clash.begin, 0, beta_);
  look_for_clash.copy(slots_.clash, slots_.answer);
  circuit_.attention({look_up});
  circuit_.mlp(design_.units(slots_));
  circuit_.attention({look_for_clash});
}

double PairCircuit::margin() const {
  const Roundings rounded{request_.arithmetic, n_tokens_, circuit_.stream().width()};
  const double leak = address_leak(temperature_, code_bits(n_tokens_));
  const double span = design_.code == Slot::Code::signs ? 2 : 1;  // of two symbols' digits
  const double found = span * leak / (1 + leak) + rounded.average();
  // What a clash adds to the flag at least; without one the units stay at or below 0.
  const double flag = 1 - design_.gain * found - rounded.affine(design_.unit_terms, 2);
  return alarm_margin(rounded, flag);
}

Built PairCircuit::build(const Registry<Block>& blocks) const {
  Weights w = circuit_.weights(size(), blocks);
  const Index D = w.spec.d_model, n = request_.length / 2;
  const Table tokens(w, "embedding", D), positions(w, "positions", D), head(w, "head", 2),
      bias(w, "head_bias", 2);
  for (Index s = 0; s < design_.n_symbols; ++s) tokens.write(s, slots_.symbol, s);
  tokens(design_.n_symbols, slots_.end.begin) = 1;
  for (Index t = 0; t < n_tokens_; ++t) {
    positions.write(t, slots_.address, t);
    positions.write(t, slots_.looks_at, t);  // who has nothing to look up looks at itself
  }
  const PairLayout& layout = design_.layout;
  for (Index i = 0; i < n; ++i) {
    const Index x = Index(layout.x(i, n)), y = Index(layout.y(i, n));
    positions.write(y, slots_.looks_at, x);
    if (design_.needs_is_y) positions(y, slots_.is_y.begin) = 1;
  }
  // +-(answer - 1/2): 0 without a clash, nearly 1 or more with one.
  head(slots_.answer.begin, 0) = 1;
  head(slots_.answer.begin, 1) = -1;
  bias(0, 0) = -0.5F;
  bias(0, 1) = 0.5F;
  return {.weights = std::move(w), .slots = circuit_.stream().slots(), .temperature = beta_};
}

std::optional<Claim> PairConstruction::claim(const ConstructionRequest& request) const {
  if (request.length < 2 || request.length % 2 != 0) return std::nullopt;
  const PairCircuit pairs = circuit(request);
  require_fits(construction(), pairs.n_parameters());
  return claim_margin(request, pairs.margin());
}

Built PairConstruction::build(const ConstructionRequest& request,
                              const Registry<Block>& blocks) const {
  return circuit(request).build(blocks);
}

}  // namespace separatrix

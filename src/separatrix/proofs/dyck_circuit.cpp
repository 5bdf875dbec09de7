#include "separatrix/proofs/dyck_circuit.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "separatrix/proofs/symbol_code.h"

namespace separatrix {
namespace {

constexpr double kUnit = 0x1p-24;
constexpr int kLog2Base = 4;  ///< positions are written in base 16: bfloat16 holds every digit

/// Least e with 2^e >= n.
int log2_above(Index n) { return int(std::bit_width(std::uint64_t(n - 1))); }

Index digits_of(Index n) { return std::max<Index>(1, (log2_above(n) + kLog2Base - 1) / kLog2Base); }

}  // namespace

std::optional<DyckCircuit> DyckCircuit::plan(const ConstructionRequest& request,
                                             double temperature) {
  const auto task = read_config<DyckParameters>(request.task_config, "bounded-dyck");
  constexpr Index kLongest = Index{1} << 20;
  if (request.length < 2 || request.length % 2 != 0 || request.length > kLongest)
    return std::nullopt;
  DyckCircuit circuit(request, task, temperature);
  if (!circuit.keeps_thresholds()) return std::nullopt;
  circuit.measure_depth();
  circuit.look_back();
  if (circuit.recognise_) circuit.judge();
  require_fits("bounded-dyck", circuit.circuit_.n_parameters(circuit.size()));
  return circuit;
}

DyckCircuit::DyckCircuit(const ConstructionRequest& request, const DyckParameters& task,
                         double temperature)
    : rounded_{.arithmetic = request.arithmetic, .n_tokens = request.length + 2, .width = 0},
      types_(task.types),
      limit_(std::min(task.depth, request.length / 2)),
      recognise_(task.recognition()),
      can_be_full_(task.depth <= request.length / 2),
      log2_kappa_(std::ilogb(temperature)),
      log2_threshold_(log2_above(3 * rounded_.n_tokens)),
      log2_match_(log2_kappa_ + log2_above(rounded_.n_tokens)),
      circuit_(Stream()) {
  Stream s;
  const Index Lt = code_bits(types_), thresholds = limit_ + (recognise_ ? 2 : 0);
  bracket_ = s.add("bracket");
  first_ = s.add("first");
  if (recognise_) last_ = s.add("last");
  one_ = s.add("one");
  type_ = s.add("type", Lt, Slot::Code::signs);
  position_ = s.add("position", digits_of(rounded_.n_tokens));
  mean_ = s.add("mean");
  share_ = s.add("share");
  short_ = s.add("short of", thresholds);
  asks_ = s.add(recognise_ ? "partner depth" : "depth", limit_, Slot::Code::one_hot);
  answers_ = s.add("opens depth", limit_, Slot::Code::one_hot);
  found_ = s.add("found type", Lt, Slot::Code::signs);
  if (recognise_) {
    wrong_ = s.add("wrong");
    verdict_ = s.add("verdict");
  }
  circuit_ = Circuit(std::move(s));
  rounded_.width = circuit_.stream().width();
  beta_ = recognise_ ? 4 * std::ceil(std::log(double(rounded_.n_tokens))) : 0;
}

Circuit::Size DyckCircuit::size() const {
  return {2 * types_ + 2, recognise_ ? 2 : 1 + 2 * types_, rounded_.n_tokens};
}

/// Whether every threshold comes out on its side of 0, by 1 below it. With a = 1/(t+1) the computed
/// W (mean - (c - 1/2) share) is within W a/6 of the real one, which is at least W a/2 from 0, and
/// W a >= 3. docs/theory.md derives the parts.
bool DyckCircuit::keeps_thresholds() const {
  if (log2_match_ > 23) return false;  // scores are whole numbers below 2^24
  const double T = double(rounded_.n_tokens), k = double(limit_);
  const double sums = kUnit * 1.2 * (T + 32) * (3 * k + 8);  // shares and means in float32
  double stored = 0;
  if (is_emulated(rounded_.arithmetic)) {
    const NumberFormat format = number_format(rounded_.arithmetic);
    stored = 1.1 * format.unit() * (2 * k + 3);
    if (std::ldexp(k + 2, log2_threshold_) > format.largest) return false;
    // Shares stay normal numbers, positions and weights are held exactly.
    if (T > std::ldexp(1, -(format.least_exponent + format.significant - 1))) return false;
    if (4 * (k + 2) > std::ldexp(1, format.significant)) return false;
  }
  return sums + stored < 1.0 / 6;
}

/// Attention 1 and two MLPs: "short of" c is 0 when the depth is at least c, and at least 1 when it
/// is not; one more ReLU makes that 1 and 0 exactly, in every format.
void DyckCircuit::measure_depth() {
  Head mean;
  mean.copy(bracket_, mean_);
  mean.copy(first_, share_);
  circuit_.attention({mean});

  const Index least = recognise_ ? 0 : 1, most = limit_ + (recognise_ ? 1 : 0);
  const double W = std::ldexp(1, log2_threshold_);
  const auto below = [&](Index c) { return short_.begin + c - least; };
  std::vector<Unit> thresholds, steps;
  for (Index c = least; c <= most; ++c)
    thresholds.push_back({.in = {{mean_.begin, -W}, {share_.begin, W * (double(c) - 0.5)}},
                          .bias = 0,
                          .out = {{below(c), 1}}});
  circuit_.mlp(std::move(thresholds));

  const Index asked = recognise_ ? 1 : 0;  // a closing bracket's partner is one deeper
  for (Index c = least; c <= most; ++c) {
    Unit reached{.in = {{below(c), -1}}, .bias = 1, .out = {}};  // depth >= c
    const auto mark = [&](Unit& unit, const Slot& slot, Index depth, double weight) {
      if (1 <= depth && depth <= limit_) unit.out.push_back({slot.begin + depth - 1, weight});
    };
    mark(reached, asks_, c + asked, 1);
    mark(reached, asks_, c + asked - 1, -1);
    if (recognise_ && c == least) reached.out.push_back({wrong_.begin, -1});
    if (recognise_ && c == most) reached.out.push_back({wrong_.begin, 1});
    steps.push_back(std::move(reached));
    if (c == 0) continue;
    Unit opened{.in = {{bracket_.begin, 1}, {below(c), -1}}, .bias = 0, .out = {}};
    mark(opened, answers_, c, 1);
    mark(opened, answers_, c - 1, -1);
    steps.push_back(std::move(opened));
  }
  if (recognise_) {  // wrong = 1 - [depth >= 0] + [depth > k] + [EOS at depth >= 1]
    steps.push_back({.in = {}, .bias = 1, .out = {{wrong_.begin, 1}}});
    steps.push_back(
        {.in = {{last_.begin, 1}, {below(1), -1}}, .bias = 0, .out = {{wrong_.begin, 1}}});
  }
  circuit_.mlp(std::move(steps));
}

/// Attention 2: kappa position + 2^m [opens the depth that is asked for], 2^m >= kappa (N + 2).
void DyckCircuit::look_back() {
  Head top;
  for (Index i = 0; i < limit_; ++i) top.score(asks_.begin + i, answers_.begin + i, log2_match_);
  for (Index e = 0; e < position_.width; ++e)
    top.score(one_.begin, position_.begin + e, log2_kappa_ + int(e) * kLog2Base);
  top.copy(type_, found_);
  circuit_.attention({top});
}

/// A closing bracket and its partner differ by 2 in some digit of their types, or by nearly nothing
/// in all; -2 (bracket + 1) silences all other tokens. Then EOS looks for what is wrong.
void DyckCircuit::judge() {
  std::vector<Unit> differences;
  for (Index i = 0; i < type_.width; ++i)
    for (const double sign : {1.0, -1.0})
      differences.push_back(
          {.in = {{type_.begin + i, sign}, {found_.begin + i, -sign}, {bracket_.begin, -2}},
           .bias = -2.5,
           .out = {{wrong_.begin, 1}}});
  circuit_.mlp(std::move(differences));
  Head any;
  any.score(one_.begin, wrong_.begin, 0, beta_);
  any.copy(wrong_, verdict_);
  circuit_.attention({any});
}

double DyckCircuit::margin() const {
  const double Lt = double(type_.width), kappa = std::ldexp(1, log2_kappa_);
  // Earlier brackets of the same depth are an even number of positions away, at least 2; all others
  // lose 2^m - kappa (N - 1) >= 3 kappa at least, kappa more with every position.
  const double leak = 1 / std::expm1(2 * kappa) + std::exp(-3 * kappa) / -std::expm1(-kappa);
  const double found = 2 * leak + rounded_.average();
  if (!recognise_) return 1 - Lt * found - 2 * rounded_.affine(2 * Lt + 4, Lt / 2 + 2);
  // Without a flag the verdict is 0. With one, of 1 at least, it is at least 3/4, and as flags are
  // never negative all errors are relative: docs/theory.md.
  if (!(found < 0.25)) return 0;
  return 0.75 - 1.5 * rounded_.average() - 2 * rounded_.affine(3, 1.5);
}

Built DyckCircuit::build(const Registry<Block>& blocks) const {
  Weights w = circuit_.weights(size(), blocks);
  const Index D = w.spec.d_model;
  const Table tokens(w, "embedding", D), positions(w, "positions", D);
  for (Index token = 0; token < 2 * types_; ++token) {
    tokens(token, bracket_.begin) = token < types_ ? 1 : -1;
    tokens.write(token, type_, token % types_);
  }
  const Index bos = 2 * types_, eos = bos + 1;
  tokens(bos, first_.begin) = 1;
  if (recognise_) tokens(eos, last_.begin) = 1;
  for (Index token = 0; token <= eos; ++token) tokens(token, one_.begin) = 1;
  for (Index t = 0; t < rounded_.n_tokens; ++t)
    for (Index e = 0; e < position_.width; ++e)
      positions(t, position_.begin + e) = float(t >> (e * kLog2Base) & 15);
  write_head(w);
  return {.weights = std::move(w),
          .slots = circuit_.stream().slots(),
          .temperature = std::ldexp(1, log2_kappa_)};
}

void DyckCircuit::write_head(Weights& w) const {
  const Index C = w.spec.n_classes;
  const Table head(w, "head", C), bias(w, "head_bias", C);
  if (recognise_) {  // rejected: 2 verdict, accepted: 3/4
    head(verdict_.begin, 0) = 2;
    bias(0, 1) = 0.75F;
    return;
  }
  // empty: Lt/2 + 1 - 2 [depth >= 1]; a type: <found, code>/2 - [full]; full: the same - [not
  // full].
  bias(0, 0) = float(type_.width) / 2 + 1;
  for (Index c = 0; c < limit_; ++c) head(asks_.begin + c, 0) = -2;
  for (Index type = 0; type < types_; ++type)
    for (const Index full : {0, 1}) {
      const Index y = 1 + 2 * type + full;
      for (Index i = 0; i < type_.width; ++i) head(found_.begin + i, y) = code_sign(type, i) / 2;
      if (can_be_full_) head(asks_.begin + limit_ - 1, y) = full == 1 ? 1 : -1;
      bias(0, y) = full == 1 ? -1 : 0;
    }
}

DyckConstruction::DyckConstruction(Purpose purpose, Config config)
    : purpose_(std::move(purpose)), temperature_(config.temperature) {
  int exponent = 0;
  if (!(temperature_ >= 2 && temperature_ <= 16) || std::frexp(temperature_, &exponent) != 0.5)
    throw Error(ErrorKind::spec, "the temperature must be 2, 4, 8 or 16",
                purpose_.construction + "/temperature", "take 4");
}

std::optional<Claim> DyckConstruction::claim(const ConstructionRequest& request) const {
  if (read_config<DyckParameters>(request.task_config, task()).mode != purpose_.mode)
    return std::nullopt;
  const auto circuit = DyckCircuit::plan(request, temperature_);
  if (!circuit || !(circuit->margin() > 0.25)) return std::nullopt;
  return Claim{.task = task(),
               .task_config = request.task_config,
               .length = request.length,
               .margin = std::min(circuit->margin(), 0.5),
               .arithmetic = request.arithmetic,
               .theorem = purpose_.theorem};
}

Built DyckConstruction::build(const ConstructionRequest& request,
                              const Registry<Block>& blocks) const {
  return DyckCircuit::plan(request, temperature_)->build(blocks);
}

}  // namespace separatrix

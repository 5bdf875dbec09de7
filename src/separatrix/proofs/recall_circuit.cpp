#include "separatrix/proofs/recall_circuit.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "separatrix/proofs/symbol_code.h"

namespace separatrix {
namespace {

constexpr double kStep = 4;        // of the score from one index to the next
constexpr double kClear = 32;      // what is stored is at least so far above what is not
constexpr int kDigitBits = 4;      // of the index in 16-bit formats
constexpr double kExact = 0x1p24;  // whole numbers up to here are exact in float32

double power_of_two_from(double x) { return std::exp2(std::ceil(std::log2(x))); }
int log2_of(double power) { return std::ilogb(power); }

}  // namespace

RecallCircuit::RecallCircuit(Design design)
    : design_(std::move(design)),
      digit_bits_(is_emulated(design_.arithmetic) ? kDigitBits : 24),
      step_(design_.tie == 0 ? 0 : kStep),
      near_(design_.tie == 0 ? (design_.absence ? 8 : 4)
                             : step_ * double(std::bit_ceil(std::uint64_t(design_.n_stored + 1)))),
      stored_score_(power_of_two_from(near_ * double(design_.key_width) +
                                      step_ * double(design_.n_stored) + kClear)),
      circuit_(lay_out()) {
  const Slots& s = slots_;
  Head look_up;
  look_up.match(s.looks_at, s.address, design_.temperature);
  look_up.copy(s.key, s.found);
  circuit_.attention({look_up});

  // positive = relu(found) is exactly 0 or more than 1/2; with b = stored, or 0 at the null,
  // stored_key = b - 2 relu(b - 2 positive) is exactly +-1, and 0 where there is no key.
  Unit bound{.in = {{s.stored.begin, 1}}, .bias = 0, .out = {}};
  if (design_.absence) bound.in.push_back({s.null.begin, -1});
  std::vector<Unit> halves, exact = {bound};
  for (Index i = 0; i < design_.key_width; ++i) {
    const Index positive = s.positive.begin + i, key = s.stored_key.begin + i;
    halves.push_back({.in = {{s.found.begin + i, 1}}, .bias = 0, .out = {{positive, 1}}});
    exact[0].out.push_back({key, 1});
    Unit unit = bound;
    unit.in.push_back({positive, -2});
    unit.out = {{key, -2}};
    exact.push_back(std::move(unit));
  }
  circuit_.mlp(std::move(halves));
  circuit_.mlp(std::move(exact));

  Head nearest;
  for (Index i = 0; i < design_.key_width; ++i)
    nearest.score(s.key.begin + i, s.stored_key.begin + i, log2_of(near_));
  nearest.score(s.one.begin, s.stored.begin, log2_of(stored_score_));
  for (Index e = 0; e < n_digits(); ++e)
    nearest.score(s.one.begin, s.index.begin + e, log2_of(step_) + int(e) * digit_bits_,
                  design_.tie);
  if (design_.absence) {  // half-way between a match and the nearest that is none
    nearest.score(s.one.begin, s.null.begin, log2_of(near_), double(design_.key_width - 1));
    nearest.copy(s.null, s.none);
  }
  nearest.copy(s.value, s.answer);
  circuit_.attention({nearest});
}

Index RecallCircuit::n_digits() const {
  if (design_.tie == 0) return 0;
  return (code_bits(design_.n_stored + 1) + digit_bits_ - 1) / digit_bits_;
}

Stream RecallCircuit::lay_out() {
  Stream stream;
  const Index L = code_bits(design_.size.n_tokens);
  slots_.key = stream.add("key", design_.key_width, Slot::Code::signs);
  slots_.value = design_.value_width == 0
                     ? slots_.key
                     : stream.add("value", design_.value_width, Slot::Code::signs);
  slots_.stored = stream.add("stored");
  if (design_.absence) slots_.null = stream.add("null");
  slots_.one = stream.add("one");
  slots_.address = stream.add("address", L, Slot::Code::signs);
  slots_.looks_at = stream.add("looks at", L, Slot::Code::signs);
  slots_.found = stream.add("found", design_.key_width, Slot::Code::signs);
  slots_.positive = stream.add("positive", design_.key_width, Slot::Code::bits);
  if (design_.tie != 0) slots_.index = stream.add("index", n_digits());
  slots_.stored_key = stream.add("stored key", design_.key_width, Slot::Code::signs);
  slots_.answer = stream.add("answer", slots_.value.width, Slot::Code::signs);
  if (design_.absence) slots_.none = stream.add("none");
  return stream;
}

bool RecallCircuit::scores_are_exact() const {
  const double largest =
      near_ * double(2 * design_.key_width) + stored_score_ + step_ * double(design_.n_stored);
  return largest < kExact * (design_.tie == 0 ? near_ : step_);
}

Roundings RecallCircuit::rounded() const {
  return {design_.arithmetic, design_.size.n_tokens, circuit_.stream().width()};
}

double RecallCircuit::leak() const {
  const double n = double(design_.n_stored), d = double(design_.key_width);
  // Keys in 1, 2, .. digits further away: all of them without ties; with ties, each of the others.
  double others = std::expm1(d * std::log1p(std::exp(-2 * near_)));
  double ties = 0;
  if (design_.tie != 0) {
    ties = 1 / std::expm1(step_);
    others = n * std::exp(step_ * n - 2 * near_);
  }
  const double unstored = double(design_.size.n_tokens) * std::exp(-kClear);
  double leak = ties + others + unstored;
  if (design_.absence) {
    const double present = leak + std::exp(-near_);
    const double nearest =
        design_.tie == 0 ? std::exp(near_) * others : std::exp(-2 * step_) / -std::expm1(-step_);
    leak = std::max(present, nearest + unstored);
  }
  return leak;
}

double RecallCircuit::digit() const {
  require_fits(design_.construction, circuit_.n_parameters(design_.size));
  const double address = address_leak(design_.temperature, code_bits(design_.size.n_tokens));
  const double found = 2 * address / (1 + address) + rounded().average();
  const double spare = 0.5 - found - rounded().affine(3, 1);
  if (spare <= 0) return spare;
  return (1 - leak()) / (1 + leak()) - rounded().average();
}

Weights RecallCircuit::weights(const Registry<Block>& blocks,
                               const std::function<std::optional<Index>(Index)>& source) const {
  Weights w = circuit_.weights(design_.size, blocks);
  const Table positions(w, "positions", w.spec.d_model);
  Index index = 0;
  for (Index t = 0; t < design_.size.n_tokens; ++t) {
    const std::optional<Index> from = source(t);
    positions(t, slots_.one.begin) = 1;
    positions.write(t, slots_.address, t);
    positions.write(t, slots_.looks_at, from.value_or(t));
    if (!from) continue;
    positions(t, slots_.stored.begin) = 1;
    for (Index e = 0; e < n_digits(); ++e)
      positions(t, slots_.index.begin + e) =
          float(index >> (e * digit_bits_) & ((Index{1} << digit_bits_) - 1));
    ++index;
  }
  if (design_.absence) positions(0, slots_.null.begin) = positions(0, slots_.stored.begin) = 1;
  return w;
}

void write_value_head(Weights& w, const Slot& answer, Index first_class, Index n_values) {
  const Table head(w, "head", w.spec.n_classes);
  for (Index v = 0; v < n_values; ++v)
    for (Index i = 0; i < answer.width; ++i)
      head(answer.begin + i, first_class + v) = code_sign(v, i) / 2;
}

}  // namespace separatrix

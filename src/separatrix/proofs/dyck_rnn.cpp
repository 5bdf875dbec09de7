#include "separatrix/proofs/bit_register.h"
#include "separatrix/proofs/symbol_code.h"
#include "separatrix/proofs/task_parameters.h"
#include "separatrix/tasks/task.h"

namespace separatrix {
namespace {

struct DyckRnnConfig {};
template <class V>
void visit(V&, DyckRnnConfig&) {}

/// Where the units are. An entry of the stack has b = 1 + ceil(log2 types) bits: bit 0 says that it
/// is there, the others spell its type. Entry j (0 = innermost) after a token is the sum of
/// `pushed` (it came one down) and `popped` (one up), of which one is always empty.
struct Layout {
  Index k = 0, b = 0;
  bool flags = false;

  explicit Layout(const DyckParameters& p)
      : k(p.depth), b(p.types == 1 ? 1 : 1 + code_bits(p.types)), flags(p.recognition()) {}
  Index pushed(Index j, Index i) const { return j * b + i; }
  /// j < k - 1: nothing is below the outermost entry.
  Index popped(Index j, Index i) const { return (k + j) * b + i; }
  // Set once and for all by: a closing bracket whose code is below that of the innermost entry (and
  // EOS while an entry is left); one whose code is above it; an opening bracket when k are open.
  Index below() const { return (2 * k - 1) * b; }
  Index above() const { return below() + 1; }
  Index overflow() const { return below() + 2; }
  Index units() const { return (2 * k - 1) * b + (flags ? 3 : 0); }

  /// sum of entry j's bit i = sum over these units.
  std::vector<Index> entry(Index j, Index i) const {
    if (j == k - 1) return {pushed(j, i)};
    return {pushed(j, i), popped(j, i)};
  }
};

/// A stack of k entries in 0/1 units; docs/theory.md, "Bounded Dyck, recurrent".
class DyckRnn final : public Construction {
 public:
  using Config = DyckRnnConfig;
  explicit DyckRnn(const Config&) {}

  std::string task() const override { return "bounded-dyck"; }
  ModelClass model_class() const override { return ModelClass::recurrent; }

  std::optional<Claim> claim(const ConstructionRequest& request) const override {
    const auto p = read_config<DyckParameters>(request.task_config, task());
    const Layout at(p);
    // The largest weight is a power of two; it leaves the range of float16 beyond 2^13 types.
    if (request.arithmetic != Arithmetic::real &&
        !is_representable(request.arithmetic, power_of_two(at.b + 1)))
      return std::nullopt;
    BitRegister::require_fitting("dyck-rnn", at.units(), 2 * p.types + 2, 2 * p.types + 1);
    return Claim{.task = task(),
                 .task_config = request.task_config,
                 .length = request.length,
                 .margin = p.recognition() ? 1.0 : 2.0,
                 .arithmetic = request.arithmetic,
                 .theorem = "hewitt2020 (docs/theory.md, Bounded Dyck, recurrent)"};
  }

  Built build(const ConstructionRequest& request, const Registry<Block>& blocks) const override {
    const auto p = read_config<DyckParameters>(request.task_config, task());
    const Layout at(p);
    BitRegister net(at.units(),
                    {.vocab_size = 2 * p.types + 2,
                     .n_classes = p.recognition() ? 2 : 1 + 2 * p.types,
                     .n_tokens = request.length + 2,
                     .reference = {}},
                    blocks);
    write_stack(net, at, p.types);
    if (at.flags) {
      write_flags(net, at, p.types);
      read_verdict(net, at);
    } else {
      read_top(net, at, p.types);
    }
    std::vector<Slot> slots;
    for (Index j = 0; j < at.k; ++j)
      slots.push_back(
          {"entry " + std::to_string(j) + ", pushed", at.pushed(j, 0), at.b, Slot::Code::bits});
    for (Index j = 0; j + 1 < at.k; ++j)
      slots.push_back(
          {"entry " + std::to_string(j) + ", popped", at.popped(j, 0), at.b, Slot::Code::bits});
    if (at.flags) slots.push_back({"mistakes", at.below(), 3, Slot::Code::number});
    return std::move(net).finish(std::move(slots));
  }

 private:
  static Index code(Index type, Index i) { return i == 0 ? 1 : type >> (i - 1) & 1; }

  static void write_stack(BitRegister& net, const Layout& at, Index types) {
    const Index tokens = 2 * types + 2;
    for (Index i = 0; i < at.b; ++i) {
      // An opening bracket brings its code, a closing one minus its code: no unit of the stack, but
      // the flags read it.
      for (Index type = 0; type < types; ++type) {
        net.drive(type, at.pushed(0, i), double(code(type, i)));
        net.drive(types + type, at.pushed(0, i), -double(code(type, i)));
      }
      for (Index token = 0; token < tokens; ++token) {
        const bool opens = token < types, closes = !opens && token < 2 * types;
        for (Index j = 1; j < at.k && !opens; ++j) net.drive(token, at.pushed(j, i), -1);
        for (Index j = 0; j + 1 < at.k && !closes; ++j) net.drive(token, at.popped(j, i), -1);
      }
      for (Index j = 1; j < at.k; ++j)
        for (const Index from : at.entry(j - 1, i)) net.connect(from, at.pushed(j, i), 1);
      for (Index j = 0; j + 1 < at.k; ++j)
        for (const Index from : at.entry(j + 1, i)) net.connect(from, at.popped(j, i), 1);
    }
  }

  /// Codes are compared as numbers, sum of 2^i times bit i, all below 2^b.
  static void write_flags(BitRegister& net, const Layout& at, Index types) {
    const Index below = at.below(), above = at.above(), overflow = at.overflow();
    const double keep = power_of_two(at.b + 1);  // outweighs two codes
    net.connect(below, below, keep);
    net.connect(above, above, keep);
    net.connect(overflow, overflow, 2);
    for (Index i = 0; i < at.b; ++i) {
      for (const Index top : at.entry(0, i)) {
        net.connect(top, below, power_of_two(i));
        net.connect(top, above, -power_of_two(i));
      }
      net.spread(at.pushed(0, i), below, power_of_two(i));
      net.spread(at.pushed(0, i), above, -power_of_two(i));
    }
    for (const Index last : at.entry(at.k - 1, 0)) net.connect(last, overflow, 1);
    for (Token token = 0; token < 2 * types + 2; ++token) {
      const bool opens = token < types;
      if (opens)
        net.drive(token, below, -keep);  // its own code is positive: no mistake of this kind
      else
        net.drive(token, overflow, -1);
    }
  }

  /// rejected: 2 (mistakes) - 1; accepted: 0.
  static void read_verdict(BitRegister& net, const Layout& at) {
    for (const Index flag : {at.below(), at.above(), at.overflow()}) net.read(flag, 0, 2);
    net.read_bias(0, -1);
  }

  /// Class 1 + 2 type + full: sum over the digits of type and full of +-(2 bit - 1), which is b at
  /// the right class (no entry looks like type 0, not full) and at most b - 2 at others; class 0,
  /// empty: b + 2 - 4 occupied.
  static void read_top(BitRegister& net, const Layout& at, Index types) {
    const auto agree = [&](const std::vector<Index>& units, Index target, bool digit) {
      for (const Index unit : units) net.read(unit, target, digit ? 2 : -2);
      net.read_bias(target, digit ? -1 : 1);
    };
    for (Index type = 0; type < types; ++type)
      for (const bool full : {false, true}) {
        const Index target = 1 + 2 * type + (full ? 1 : 0);
        for (Index i = 1; i < at.b; ++i) agree(at.entry(0, i), target, code(type, i) != 0);
        agree(at.entry(at.k - 1, 0), target, full);
      }
    for (const Index unit : at.entry(0, 0)) net.read(unit, 0, -4);
    net.read_bias(0, double(at.b + 2));
  }
};

}  // namespace

void register_dyck_rnn(Registry<Construction>& constructions) {
  constructions.add<DyckRnn>("dyck-rnn", "recurrent stack of bounded depth, for every length");
}

}  // namespace separatrix

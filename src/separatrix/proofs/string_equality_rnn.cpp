#include "separatrix/proofs/bit_register.h"
#include "separatrix/proofs/symbol_code.h"
#include "separatrix/proofs/task_parameters.h"
#include "separatrix/tasks/task.h"

namespace separatrix {
namespace {

struct StringEqualityRnnConfig {};
template <class V>
void visit(V&, StringEqualityRnnConfig&) {}

/// Where the units are that compare a symbol kept with the token a, as numbers V = sum 2^i digit i:
/// greater = [V(kept) > V(a)], less = [V(kept) < V(a)]. The embedding holds the digits of a at the
/// units from `digits` on.
struct Comparison {
  Index b = 1;  ///< digits of a symbol
  Index digits = 0, greater = 0, less = 0;
};

void write_comparison(BitRegister& net, const Comparison& c, Index q,
                      const std::vector<std::pair<Index, double>>& kept) {
  for (Index i = 0; i < c.b; ++i) {
    for (Index s = 0; s < q; ++s) net.drive(s, c.digits + i, double(s >> i & 1));
    net.spread(c.digits + i, c.greater, -power_of_two(i));
    if (c.digits + i != c.less) net.spread(c.digits + i, c.less, power_of_two(i));
  }
  for (const auto& [unit, value] : kept) {
    net.connect(unit, c.greater, value);
    net.connect(unit, c.less, -value);
  }
}

/// Units from `begin` on that spell a symbol.
std::vector<std::pair<Index, double>> number(Index begin, Index b) {
  std::vector<std::pair<Index, double>> out;
  for (Index i = 0; i < b; ++i) out.emplace_back(begin + i, power_of_two(i));
  return out;
}

/// What is written into the layer: where its parts are, and how many units it has.
struct Plan {
  Comparison compare;
  Index n = 0;  ///< symbols of a string
  bool interleaved = false;
  Index units = 0;

  Plan(const EqualityParameters& p, Index length)
      : n(length / 2), interleaved(p.layout == "interleaved") {
    const Index b = compare.b = code_bits(p.alphabet);
    const Index ring = interleaved ? 0 : (n - 1) * b;
    compare.digits = ring;
    // A single digit is driven at `less` itself, which takes it in; several at units of their own.
    const Index own = interleaved || b > 1 ? b : 0;
    compare.greater = ring + own;
    compare.less = ring + own + 1;
    if (own == 0) compare.digits = compare.less;
    units = ring + own + 2 + (interleaved ? 1 : 0);
  }
  Index second() const { return units - 1; }  ///< interleaved: 1 when a symbol waits
};

/// A ring that holds n symbols, n - 1 of them in slots. The last is in the stage where the oldest
/// symbol h meets the token a: greater, less and, for b > 1, `either`, their digits or-ed. What
/// leaves it for slot 0 is `either` if h and a differ, else 0: while the ring is empty (h = 0)
/// that is a itself; later 0 for each pair that agrees. So at EOS all is 0 iff x = y.
void write_ring(BitRegister& net, const Plan& plan, Index q) {
  const Comparison& c = plan.compare;
  const Index b = c.b, slots = plan.n - 1, oldest = (slots - 1) * b;
  if (slots == 0) {  // b = 1: the symbol in the stage is greater + less
    write_comparison(net, c, q, {{c.greater, 1}, {c.less, 1}});
    return;
  }
  write_comparison(net, c, q, number(oldest, b));
  for (Index i = 0; i < b; ++i) {
    net.connect(c.greater, i, 1);
    net.connect(c.less, i, 1);
    for (Index j = 1; j < slots; ++j) net.connect((j - 1) * b + i, j * b + i, 1);
    if (b == 1) continue;
    net.connect(oldest + i, c.digits + i, 1);
    net.connect(c.digits + i, i, 1);
    net.bias(i, -1);
  }
}

/// n = 1 and b > 1: x, y, EOS. `less` after x says that x is not 0. `kept` takes in a symbol while
/// nothing is set, so after y it is y if x = 0, else 0. `greater` needs something set, so it is
/// 0 after x; at EOS it gathers whatever is set: y > x = 0 is in `kept`.
void write_single(BitRegister& net, const Plan& plan, Index q) {
  const Comparison& c = plan.compare;
  write_comparison(net, c, q, number(c.digits, c.b));
  for (Index i = 0; i < c.b; ++i) {
    net.connect(c.greater, c.digits + i, -1);
    net.connect(c.less, c.digits + i, -1);
  }
  const double any = power_of_two(c.b);
  net.connect(c.greater, c.greater, any);
  net.connect(c.less, c.greater, any);
  for (Index s = 0; s < q; ++s) net.drive(s, c.greater, -any);
}

/// A symbol of x waits for its partner; `second` says whether one does. Comparisons with a
/// difference stay.
void write_interleaved(BitRegister& net, const Plan& plan, Index q) {
  const Comparison& c = plan.compare;
  write_comparison(net, c, q, number(c.digits, c.b));
  for (Index i = 0; i < c.b; ++i) net.connect(plan.second(), c.digits + i, -1);
  net.bias(plan.second(), 1);
  net.connect(plan.second(), plan.second(), -1);
  const double stay = power_of_two(c.b);  // above every symbol
  net.connect(c.greater, c.greater, stay);
  // While none waits, the symbol kept is 0 and a is `greater` than it: not a difference.
  net.bias(c.less, -stay);
  net.connect(plan.second(), c.less, stay);
  net.connect(c.less, c.less, 2 * stay);
}

class StringEqualityRnn final : public Construction {
 public:
  using Config = StringEqualityRnnConfig;
  explicit StringEqualityRnn(const Config&) {}

  std::string task() const override { return "string-equality"; }
  ModelClass model_class() const override { return ModelClass::recurrent; }

  std::optional<Claim> claim(const ConstructionRequest& request) const override {
    const auto p = read_config<EqualityParameters>(request.task_config, task());
    const Plan plan(p, request.length);
    // All weights are powers of two up to this one, which leaves float16 beyond 2^14 symbols.
    if (request.arithmetic != Arithmetic::real &&
        !is_representable(request.arithmetic, power_of_two(plan.compare.b + 1)))
      return std::nullopt;
    BitRegister::require_fitting("string-equality-rnn", plan.units, p.alphabet + 1, 2);
    return Claim{.task = task(),
                 .task_config = request.task_config,
                 .length = request.length,
                 .margin = 1,
                 .arithmetic = request.arithmetic,
                 .theorem = "docs/theory.md, Equality and disjointness, recurrent"};
  }

  Built build(const ConstructionRequest& request, const Registry<Block>& blocks) const override {
    const auto p = read_config<EqualityParameters>(request.task_config, task());
    const Plan plan(p, request.length);
    const Comparison& c = plan.compare;
    BitRegister net(plan.units,
                    {.vocab_size = p.alphabet + 1,
                     .n_classes = 2,
                     .n_tokens = request.length + 1,
                     .reference = {}},
                    blocks);
    std::vector<Index> clash{c.greater};
    std::vector<Slot> slots;
    if (plan.interleaved) {
      write_interleaved(net, plan, p.alphabet);
      clash.push_back(c.less);
      slots = {{"waiting symbol", c.digits, c.b, Slot::Code::bits},
               {"a symbol waits", plan.second(), 1, Slot::Code::number}};
    } else if (plan.n == 1 && c.b > 1) {
      write_single(net, plan, p.alphabet);
      slots = {{"symbol", c.digits, c.b, Slot::Code::bits}};
    } else {
      write_ring(net, plan, p.alphabet);
      for (Index u = 0; u < (plan.n - 1) * c.b; ++u) clash.push_back(u);
      for (Index j = 0; j + 1 < plan.n; ++j)
        slots.push_back({"symbol " + std::to_string(j), j * c.b, c.b, Slot::Code::bits});
      if (c.b > 1) slots.push_back({"either", c.digits, c.b, Slot::Code::bits});
    }
    slots.push_back({"greater", c.greater, 1, Slot::Code::number});
    slots.push_back({"less", c.less, 1, Slot::Code::number});
    net.read_any(clash, 0);
    return std::move(net).finish(std::move(slots));
  }
};

}  // namespace

void register_string_equality_rnn(Registry<Construction>& constructions) {
  constructions.add<StringEqualityRnn>("string-equality-rnn",
                                       "recurrent register that compares as it reads");
}

}  // namespace separatrix

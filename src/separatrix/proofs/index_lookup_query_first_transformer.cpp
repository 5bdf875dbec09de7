#include <cmath>

#include "separatrix/proofs/address_construction.h"
#include "separatrix/proofs/circuit.h"
#include "separatrix/proofs/guarantee.h"
#include "separatrix/proofs/symbol_code.h"
#include "separatrix/proofs/task_parameters.h"

namespace separatrix {
namespace {

constexpr const char* kName = "index-lookup-query-first-transformer";
constexpr int kLog2Sharp = 5;  ///< score of the first position in layer 1: 2^5

/// Two layers: every position fetches the query's address from the first one, an MLP makes its
/// digits exact again, and the second layer looks the address up. docs/theory.md, "Index lookup".
///
///     p   s_0   s_1 .... s_p .... s_{N-1}
///     |----------- address ---------> |
///                         ^-- looks --|
class IndexLookupQueryFirstTransformer final : public AddressConstruction {
 public:
  explicit IndexLookupQueryFirstTransformer(Config config)
      : AddressConstruction({.construction = kName,
                             .task = "index-lookup",
                             .theorem = "bhattamishra2024 (docs/theory.md, Index lookup)"},
                            config) {}

  std::optional<Claim> claim(const ConstructionRequest& request) const override {
    const auto read = read_config<LookupParameters>(request.task_config, task());
    if (read.query != "first" || read.alphabet < 1 || request.length < 1) return std::nullopt;
    const Plan plan = plan_for(request);
    require_fits(kName, plan.circuit.n_parameters(plan.size));
    const Roundings rounded{request.arithmetic, plan.size.n_tokens, plan.circuit.stream().width()};
    const Index L = plan.address.width;
    const double others = double(request.length) * std::exp(-std::exp2(kLog2Sharp));
    const double fetched = 2 * others + rounded.average();
    double margin = 0.5 - fetched - rounded.affine(3, 1);  // digits stay clear of 0
    if (margin > 0) {
      // The first position has no address: its score is 0, the right one's is c L.
      const double leak = address_leak(temperature(), L) + std::exp(-temperature() * double(L));
      const double digit = (1 - leak) / (1 + leak) - rounded.average();
      const double size = double(plan.symbol.width) / 2;
      margin = digit - 2 * rounded.affine(2 * size, size);
    }
    return claim_margin(request, margin);
  }

  Built build(const ConstructionRequest& request, const Registry<Block>& blocks) const override {
    const Plan plan = plan_for(request);
    Weights w = plan.circuit.weights(plan.size, blocks);
    const Index q = plan.size.n_classes;
    const Table tokens(w, "embedding", w.spec.d_model), positions(w, "positions", w.spec.d_model);
    const Table head(w, "head", q);
    for (Index s = 0; s < q; ++s) tokens.write(s, plan.symbol, s);
    for (Index p = 0; p < request.length; ++p) tokens.write(q + p, plan.asked, p);
    for (Index t = 0; t <= request.length; ++t) positions(t, plan.one.begin) = 1;
    positions(0, plan.first.begin) = 1;
    for (Index j = 0; j < request.length; ++j) positions.write(j + 1, plan.address, j);
    for (Index s = 0; s < q; ++s)
      for (Index i = 0; i < plan.answer.width; ++i)
        head(plan.answer.begin + i, s) = code_sign(s, i) / 2;
    return {.weights = std::move(w),
            .slots = plan.circuit.stream().slots(),
            .temperature = temperature()};
  }

 private:
  struct Plan {
    Slot symbol, one, first, address, asked, fetched, positive, exact, answer;
    Circuit::Size size;
    Circuit circuit;
  };
  Plan plan_for(const ConstructionRequest& request) const {
    const Index q = read_config<LookupParameters>(request.task_config, task()).alphabet;
    const Index L = code_bits(request.length), Ls = code_bits(q);
    Stream stream;
    const Slot symbol = stream.add("symbol", Ls, Slot::Code::signs), one = stream.add("one"),
               first = stream.add("first"), address = stream.add("address", L, Slot::Code::signs),
               asked = stream.add("asked", L, Slot::Code::signs),
               fetched = stream.add("fetched", L, Slot::Code::signs),
               positive = stream.add("positive", L, Slot::Code::bits),
               exact = stream.add("looks at", L, Slot::Code::signs),
               answer = stream.add("answer", Ls, Slot::Code::signs);
    Circuit circuit(std::move(stream));
    Head fetch;
    fetch.score(one.begin, first.begin, kLog2Sharp);
    fetch.copy(asked, fetched);
    circuit.attention({fetch});

    // positive = relu(fetched) is exactly 0 or more than 1/2, so 1 - 2 relu(1 - 2 positive) is
    // exactly -1 or +1.
    std::vector<Unit> halves, whole = {Unit{.in = {{one.begin, 1}}, .bias = 0, .out = {}}};
    for (Index i = 0; i < L; ++i) {
      const Index half = positive.begin + i, digit = exact.begin + i;
      halves.push_back({.in = {{fetched.begin + i, 1}}, .bias = 0, .out = {{half, 1}}});
      whole[0].out.push_back({digit, 1});
      whole.push_back({.in = {{one.begin, 1}, {half, -2}}, .bias = 0, .out = {{digit, -2}}});
    }
    circuit.mlp(std::move(halves));
    circuit.mlp(std::move(whole));

    Head look;
    look.match(exact, address, temperature());
    look.copy(symbol, answer);
    circuit.attention({look});
    return {symbol,
            one,
            first,
            address,
            asked,
            fetched,
            positive,
            exact,
            answer,
            {q + request.length, q, request.length + 1},
            std::move(circuit)};
  }
};

}  // namespace

void register_index_lookup_query_first_transformer(Registry<Construction>& constructions) {
  constructions.add<IndexLookupQueryFirstTransformer>(
      kName, "two layers: fetch the address from the query, then look it up");
}

}  // namespace separatrix

#include <algorithm>
#include <bit>
#include <cmath>

#include "separatrix/proofs/address_construction.h"
#include "separatrix/proofs/circuit.h"
#include "separatrix/proofs/guarantee.h"
#include "separatrix/proofs/symbol_code.h"
#include "separatrix/tasks/features.h"

namespace separatrix {
namespace {

constexpr const char* kName = "sparse-features-transformer";
constexpr double kFarBelow = 128;  // e^-128 is 0 in float32

/// How the number m of features that hold decides.
enum class Rule {
  any,    ///< g(0) differs from all the others: is there one?
  all,    ///< g(M) differs from all the others: is there one that does not hold?
  count,  ///< otherwise
};
Rule rule_of(const std::vector<bool>& g) {
  const auto constant = [](auto first, auto last) {
    return std::all_of(first, last, [&](bool b) { return b == *first; });
  };
  if (g.front() != g.back() && constant(g.begin() + 1, g.end())) return Rule::any;
  if (g.front() != g.back() && constant(g.begin(), g.end() - 1)) return Rule::all;
  return Rule::count;
}

/// A piecewise linear function of a whole number, written outwards from the middle so that few
/// large numbers cancel: value + sum of weight relu(sign (m - at)).
struct Kink {
  double sign = 1;
  Index at = 0;
  double weight = 0;
};
struct Interpolation {
  Index middle = 0;
  double value = 0;
  std::vector<Kink> kinks;
  double largest = 0;  ///< sum of |weight| relu at 0 or M, whichever is more
};
Interpolation interpolate(const std::vector<bool>& g) {
  const Index M = Index(g.size()) - 1, middle = M / 2;
  const auto slope = [&](Index t) {  // from t to t + 1
    return t < 0 || t >= M ? 0.0 : double(g[std::size_t(t + 1)]) - double(g[std::size_t(t)]);
  };
  Interpolation out{.middle = middle, .value = double(g[std::size_t(middle)]), .kinks = {}};
  const auto add = [&](double sign, Index at, double weight) {
    if (weight != 0) out.kinks.push_back({sign, at, weight});
  };
  double right = 0, left = 0;
  for (Index t = middle; t < M; ++t) {
    const double weight = slope(t) - (t == middle ? 0 : slope(t - 1));
    add(1, t, weight);
    right += std::abs(weight) * double(M - t);
  }
  for (Index t = middle; t > 0; --t) {
    const double weight = (t == middle ? 0 : slope(t)) - slope(t - 1);
    add(-1, t, weight);
    left += std::abs(weight) * double(t);
  }
  out.largest = std::max(right, left);
  return out;
}

/// Where everything stands. Feature r is worked out at position r mod hosts, as number r / hosts
/// there.
struct Plan {
  SparseFeatures features;
  Rule rule;
  Interpolation g;
  Index n_tokens, L, arity = 0, hosts, per_host;
  /// Of Rule::count: the average is over a power of two of positions, which makes the count exact.
  /// Otherwise it is over all, and its error small enough.
  bool windowed = false;
  Slot bit, address, flag, end, answer;
  std::vector<Slot> looks_at, found, table, holds;  ///< [per_host arity], [per_host] ..
  Slot window, value;                               ///< Rule::count only

  Plan(SparseFeatures read, const ConstructionRequest& request)
      : features(std::move(read)),
        rule(rule_of(features.values)),
        g(interpolate(features.values)),
        n_tokens(request.length + 1),
        L(code_bits(n_tokens)) {
    for (const auto& feature : features.features)
      arity = std::max(arity, Index(feature.positions.size()));
    spread(n_tokens);
    windowed = rule == Rule::count && !average_tells(request.arithmetic);
    const auto M = std::uint64_t(features.size());
    if (windowed)
      spread(Index(std::min(std::bit_floor(std::uint64_t(n_tokens)), std::bit_ceil(M))));
  }
  void spread(Index over) {
    hosts = over;
    per_host = (features.size() + hosts - 1) / hosts;
  }
  /// Whether g can be read off n_tokens times a rounded average of all positions.
  bool average_tells(Arithmetic arithmetic) const {
    if (!is_representable(arithmetic, double(n_tokens))) return false;
    const double M = double(features.size()), kinks = double(g.kinks.size());
    const Roundings rounded{arithmetic, n_tokens, Index(width())};
    // Of the count; of each hidden unit; of their sum.
    const double loss = M * rounded.average() + 16 * M * kinks * 0x1p-24 +
                        rounded.affine(g.largest, g.largest) + g.largest * kinks * 0x1p-24;
    return loss <= 0.125;
  }
  Index rows() const { return Index{1} << arity; }
  double width() const {
    return double(L + 6) + double(per_host) * double(arity * (L + 1) + rows() + 1);
  }
  Stream lay_out() {
    Stream stream;
    bit = stream.add("bit", 1, Slot::Code::signs);
    address = stream.add("address", L, Slot::Code::signs);
    for (Index r = 0; r < per_host; ++r) {
      const std::string feature = per_host == 1 ? "" : " of feature " + std::to_string(r);
      for (Index j = 0; j < arity; ++j)
        looks_at.push_back(
            stream.add("looks at " + std::to_string(j) + feature, L, Slot::Code::signs));
      table.push_back(stream.add("table" + feature, rows(), Slot::Code::bits));
      found.push_back(stream.add("found" + feature, arity));
      if (rule == Rule::count) holds.push_back(stream.add("holds" + feature));
    }
    flag = stream.add(rule == Rule::count ? "number here" : "flag");
    end = stream.add("end");
    answer = stream.add(rule == Rule::count ? windowed ? "number" : "mean" : "answer");
    if (rule == Rule::count) {
      if (windowed) window = stream.add("counted");
      value = stream.add("answer");
    }
    return stream;
  }
};

/// Layer 1: every position looks up the bits of its features, and an MLP with one unit for each row
/// of a truth table works them out. Layer 2: EOS looks for a flag (or, and) or counts them (all
/// other functions), and an MLP reads g off the count. docs/theory.md, "Two layers".
class FeatureCircuit {
 public:
  FeatureCircuit(const ConstructionRequest& request, double temperature)
      : request_(request),
        c_(temperature),
        plan_(read_checked(request), request),
        circuit_(checked_stream()) {
    std::vector<Head> heads(plan_.looks_at.size());
    for (Index h = 0; h < Index(heads.size()); ++h) {
      Slot to = plan_.found[std::size_t(h / plan_.arity)];
      to.begin += h % plan_.arity;
      heads[std::size_t(h)].match(plan_.looks_at[std::size_t(h)], plan_.address, c_);
      heads[std::size_t(h)].copy(plan_.bit, to);
    }
    circuit_.attention(std::move(heads), /*causal=*/false);
    circuit_.mlp(table_rows());
    if (plan_.rule == Rule::count) circuit_.mlp(snap());
    Head second;
    if (plan_.windowed) second.score(plan_.end.begin, plan_.window.begin, 0, kFarBelow);
    if (plan_.rule != Rule::count)
      second.score(plan_.end.begin, plan_.flag.begin, 0, alarm_temperature(plan_.n_tokens));
    second.copy(plan_.flag, plan_.answer,
                plan_.windowed ? std::countr_zero(std::uint64_t(plan_.hosts)) : 0);
    circuit_.attention({second});
    if (plan_.rule == Rule::count) circuit_.mlp(read_off());
  }

  /// nullopt when the count is not exact. Throws Error(spec) when the weights do not fit.
  std::optional<double> margin() const {
    require_fits(kName, circuit_.n_parameters(size()));
    if (plan_.windowed) {
      // The count, and sums of so many of its multiples, must be whole numbers that are held.
      const int digits =
          is_emulated(request_.arithmetic) ? number_format(request_.arithmetic).significant : 24;
      if (double(plan_.features.size()) > std::ldexp(1, digits) || plan_.g.largest >= 0x1p24)
        return std::nullopt;
    }
    return derived_margin();
  }

  Built build(const Registry<Block>& blocks) const {
    Weights w = circuit_.weights(size(), blocks);
    const Index D = w.spec.d_model;
    const Table tokens(w, "embedding", D), positions(w, "positions", D), head(w, "head", 2),
        bias(w, "head_bias", 2);
    tokens.write(0, plan_.bit, 0);
    tokens.write(1, plan_.bit, 1);
    tokens(2, plan_.end.begin) = 1;
    for (Index t = 0; t < plan_.n_tokens; ++t) {
      positions.write(t, plan_.address, t);
      for (const Slot& slot : plan_.looks_at) positions.write(t, slot, t);
      if (plan_.windowed && t < plan_.hosts) positions(t, plan_.window.begin) = 1;
    }
    for (Index r = 0; r < plan_.features.size(); ++r) write_feature(positions, r);
    const auto& g = plan_.features.values;
    const bool quiet = plan_.rule == Rule::any ? g.front() : plan_.rule == Rule::all && g.back();
    const Slot& read = plan_.rule == Rule::count ? plan_.value : plan_.answer;
    for (const Index label : {0, 1}) {
      const float sign = bool(label) == quiet ? -1 : 1;
      head(read.begin, label) = sign;
      bias(0, label) = -sign / 2;
    }
    return {.weights = std::move(w),
            .slots = circuit_.stream().slots(),
            .temperature = plan_.rule == Rule::count ? c_ : alarm_temperature(plan_.n_tokens)};
  }

 private:
  Circuit::Size size() const { return {3, 2, plan_.n_tokens}; }
  /// Before millions of features are written out for nothing.
  static SparseFeatures read_checked(const ConstructionRequest& request) {
    require_fits(kName, double(request.length) * double(2 * code_bits(request.length) + 8));
    return read_features(request.task_config, request.length);
  }
  Stream checked_stream() {
    require_fits(kName, plan_.width() * double(plan_.n_tokens + 2 * plan_.per_host * plan_.rows()));
    return plan_.lay_out();
  }

  /// Where a head has nothing to look up because its feature is smaller, it repeats the first
  /// position, and rows of the table in which the two differ never come up.
  void write_feature(const Table& positions, Index r) const {
    const auto& feature = plan_.features.features[std::size_t(r)];
    const Index host = r % plan_.hosts, k = Index(feature.positions.size());
    const auto g = std::size_t(r / plan_.hosts);
    for (Index j = 0; j < plan_.arity; ++j)
      positions.write(host, plan_.looks_at[g * std::size_t(plan_.arity) + std::size_t(j)],
                      feature.positions[std::size_t(j < k ? j : 0)]);
    const bool raise = plan_.rule != Rule::all;
    for (Index row = 0; row < plan_.rows(); ++row)
      if (feature.table[std::size_t(row >> (plan_.arity - k))] == raise)
        positions(host, plan_.table[g].begin + row) = 1;
  }

  /// relu(sum of +-found - (k - 1) + 2 (table - 1)) for every row: 1 where the bits are the row and
  /// the table has it, at most 0 elsewhere.
  std::vector<Unit> table_rows() const {
    std::vector<Unit> units;
    const Index k = plan_.arity;
    for (std::size_t g = 0; g < plan_.table.size(); ++g)
      for (Index row = 0; row < plan_.rows(); ++row) {
        const Slot& to = plan_.rule == Rule::count ? plan_.holds[g] : plan_.flag;
        Unit unit{.in = {{plan_.table[g].begin + row, 2}},
                  .bias = -double(k + 1),
                  .out = {{to.begin, 1}}};
        for (Index j = 0; j < k; ++j)
          unit.in.push_back({plan_.found[g].begin + j, double(code_sign(row, k - 1 - j))});
        units.push_back(std::move(unit));
      }
    return units;
  }
  /// number here = sum of 1 - relu(1 - 2 holds): exactly a whole number.
  std::vector<Unit> snap() const {
    std::vector<Unit> units = {
        {.in = {}, .bias = 1, .out = {{plan_.flag.begin, double(plan_.per_host)}}}};
    for (const Slot& holds : plan_.holds)
      units.push_back({.in = {{holds.begin, -2}}, .bias = 1, .out = {{plan_.flag.begin, -1}}});
    return units;
  }
  /// answer = g(number), where the number is what was averaged, times n_tokens if over all.
  std::vector<Unit> read_off() const {
    const Interpolation& g = plan_.g;
    const double factor = plan_.windowed ? 1 : double(plan_.n_tokens);
    std::vector<Unit> units = {{.in = {}, .bias = 1, .out = {{plan_.value.begin, g.value}}}};
    for (const Kink& kink : g.kinks)
      units.push_back({.in = {{plan_.answer.begin, kink.sign * factor}},
                       .bias = -kink.sign * double(kink.at),
                       .out = {{plan_.value.begin, kink.weight}}});
    return units;
  }

  double derived_margin() const {
    const Roundings rounded{request_.arithmetic, plan_.n_tokens, circuit_.stream().width()};
    const double leak = address_leak(c_, plan_.L), k = double(plan_.arity);
    const double found = 2 * leak / (1 + leak) + rounded.average();
    const double flag = 1 - k * found - rounded.affine(2 * k + 3, 2);
    if (plan_.rule != Rule::count) return alarm_margin(rounded, flag);
    // From 1/2 on, `holds` is snapped to 1, and what comes after it is exact or at most 1/8 off.
    const double spare = flag - 0.5 - rounded.affine(3, 1);
    return spare > 0 ? 0.75 - 2 * rounded.affine(2, 1) : spare;
  }

  ConstructionRequest request_;
  double c_;
  Plan plan_;
  Circuit circuit_;
};

/// Any symmetric function of features of up to 8 bits.
class SparseFeaturesTransformer final : public AddressConstruction {
 public:
  explicit SparseFeaturesTransformer(Config config)
      : AddressConstruction({.construction = kName,
                             .task = "sparse-features",
                             .theorem = "bhattamishra2024 (docs/theory.md, Two layers)"},
                            config) {}

  std::optional<Claim> claim(const ConstructionRequest& request) const override {
    const auto margin = FeatureCircuit(request, temperature()).margin();
    if (!margin) return std::nullopt;
    return claim_margin(request, *margin);
  }
  Built build(const ConstructionRequest& request, const Registry<Block>& blocks) const override {
    return FeatureCircuit(request, temperature()).build(blocks);
  }
};

}  // namespace

void register_sparse_features_transformer(Registry<Construction>& constructions) {
  constructions.add<SparseFeaturesTransformer>(
      kName, "two layers: work the features out, then or, and, or count");
}

}  // namespace separatrix

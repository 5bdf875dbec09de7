#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <set>

#include "separatrix/proofs/exact_sum.h"
#include "separatrix/proofs/one_layer.h"
#include "separatrix/proofs/recheck.h"

namespace separatrix {
namespace {

struct ExecutedConfig {};
template <class V>
void visit(V&, ExecutedConfig&) {}

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr Index kMaxTokens = 200'000'000;  ///< run in all
constexpr Index kBatchTokens = 1 << 15;

/// One output coordinate of the attention that a symbol can reach: out = x_in v o, one nonzero
/// weight each, so that the computed value is a monotone function of each symbol's x_in.
struct Wire {
  Index in = 0, out = 0;
};

/// Column `j` of m has at most one nonzero; its row, or -1 for none. nullopt for several.
std::optional<Index> only_row(const Matrix& m, Index j) {
  Index row = -1;
  for (Index i = 0; i < m.rows; ++i) {
    if (m(i, j) == 0) continue;
    if (row >= 0) return std::nullopt;
    row = i;
  }
  return row;
}

std::optional<std::vector<Wire>> find_wires(const OneLayer& m) {
  std::vector<Wire> wires;
  for (Index d = 0; d < m.D; ++d) {
    const auto value = only_row(m.o, d);
    if (!value) return std::nullopt;
    if (*value < 0) continue;
    const auto in = only_row(m.v, *value);
    if (!in) return std::nullopt;
    if (*in >= 0) wires.push_back({*in, d});
  }
  return wires;
}

/// The model with the identity as its head: its logits are the features that the head reads, bit
/// for bit (each is one product with 1 and exact zeros).
Weights expose_features(const Weights& weights, const Registry<Block>& blocks) {
  ModelSpec spec = weights.spec;
  spec.n_classes = spec.d_model;
  Weights out = zeros(spec, blocks);
  for (const ParamSpec& param : weights.params) {
    if (param.name == "head" || param.name == "head_bias") continue;
    const auto from = weights[param.name];
    std::copy(from.begin(), from.end(), out[param.name].begin());
  }
  const auto head = out["head"];
  for (Index d = 0; d < spec.d_model; ++d) head[std::size_t(d * spec.d_model + d)] = 1;
  return out;
}

/// An extremal input: symbol `target` at the position looked at, `rest` at all others.
struct Pair {
  std::size_t target = 0, rest = 0;
  bool operator<(const Pair& o) const {
    return std::pair(target, rest) < std::pair(o.target, o.rest);
  }
};

/// For each wire and each symbol at the position looked at, the two inputs at which the computed
/// coordinate is least and greatest. By monotone rounding, no other input is outside.
class Plan {
 public:
  Plan(const OneLayer& m, const LookupForm& form, const std::vector<Wire>& wires) {
    const std::size_t n = form.symbols.size();
    const auto x = [&](std::size_t s, Index d) { return m.embedding(form.symbols[s], d); };
    for (const Wire& wire : wires) {
      std::size_t least = 0, most = 0;
      for (std::size_t s = 0; s < n; ++s) {
        if (x(s, wire.in) < x(least, wire.in)) least = s;
        if (x(s, wire.in) > x(most, wire.in)) most = s;
      }
      ends_.push_back({least, most});
    }
    // Any symbol with the same coordinate serves; prefer pairs that are wanted already, and among
    // new ones the pair that is right for most wires: for complementary codes two pairs serve all.
    pair_.assign(wires.size(), std::vector<std::array<std::size_t, 2>>(n));
    const auto serves = [&](const Pair& pair, std::size_t w, std::size_t s, int end) {
      const Index d = wires[w].in;
      return x(pair.target, d) == x(s, d) && x(pair.rest, d) == x(ends_[w][std::size_t(end)], d);
    };
    for (std::size_t w = 0; w < wires.size(); ++w)
      for (std::size_t s = 0; s < n; ++s)
        for (int end = 0; end < 2; ++end) {
          auto found = std::find_if(pairs_.begin(), pairs_.end(),
                                    [&](const Pair& p) { return serves(p, w, s, end); });
          if (found == pairs_.end()) found = add_best(wires, n, w, s, end, serves);
          pair_[w][s][std::size_t(end)] = std::size_t(found - pairs_.begin());
        }
  }
  const std::vector<Pair>& pairs() const { return pairs_; }
  std::size_t pair(std::size_t wire, std::size_t symbol, int end) const {
    return pair_[wire][symbol][std::size_t(end)];
  }

 private:
  template <class Serves>
  std::vector<Pair>::iterator add_best(const std::vector<Wire>& wires, std::size_t n, std::size_t w,
                                       std::size_t s, int end, const Serves& serves) {
    Pair best{s, ends_[w][std::size_t(end)]};
    Index most = -1;
    for (std::size_t target = 0; target < n; ++target)
      for (std::size_t rest = 0; rest < n; ++rest) {
        const Pair pair{target, rest};
        if (!serves(pair, w, s, end)) continue;
        Index count = 0;
        for (std::size_t other = w; other < wires.size(); ++other)
          count += serves(pair, other, target, 0) || serves(pair, other, target, 1);
        if (count > most) {
          most = count;
          best = pair;
        }
      }
    pairs_.push_back(best);
    return pairs_.end() - 1;
  }

  std::vector<std::array<std::size_t, 2>> ends_;  ///< [wire]: symbols of least and greatest x
  std::vector<Pair> pairs_;
  std::vector<std::vector<std::array<std::size_t, 2>>> pair_;  ///< [wire][symbol][end]
};

/// Runs the trunk of the real model on extremal inputs.
class Runner {
 public:
  Runner(const Weights& weights, const Registry<Block>& blocks, const LookupForm& form)
      : weights_(expose_features(weights, blocks)), model_(weights_.spec, blocks), form_(form) {}

  /// Features of the asked row for each pair, [pairs][D].
  const std::vector<float>& features(std::size_t p, const std::vector<Pair>& pairs) {
    const Index T = form_.n + 1;
    batch_.resize(Index(pairs.size()), T);
    std::fill(batch_.targets.begin(), batch_.targets.end(), kIgnore);
    for (Index b = 0; b < batch_.B; ++b) {
      const auto tokens = batch_.row(b);
      std::fill(tokens.begin(), tokens.end(), form_.symbols[pairs[std::size_t(b)].rest]);
      tokens[std::size_t(form_.position[p])] = form_.symbols[pairs[std::size_t(b)].target];
      tokens.back() = form_.queries[p];
      batch_.target_row(b).back() = 0;
    }
    model_.logits(weights_.values, batch_, out_);
    return out_;
  }

 private:
  Weights weights_;
  Model model_;
  const LookupForm& form_;
  Batch batch_;
  std::vector<float> out_;
};

/// Least difference of computed logits over a box of features, less what the head's own sums may
/// lose in any order.
class Head {
 public:
  explicit Head(const OneLayer& m) : m_(m), absolute_(absolute(m.head)) {}
  struct Worst {
    double margin = kInfinity;
    std::size_t p = 0, symbol = 0;
    Index other = 0;
  };
  void look(const Matrix& box, Index y, Worst& worst, std::size_t p, std::size_t s) const {
    const double unit = 1.01 * double(m_.D + 3) * 0x1p-24;
    for (Index c = 0; c < m_.C; ++c) {
      if (c == y) continue;
      double margin = m_.head_bias(0, y) - m_.head_bias(0, c);
      double size = std::abs(m_.head_bias(0, y)) + std::abs(m_.head_bias(0, c));
      for (Index d = 0; d < m_.D; ++d) {
        const double w = m_.head(d, y) - m_.head(d, c);
        margin += w * box(w > 0 ? 0 : 1, d);
        size += (absolute_(d, y) + absolute_(d, c)) *
                std::max(std::abs(box(0, d)), std::abs(box(1, d)));
      }
      margin -= unit * size;
      if (margin < worst.margin) worst = {margin, p, s, c};
    }
  }

 private:
  const OneLayer& m_;
  Matrix absolute_;
};

/// What certify and recheck both need to look at; neither trusts more than the weights.
struct Setting {
  OneLayer model;
  LookupForm form;
  std::vector<Wire> wires;
};
std::optional<Setting> read_setting(const Task& task, Index length, const Weights& weights,
                                    std::string& why) {
  auto model = view_one_layer(weights, task.info(length), why);
  if (!model) return std::nullopt;
  auto form = find_lookup_form(task, length, why);
  if (!form) return std::nullopt;
  const auto scores = position_only_scores(*model, *form, why);
  if (!scores) return std::nullopt;
  why = "the scores may be rounded differently from one path to another";
  if (!scores->exact) return std::nullopt;
  why = "an output of the attention mixes several coordinates of its input";
  auto wires = find_wires(*model);
  if (!wires) return std::nullopt;
  why = "embedding + position may be rounded, or is not the same on every wire";
  for (const Wire& wire : *wires)
    for (Index t = 0; t <= form->n; ++t)
      if (model->positions(t, wire.in) != 0) return std::nullopt;
  why.clear();
  return Setting{std::move(*model), std::move(*form), std::move(*wires)};
}

class Executed final : public CertificateMethod {
 public:
  using Config = ExecutedConfig;
  explicit Executed(const Config&) {}

  Certificate certify(const Claim& claim, const Subject& subject) const override {
    Certificate c = begin_certificate("executed", claim, subject.weights);
    if (claim.arithmetic != Arithmetic::float32)
      return undecided(std::move(c), "it runs the float32 program, which the claim is not about");
    std::string why;
    const auto setting = read_setting(subject.task, claim.length, subject.weights, why);
    if (!setting) return undecided(std::move(c), why);
    const auto& [m, form, wires] = *setting;
    const Plan plan(m, form, wires);
    if (double(plan.pairs().size()) * double(form.queries.size()) * double(form.n + 1) >
        double(kMaxTokens))
      return undecided(std::move(c), "too many extremal inputs to run");
    c.trusted_base =
        "the attention kernel adds in an order that does not depend on the values (it was run, not "
        "modelled), IEEE rounding is monotone, and " +
        trust_in(form);

    Runner runner(subject.weights, subject.blocks, form);
    const Head head(m);
    Head::Worst worst;
    std::set<std::vector<double>> seen;
    for (std::size_t p = 0; p < form.queries.size(); ++p) {
      const std::vector<float>& features = runner.features(p, plan.pairs());
      for (std::size_t s = 0; s < form.symbols.size(); ++s) {
        const Matrix box = box_of(m, wires, plan, features, s);
        if (!same_elsewhere(m, wires, features, plan.pairs().size()))
          return undecided(std::move(c), "a coordinate moves that no symbol should reach");
        std::vector<double> key(box.data);
        key.push_back(double(form.answer[p][s]));
        if (seen.insert(std::move(key)).second) head.look(box, form.answer[p][s], worst, p, s);
      }
    }
    if (!keeps(claim, worst.margin) && refute_worst(c, subject, *setting, worst)) return c;
    c.evidence = {{"position", form.position},
                  {"inputs_run", plan.pairs().size() * form.queries.size()}};
    return conclude(std::move(c), worst.margin, form.inputs());
  }

  std::string recheck(const Certificate& c, const Subject& subject) const override;

 private:
  /// [2, D]: least and greatest computed feature when the symbol looked at is s.
  static Matrix box_of(const OneLayer& m, const std::vector<Wire>& wires, const Plan& plan,
                       const std::vector<float>& features, std::size_t s) {
    Matrix box(2, m.D);
    for (Index d = 0; d < m.D; ++d) box(0, d) = box(1, d) = double(features[std::size_t(d)]);
    for (std::size_t w = 0; w < wires.size(); ++w) {
      const Index d = wires[w].out;
      const auto at = [&](int end) {
        return double(features[plan.pair(w, s, end) * std::size_t(m.D) + std::size_t(d)]);
      };
      // A negative weight on the wire turns the order round.
      box(0, d) = std::min(at(0), at(1));
      box(1, d) = std::max(at(0), at(1));
    }
    return box;
  }
  static bool same_elsewhere(const OneLayer& m, const std::vector<Wire>& wires,
                             const std::vector<float>& features, std::size_t pairs) {
    for (Index d = 0; d < m.D; ++d) {
      const bool wired =
          std::any_of(wires.begin(), wires.end(), [&](const Wire& wire) { return wire.out == d; });
      for (std::size_t i = 1; i < pairs && !wired; ++i)
        if (features[i * std::size_t(m.D) + std::size_t(d)] != features[std::size_t(d)])
          return false;
    }
    return true;
  }

  /// The symbol that is worst everywhere else for this pair of classes.
  static bool refute_worst(Certificate& c, const Subject& subject, const Setting& setting,
                           const Head::Worst& worst) {
    const auto& [m, form, wires] = setting;
    const Index y = form.answer[worst.p][worst.symbol];
    const Matrix gives = product(product(product(m.embedding, m.v), m.o), m.head);
    Token rest = form.symbols.front();
    for (const Token s : form.symbols)
      if (gives(s, y) - gives(s, worst.other) < gives(rest, y) - gives(rest, worst.other)) rest = s;
    std::vector<Token> tokens(std::size_t(form.n) + 1, rest);
    tokens[std::size_t(form.position[worst.p])] = form.symbols[worst.symbol];
    tokens.back() = form.queries[worst.p];
    return refute(c, subject, tokens);
  }
};

/// Without boxes: for each query, symbol and other class, the input that is worst for that very
/// difference of logits is run through the whole model, alone in its batch. Large cases look at
/// every k-th of these triples, for the k that keeps it at 4e7 tokens.
std::string Executed::recheck(const Certificate& c, const Subject& subject) const {
  if (c.verdict == Verdict::refuted) return recheck_counterexample(c, subject);
  std::string why;
  const auto setting = read_setting(subject.task, c.claim.length, subject.weights, why);
  if (!setting) return why;
  const auto& [m, form, wires] = *setting;
  const Matrix gives = product(product(product(m.embedding, m.v), m.o), m.head);
  const double slack = 4 * double(m.D + 4) * 0x1p-24 * (1 + std::abs(c.margin)) * double(m.D);
  const Index pairs = Index(form.symbols.size()) * (m.C - 1);
  const Index budget = std::max<Index>(1, 40'000'000 / ((form.n + 1) * Index(form.queries.size())));
  const Index every = (pairs + budget - 1) / budget;
  Model model(subject.weights.spec, subject.blocks);
  Batch batch;
  batch.resize(1, form.n + 1);
  Index at = 0;
  for (std::size_t p = 0; p < form.queries.size(); ++p)
    for (std::size_t s = 0; s < form.symbols.size(); ++s)
      for (Index other = 0; other < m.C; ++other) {
        const Index y = form.answer[p][s];
        if (other == y || ++at % every != 0) continue;
        Token rest = form.symbols.front();
        for (const Token r : form.symbols)
          if (gives(r, y) - gives(r, other) < gives(rest, y) - gives(rest, other)) rest = r;
        std::fill(batch.tokens.begin(), batch.tokens.end(), rest);
        batch.tokens[std::size_t(form.position[p])] = form.symbols[s];
        batch.tokens.back() = form.queries[p];
        const double margin = computed_margins(subject, model, batch, Arithmetic::float32).front();
        if (!(margin > 0 && margin >= c.claim.margin && margin >= c.margin - slack))
          return "an extremal input has a margin of only " + std::to_string(margin);
      }
  return {};
}

}  // namespace

void register_executed(Registry<CertificateMethod>& methods) {
  methods.add<Executed>("executed", "the real kernel run on the extremal inputs");
}

}  // namespace separatrix

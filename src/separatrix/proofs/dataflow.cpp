#include "separatrix/proofs/dataflow.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "separatrix/proofs/exact_sum.h"
#include "separatrix/proofs/lookup_form.h"
#include "separatrix/proofs/recheck.h"
#include "separatrix/proofs/run.h"

namespace separatrix {

std::optional<BitRnn> view_bit_rnn(const Weights& weights, std::string& why) {
  const ModelSpec& spec = weights.spec;
  const auto config = [&](const char* key) {
    return spec.layers.front().config.value(key, std::string());
  };
  why =
      "the model is not one recurrent ReLU layer with a state of bits, without norm, residual "
      "and positions";
  if (spec.layers.size() != 1 || spec.layers.front().block != "rnn" || spec.norm != "none" ||
      spec.positions != "none" || spec.layers.front().residual || config("activation") != "relu" ||
      config("state_format") != "bit")
    return std::nullopt;
  why.clear();
  return BitRnn{spec.vocab_size,
                spec.n_classes,
                spec.d_model,
                weights["embedding"],
                weights["layers.0.rnn.w_x"],
                weights["layers.0.rnn.w_h"],
                weights["layers.0.rnn.bias"],
                weights["head"],
                weights["head_bias"]};
}

namespace {

constexpr Index kNowhere = -1;

struct DataflowConfig {};
template <class V>
void visit(V&, DataflowConfig&) {}

struct Entry {
  Index at = 0;
  double weight = 0;
};
using Column = std::vector<Entry>;  // nonzeros that enter one unit

std::vector<Column> columns(std::span<const float> matrix, Index rows, Index width) {
  std::vector<Column> out(std::size_t(width), Column{});
  for (Index i = 0; i < rows; ++i)
    for (Index j = 0; j < width; ++j)
      if (const float w = matrix[std::size_t(i * width + j)]; w != 0)
        out[std::size_t(j)].push_back({i, double(w)});
  return out;
}

/// A bit as a function of the input: of the symbol at one position, or constant (kNowhere).
struct Bit {
  Index position = kNowhere;
  std::vector<double> table{0};  ///< [1] or [|S|]
};

/// A sum of such functions, kept apart by position.
struct Sum {
  double constant = 0;
  std::vector<std::pair<Index, std::vector<double>>> parts;  ///< position -> [|S|]

  void add(const Bit& bit, double weight) {
    if (bit.position == kNowhere)
      constant += weight * bit.table.front();
    else
      add(bit.position, bit.table, weight);
  }
  void add(Index position, const std::vector<double>& table, double weight) {
    auto part = std::find_if(parts.begin(), parts.end(),
                             [&](const auto& p) { return p.first == position; });
    if (part == parts.end())
      part = parts.insert(part, {position, std::vector<double>(table.size(), 0.0)});
    for (std::size_t s = 0; s < table.size(); ++s) part->second[s] += weight * table[s];
  }
};

/// [relu(a) >= 1/2]; nullopt when that depends on two positions.
std::optional<Bit> threshold(const Sum& a) {
  const auto bit = [](double v) { return v >= 0.5 ? 1.0 : 0.0; };
  if (a.parts.empty()) return Bit{kNowhere, {bit(a.constant)}};
  if (a.parts.size() == 1) {
    Bit out{a.parts.front().first, a.parts.front().second};
    for (double& v : out.table) v = bit(a.constant + v);
    const bool same = std::all_of(out.table.begin(), out.table.end(),
                                  [&](double v) { return v == out.table.front(); });
    if (same) return Bit{kNowhere, {out.table.front()}};
    return out;
  }
  double low = a.constant, high = a.constant;
  for (const auto& [position, table] : a.parts) {
    low += *std::min_element(table.begin(), table.end());
    high += *std::max_element(table.begin(), table.end());
  }
  if (bit(low) == bit(high)) return Bit{kNowhere, {bit(low)}};
  return std::nullopt;
}

/// What the sums of the model are rounded to: nothing, if this holds (state bits are at most 1).
bool all_sums_exact(const BitRnn& m) {
  for (const auto& part : {m.embedding, m.w_x, m.w_h, m.bias, m.head, m.head_bias})
    if (grid_of(part) == 0) return false;  // infinite or NaN
  const double grid =
      std::min({grid_of(m.embedding) * grid_of(m.w_x), grid_of(m.w_h), grid_of(m.bias), 0.5});
  const std::size_t D = std::size_t(m.D), C = std::size_t(m.C);
  std::vector<double> absolute(D), largest(D, 0.0);
  for (std::size_t i = 0; i < m.embedding.size(); ++i)
    largest[i % D] = std::max(largest[i % D], double(std::abs(m.embedding[i])));
  for (std::size_t u = 0; u < D; ++u) absolute[u] = double(std::abs(m.bias[u]));
  for (std::size_t i = 0; i < D; ++i)
    for (std::size_t u = 0; u < D; ++u)
      absolute[u] +=
          largest[i] * double(std::abs(m.w_x[i * D + u])) + double(std::abs(m.w_h[i * D + u]));
  const double worst = *std::max_element(absolute.begin(), absolute.end());
  std::vector<double> head(m.head_bias.size(), 0.0);
  for (std::size_t i = 0; i < m.head.size(); ++i) head[i % C] += double(std::abs(m.head[i]));
  for (std::size_t c = 0; c < C; ++c) head[c] += double(std::abs(m.head_bias[c]));
  return sums_exactly(grid, worst) && sums_exactly(std::min(grid_of(m.head), grid_of(m.head_bias)),
                                                   *std::max_element(head.begin(), head.end()));
}

/// Follows every unit through time as a function of one input position.
class Flow {
 public:
  Flow(const BitRnn& model, const LookupForm& form)
      : m_(model),
        form_(form),
        w_x_(columns(model.w_x, model.D, model.D)),
        w_h_(columns(model.w_h, model.D, model.D)),
        state_(std::size_t(model.D)) {
    head_.resize(std::size_t(m_.D));
    for (Index u = 0; u < m_.D; ++u)
      for (Index c = 0; c < m_.C; ++c)
        head_[std::size_t(u)].push_back(double(m_.head[std::size_t(u * m_.C + c)]));
    for (Index u = 0; u < m_.D; ++u) {
      symbol_input_.emplace_back();
      for (const Token s : form.symbols) symbol_input_.back().push_back(token_input(s, u));
    }
  }

  /// Reads the n symbols; false with `why` when a unit comes to depend on two positions.
  bool read_symbols(std::string& why) {
    for (Index t = 0; t < form_.n; ++t) {
      std::vector<Bit> next(state_.size());
      for (Index u = 0; u < m_.D; ++u) {
        Sum a = carried(u);
        const auto& input = symbol_input_[std::size_t(u)];
        const bool same =
            std::all_of(input.begin(), input.end(), [&](double v) { return v == input.front(); });
        if (same)
          a.constant += input.front();
        else
          a.add(t, input, 1);
        if (!store(threshold(a), u, t, next, why)) return false;
      }
      state_ = std::move(next);
    }
    return true;
  }

  struct Worst {
    double margin = std::numeric_limits<double>::infinity();
    std::vector<Token> input;  ///< attains it
  };
  /// Least margin over all inputs that end in query p; nullopt as above.
  std::optional<Worst> query(std::size_t p, std::string& why) const {
    std::vector<Bit> last(state_.size());
    for (Index u = 0; u < m_.D; ++u) {
      Sum a = carried(u);
      a.constant += token_input(form_.queries[p], u);
      if (!store(threshold(a), u, form_.n, last, why)) return std::nullopt;
    }
    return least_margin(p, logits(last));
  }

 private:
  struct Logits {
    std::vector<double> constant;  ///< [C]
    /// position -> [|S|][C]
    std::vector<std::pair<Index, std::vector<std::vector<double>>>> parts;
  };

  double token_input(Token token, Index u) const {
    double sum = double(m_.bias[std::size_t(u)]);
    for (const Entry& e : w_x_[std::size_t(u)])
      sum += e.weight * double(m_.embedding[std::size_t(token * m_.D + e.at)]);
    return sum;
  }
  Sum carried(Index u) const {
    Sum a;
    for (const Entry& e : w_h_[std::size_t(u)]) a.add(state_[std::size_t(e.at)], e.weight);
    return a;
  }
  static bool store(std::optional<Bit> bit, Index u, Index t, std::vector<Bit>& next,
                    std::string& why) {
    if (!bit) {
      why = "unit " + std::to_string(u) + " depends on two positions after token " +
            std::to_string(t);
      return false;
    }
    next[std::size_t(u)] = std::move(*bit);
    return true;
  }

  Logits logits(const std::vector<Bit>& bits) const {
    Logits out;
    out.constant.assign(m_.head_bias.begin(), m_.head_bias.end());
    for (std::size_t u = 0; u < bits.size(); ++u) {
      const Bit& bit = bits[u];
      const auto add_to = [&](std::vector<double>& sums, double value) {
        for (std::size_t c = 0; c < sums.size() && value != 0; ++c) sums[c] += value * head_[u][c];
      };
      if (bit.position == kNowhere) {
        add_to(out.constant, bit.table.front());
        continue;
      }
      auto part = std::find_if(out.parts.begin(), out.parts.end(),
                               [&](const auto& q) { return q.first == bit.position; });
      if (part == out.parts.end())
        part = out.parts.insert(
            part,
            {bit.position, std::vector<std::vector<double>>(
                               bit.table.size(), std::vector<double>(std::size_t(m_.C), 0.0))});
      for (std::size_t s = 0; s < bit.table.size(); ++s) add_to(part->second[s], bit.table[s]);
    }
    return out;
  }

  /// The logits are a sum over positions, so each other position can be set to its worst symbol
  /// independently: the minimum is exact and attained.
  Worst least_margin(std::size_t p, const Logits& logits) const {
    Worst worst;
    for (std::size_t s = 0; s < form_.symbols.size(); ++s) {
      const auto y = std::size_t(form_.answer[p][s]);
      for (std::size_t c = 0; c < std::size_t(m_.C); ++c) {
        if (c == y) continue;
        double margin = logits.constant[y] - logits.constant[c];
        std::vector<std::pair<Index, std::size_t>> choices{{form_.position[p], s}};
        for (const auto& [position, table] : logits.parts) {
          std::size_t choice = s;
          if (position != form_.position[p]) {
            const auto at = std::min_element(
                table.begin(), table.end(),
                [&](const auto& a, const auto& b) { return a[y] - a[c] < b[y] - b[c]; });
            choice = std::size_t(at - table.begin());
            choices.emplace_back(position, choice);
          }
          margin += table[choice][y] - table[choice][c];
        }
        if (margin >= worst.margin) continue;
        worst.margin = margin;
        worst.input.assign(std::size_t(form_.n) + 1, form_.symbols.front());
        for (const auto& [position, choice] : choices)
          worst.input[std::size_t(position)] = form_.symbols[choice];
        worst.input.back() = form_.queries[p];
      }
    }
    return worst;
  }

  const BitRnn& m_;
  const LookupForm& form_;
  std::vector<Column> w_x_, w_h_;
  std::vector<Bit> state_;
  std::vector<std::vector<double>> symbol_input_;  ///< [D][|S|]
  std::vector<std::vector<double>> head_;          ///< [D][C]
};

/// Every unit as a table over the symbols of one position: exact for all |S|^n |Q| inputs.
class Dataflow final : public CertificateMethod {
 public:
  using Config = DataflowConfig;
  explicit Dataflow(const Config&) {}

  Certificate certify(const Claim& claim, const Subject& subject) const override {
    Certificate c = begin_certificate("dataflow", claim, subject.weights);
    if (is_emulated(claim.arithmetic))
      return undecided(std::move(c), "it speaks of real numbers and float32 only");
    std::string why;
    const auto model = view_bit_rnn(subject.weights, why);
    if (!model) return undecided(std::move(c), why);
    const auto form = find_lookup_form(subject.task, claim.length, why);
    if (!form) return undecided(std::move(c), why);
    // Also what the tables below need: double holds every sum that float32 holds.
    if (!all_sums_exact(*model))
      return undecided(std::move(c), "its sums may be rounded in float32");
    c.trusted_base =
        "the dataflow code or its recheck, IEEE float32 without rounding errors, and " +
        trust_in(*form);
    c.evidence = {{"position", form->position}};
    Flow flow(*model, *form);
    if (!flow.read_symbols(why)) return give_up(std::move(c), subject, why);
    double margin = std::numeric_limits<double>::infinity();
    for (std::size_t p = 0; p < form->queries.size(); ++p) {
      const auto worst = flow.query(p, why);
      if (!worst) return give_up(std::move(c), subject, why);
      if (!keeps(claim, worst->margin) && refute(c, subject, worst->input)) return c;
      margin = std::min(margin, worst->margin);
    }
    return conclude(std::move(c), margin, form->inputs());
  }

  std::string recheck(const Certificate& c, const Subject& subject) const override {
    if (c.verdict == Verdict::refuted) return recheck_counterexample(c, subject);
    std::string why;
    const auto model = view_bit_rnn(subject.weights, why);
    return model ? recheck_bit_rnn(c, subject.task, *model) : why;
  }

 private:
  static Certificate give_up(Certificate c, const Subject& subject, const std::string& why) {
    constexpr Index kSamples = 256;
    if (refute_by_sampling(c, subject, kSamples)) return c;
    return undecided(std::move(c), why);
  }
};

}  // namespace

void register_dataflow(Registry<CertificateMethod>& methods) {
  methods.add<Dataflow>("dataflow", "bits of a recurrent state as functions of one position");
}

}  // namespace separatrix

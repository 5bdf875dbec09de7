#include "separatrix/proofs/pair_flow.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "separatrix/base/hash.h"

// All sums below are exact: Elman::view has made sure of the model's, and these have no other
// terms. docs/theory.md, "Registers of pairs".

namespace separatrix {
namespace {

constexpr double kMostWork = 4e8;        ///< terms of sums
constexpr double kMostRemembered = 3e8;  ///< entries of tables

double threshold_of(double sum) { return sum >= 0.5 ? 1 : 0; }

std::int64_t bits_of(double value) { return std::bit_cast<std::int64_t>(value); }

}  // namespace

PairFlow::PairFlow(const Elman& model, const PairQuestion& question)
    : m_(model), q_(question), sources_(std::size_t(model.units())) {
  const Index D = m_.units();
  for (Index from = 0; from < D; ++from)
    for (Index to = 0; to < D; ++to)
      if (const double w = m_.recurrent(from, to); w != 0) {
        sources_[std::size_t(to)].push_back({from, w});
        ++work_;
      }
  for (Index u = 0; u < D; ++u) symbols_.push_back(m_.bias(u));
  end_ = symbols_;
  for (const auto& [u, value] : m_.drives(q_.end)) end_[std::size_t(u)] += value;
  const std::size_t S = q_.symbols.size();
  for (std::size_t s = 0; s < S; ++s)
    for (const auto& [u, value] : m_.drives(q_.symbols[s]))
      drive_.try_emplace(u, S, 0.0).first->second[s] = value;
  for (auto it = drive_.begin(); it != drive_.end();) {
    const std::vector<double>& values = it->second;
    const bool same =
        std::all_of(values.begin(), values.end(), [&](double v) { return v == values.front(); });
    if (same) symbols_[std::size_t(it->first)] += values.front();
    it = same ? drive_.erase(it) : std::next(it);
  }
}

bool PairFlow::read(std::string& why) {
  why = "it would take too long";
  if ((work_ + double(m_.units())) * double(2 * q_.n + 1) > kMostWork) return false;
  state_.assign(std::size_t(m_.units()), Cell());
  for (Index t = 0; t < 2 * q_.n; ++t) {
    const auto pair = std::int32_t(q_.pair_at(t));
    if (!step(t < q_.n ? Role::x : Role::y, pair, why)) return false;
  }
  if (!step(Role::end, kConstant, why)) return false;
  why.clear();
  return true;
}

bool PairFlow::step(Role role, std::int32_t pair, std::string& why) {
  std::vector<Cell> next(state_.size());
  for (std::size_t u = 0; u < next.size(); ++u) {
    const auto& sources = sources_[u];
    const bool driven = role != Role::end && drive_.contains(Index(u));
    const double constant = role == Role::end ? end_[u] : symbols_[u];
    if (!driven && constant == 0 && sources.size() == 1) {  // most units: a copy
      if (sources[0].weight >= 0.5) next[u] = state_[std::size_t(sources[0].from)];
      continue;
    }
    const auto cell = combine(Index(u), role, pair);
    if (!cell) {
      why = "unit " + std::to_string(u) + " depends on two pairs of symbols";
      return false;
    }
    next[u] = *cell;
    if (double(tables_.size() + thresholds_.size()) * double(q_.views()) > kMostRemembered) {
      why = "its units are too many different functions of a pair";
      return false;
    }
  }
  state_ = std::move(next);
  return true;
}

/// [sum >= 1/2]; nullopt when that depends on two pairs.
std::optional<PairFlow::Cell> PairFlow::combine(Index u, Role role, std::int32_t pair) {
  double constant = role == Role::end ? end_[std::size_t(u)] : symbols_[std::size_t(u)];
  std::vector<Part> parts;
  const auto part_of = [&](std::int32_t p) -> Part& {
    const auto at =
        std::find_if(parts.begin(), parts.end(), [&](const Part& part) { return part.pair == p; });
    if (at != parts.end()) return *at;
    return parts.emplace_back(Part{.pair = p, .driven = false, .terms = {}});
  };
  for (const Source& source : sources_[std::size_t(u)]) {
    const Cell cell = state_[std::size_t(source.from)];
    if (cell.pair == kConstant)
      constant += source.weight * double(cell.value);
    else
      part_of(cell.pair).terms.push_back({source.weight, cell.value});
  }
  if (role != Role::end && drive_.contains(u)) part_of(pair).driven = true;
  if (parts.empty()) return Cell{kConstant, std::int32_t(threshold_of(constant))};
  if (parts.size() == 1) return threshold(constant, parts.front(), u, role);
  Range all{constant, constant};
  for (const Part& part : parts) {
    const Range r = range(part, u, role);
    all.low += r.low;
    all.high += r.high;
  }
  if (threshold_of(all.low) != threshold_of(all.high)) return std::nullopt;
  return Cell{kConstant, std::int32_t(threshold_of(all.low))};
}

/// For each view what the part adds to the sum.
std::vector<double> PairFlow::sums(const Part& part, Index u, Role role) const {
  const std::size_t S = q_.symbols.size();
  std::vector<double> out(q_.clash.size(), 0.0);
  for (const Term& term : part.terms) {
    const Table& table = tables_[std::size_t(term.table)];
    for (std::size_t view = 0; view < out.size(); ++view)
      out[view] += term.weight * double(table[view]);
  }
  if (!part.driven) return out;
  const std::vector<double>& drive = drive_.at(u);
  for (std::size_t view = 0; view < out.size(); ++view)
    out[view] += drive[role == Role::x ? view / S : view % S];
  return out;
}

namespace {

/// What a result depends on.
template <class Part>
std::vector<std::int64_t> key_of(const Part& part, double constant, Index u, int role) {
  std::vector<std::int64_t> key{bits_of(constant), part.driven ? u : -1, part.driven ? role : -1};
  for (const auto& term : part.terms) {
    key.push_back(bits_of(term.weight));
    key.push_back(term.table);
  }
  return key;
}

}  // namespace

PairFlow::Cell PairFlow::threshold(double constant, const Part& part, Index u, Role role) {
  const auto [it, is_new] = thresholds_.try_emplace(key_of(part, constant, u, int(role)));
  if (is_new) {
    Table table;
    for (const double sum : sums(part, u, role))
      table.push_back(std::int8_t(threshold_of(constant + sum)));
    const bool same =
        std::all_of(table.begin(), table.end(), [&](auto bit) { return bit == table.front(); });
    // The pair is put in below: the same combination serves for all pairs.
    it->second = same ? Cell{kConstant, table.front()} : Cell{0, number(table)};
  }
  Cell cell = it->second;
  if (cell.pair != kConstant) cell.pair = part.pair;
  return cell;
}

PairFlow::Range PairFlow::range(const Part& part, Index u, Role role) {
  const auto [it, is_new] = ranges_.try_emplace(key_of(part, 0, u, int(role)));
  if (is_new) {
    const std::vector<double> all = sums(part, u, role);
    const auto [low, high] = std::minmax_element(all.begin(), all.end());
    it->second = {*low, *high};
  }
  return it->second;
}

std::int32_t PairFlow::number(const Table& table) {
  const auto [it, is_new] = numbers_.try_emplace(table, std::int32_t(tables_.size()));
  if (is_new) tables_.push_back(table);
  return it->second;
}

PairFlow::Leasts PairFlow::leasts(const std::vector<Term>& terms) const {
  constexpr double kNone = std::numeric_limits<double>::infinity();
  Leasts out{{kNone, 0}, {kNone, 0}, {kNone, 0}};
  const std::vector<double> all = sums({.pair = 0, .driven = false, .terms = terms}, 0, Role::end);
  const auto lower = [&](Least& least, std::size_t view) {
    if (all[view] < least.value) least = {all[view], view};
  };
  for (std::size_t view = 0; view < all.size(); ++view) {
    lower(out.any, view);
    lower(q_.clash[view] != 0 ? out.clash : out.quiet, view);
  }
  return out;
}

/// The least value of constant + sum of weights[u] (unit u) over the inputs with that answer, and
/// an input that attains it. The pairs do not meet in the sum. Quiet: each pair takes its least
/// quiet view. Clashing: each its least of all, but one a clash: the one that this costs least.
PairFlow::Worst PairFlow::least(const std::vector<double>& weights, double constant,
                                Token answer) const {
  std::vector<std::vector<Term>> terms(static_cast<std::size_t>(q_.n));
  for (std::size_t u = 0; u < state_.size(); ++u) {
    const Cell cell = state_[u];
    if (weights[u] == 0) continue;
    if (cell.pair == kConstant)
      constant += weights[u] * double(cell.value);
    else
      terms[std::size_t(cell.pair)].push_back({weights[u], cell.value});
  }
  std::map<std::vector<std::int64_t>, Leasts> known;
  Worst worst{.margin = constant, .input = {}};
  const std::size_t n = std::size_t(q_.n), S = q_.symbols.size();
  std::vector<std::size_t> views(n);
  double extra = std::numeric_limits<double>::infinity();  // of the clash
  std::size_t place = 0, clash = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const Part part{.pair = 0, .driven = false, .terms = terms[i]};
    const auto [it, is_new] = known.try_emplace(key_of(part, 0, 0, 0));
    if (is_new) it->second = leasts(terms[i]);
    const Leasts& l = it->second;
    const Least& taken = answer == q_.quiet ? l.quiet : l.any;
    worst.margin += taken.value;
    views[i] = taken.view;
    if (l.clash.value - l.any.value < extra) {
      extra = l.clash.value - l.any.value;
      place = i;
      clash = l.clash.view;
    }
  }
  if (answer != q_.quiet) {
    worst.margin += extra;
    views[place] = clash;
  }
  worst.input.assign(2 * n + 1, q_.end);
  for (std::size_t i = 0; i < n; ++i) {
    worst.input[i] = q_.symbols[views[i] / S];
    worst.input[n + i] = q_.symbols[views[i] % S];
  }
  return worst;
}

PairFlow::Worst PairFlow::least_margin(Arithmetic arithmetic) const {
  Worst worst;
  const std::size_t D = state_.size();
  const auto lower = [&](double margin, Worst found) {
    if (std::isnan(worst.margin)) return;  // infinity less infinity, for good
    if (!(margin >= worst.margin)) worst = {.margin = margin, .input = std::move(found.input)};
  };
  std::vector<Token> answers{q_.quiet};
  if (std::find(q_.clash.begin(), q_.clash.end(), 1) != q_.clash.end())
    answers.push_back(q_.clashing);
  for (const Token y : answers)
    for (Token c = 0; c < Token(m_.classes()); ++c) {
      if (c == y) continue;
      std::vector<double> difference, own, other;
      for (std::size_t u = 0; u < D; ++u) {
        own.push_back(m_.head(Index(u), y));
        other.push_back(-m_.head(Index(u), c));
        difference.push_back(own[u] + other[u]);
      }
      Worst found = least(difference, m_.head_bias(y) - m_.head_bias(c), y);
      double margin = found.margin;
      if (is_emulated(arithmetic))  // each logit is rounded as it is stored, which is monotone
        margin = round_to(arithmetic, least(own, m_.head_bias(y), y).margin) +
                 round_to(arithmetic, least(other, -m_.head_bias(c), y).margin);
      lower(margin, std::move(found));
    }
  return worst;
}

std::string PairFlow::digest() const {
  std::vector<std::int32_t> text, hashes;
  for (const Table& table : tables_) {
    const std::vector<std::int32_t> entries(table.begin(), table.end());
    hashes.push_back(std::int32_t(hash_tokens(entries)));
  }
  for (const Cell& cell : state_) {
    text.push_back(cell.pair);
    text.push_back(cell.pair == kConstant ? cell.value : hashes[std::size_t(cell.value)]);
  }
  return std::to_string(hash_tokens(text));
}

}  // namespace separatrix

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <set>

#include <gmpxx.h>

#include "separatrix/base/hash.h"
#include "separatrix/proofs/pair_dataflow.h"
#include "separatrix/proofs/pair_recheck.h"

// The same statement by running inputs side by side, from the equations of docs/format.md. In lane
// (a, b) every pair of symbols is (a, b): |S|^2 runs in all. Beside its values in the lanes each
// unit has an owner, the only pair it can depend on; a unit that is the same in all lanes has none.
// So what a unit is on any input is what it is in the lane of its owner's symbols.

namespace separatrix {
namespace {

using pair_recheck::Halves;
using pair_recheck::Net;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

class SideBySide {
 public:
  SideBySide(const Net& net, const Halves& task)
      : net_(net), task_(task), lanes_(task.clashes.size()), held_(net.D) {
    known_ = {std::vector<bool>(lanes_, false), std::vector<bool>(lanes_, true)};
  }

  /// Empty, or why it does not come to an end.
  std::string run() {
    for (std::size_t t = 0; t <= 2 * task_.n; ++t) {
      std::vector<Held> next(net_.D);
      for (std::size_t u = 0; u < net_.D; ++u) {
        const auto result = after(u, t);
        if (!result) return "unit " + std::to_string(u) + " has two owners";
        next[u] = *result;
      }
      held_ = std::move(next);
    }
    return {};
  }

  /// The least margin, each logit as the arithmetic stores it.
  double margin(Arithmetic arithmetic) const {
    double least = kInfinity;
    for (const bool quiet : {true, false}) {
      if (!quiet && task_.broken == kIgnore) continue;
      const Token y = quiet ? task_.quiet : task_.broken;
      for (Token c = 0; c < Token(net_.C); ++c) {
        if (c == y) continue;
        const double found = is_emulated(arithmetic)
                                 ? round_to(arithmetic, lowest(y, kIgnore, quiet)) +
                                       round_to(arithmetic, lowest(kIgnore, c, quiet))
                                 : lowest(y, c, quiet);
        if (!(found >= least)) least = found;
        if (std::isnan(found)) return found;
      }
    }
    return least;
  }

  std::size_t functions() const { return known_.size() - 2; }
  std::string digest() const {
    std::vector<std::int32_t> text;
    for (const Held& h : held_) {
      text.push_back(h.lanes < 2 ? -1 : std::int32_t(h.owner));
      text.push_back(h.lanes < 2 ? std::int32_t(h.lanes) : fingerprint(h.lanes));
    }
    return std::to_string(hash_tokens(text));
  }

 private:
  /// lanes: number of the values in the lanes; 0 and 1: 0 and 1 in all of them, without an owner.
  struct Held {
    std::size_t owner = 0, lanes = 0;
  };

  /// What a unit holds after the token at t; nullopt with two owners.
  std::optional<Held> after(std::size_t u, std::size_t t) {
    const auto& wires = net_.into[u];
    const auto driven = net_.drive.find(u);
    const bool moved = driven != net_.drive.end();
    if (!moved && net_.bias[u] == 0 && wires.size() == 1)
      return wires[0].weight >= 0.5 ? held_[wires[0].from] : Held{};
    // The first half, the second, the end; the same unit with the same sources did this before.
    std::vector<std::size_t> key{u, t / task_.n};
    std::set<std::size_t> owners;
    for (const auto& wire : wires) {
      const Held& h = held_[wire.from];
      key.push_back(h.lanes);
      if (h.lanes >= 2) owners.insert(h.owner);
    }
    if (moved && t < 2 * task_.n && tells_symbols_apart(driven->second)) owners.insert(t % task_.n);
    if (owners.size() > 1) return mixed(u, t);
    const std::size_t owner = owners.empty() ? 0 : *owners.begin();
    const auto before = remembered_.find(key);
    if (before != remembered_.end()) return Held{owner, before->second};
    std::vector<bool> values(lanes_);
    for (std::size_t v = 0; v < lanes_; ++v) {
      double sum = net_.bias[u] + (moved ? brought(driven->second, t, v) : 0);
      for (const auto& wire : wires)
        if (known_[held_[wire.from].lanes][v]) sum += wire.weight;
      values[v] = sum >= 0.5;
    }
    const std::size_t lanes = number(values);
    remembered_[key] = lanes;
    return Held{owner, lanes};
  }

  bool tells_symbols_apart(const std::vector<double>& drive) const {
    return std::any_of(task_.symbols.begin(), task_.symbols.end(), [&](Token s) {
      return drive[std::size_t(s)] != drive[std::size_t(task_.symbols[0])];
    });
  }
  /// What the token at t brings in a lane.
  double brought(const std::vector<double>& drive, std::size_t t, std::size_t lane) const {
    const std::size_t S = task_.symbols.size();
    if (t == 2 * task_.n) return drive[std::size_t(task_.end)];
    return drive[std::size_t(task_.symbols[t < task_.n ? lane / S : lane % S])];
  }

  /// Several owners: harmless where all they can add up to is on one side of 1/2.
  std::optional<Held> mixed(std::size_t u, std::size_t t) const {
    std::map<std::size_t, std::vector<double>> shares;
    double low = net_.bias[u], high = net_.bias[u];
    const auto share = [&](std::size_t owner) -> std::vector<double>& {
      return shares.try_emplace(owner, lanes_, 0.0).first->second;
    };
    for (const auto& wire : net_.into[u]) {
      const Held& h = held_[wire.from];
      if (h.lanes < 2) {
        low += wire.weight * double(h.lanes);
        high += wire.weight * double(h.lanes);
        continue;
      }
      std::vector<double>& sum = share(h.owner);
      for (std::size_t v = 0; v < lanes_; ++v)
        if (known_[h.lanes][v]) sum[v] += wire.weight;
    }
    if (const auto driven = net_.drive.find(u); driven != net_.drive.end()) {
      std::vector<double> end(lanes_);
      std::vector<double>& sum = t < 2 * task_.n ? share(t % task_.n) : end;
      for (std::size_t v = 0; v < lanes_; ++v) sum[v] += brought(driven->second, t, v);
      low += end[0];
      high += end[0];
    }
    for (const auto& [owner, sums] : shares) {
      low += *std::min_element(sums.begin(), sums.end());
      high += *std::max_element(sums.begin(), sums.end());
    }
    if (low >= 0.5) return Held{0, 1};
    if (high < 0.5) return Held{0, 0};
    return std::nullopt;
  }

  std::size_t number(const std::vector<bool>& values) {
    const auto at = std::find(known_.begin(), known_.end(), values);
    if (at != known_.end()) return std::size_t(at - known_.begin());
    known_.push_back(values);
    return known_.size() - 1;
  }
  std::int32_t fingerprint(std::size_t lanes) const {
    const std::vector<std::int32_t> entries(known_[lanes].begin(), known_[lanes].end());
    return std::int32_t(hash_tokens(entries));
  }

  double weight(std::size_t u, Token y, Token c) const {
    return (y == kIgnore ? 0 : net_.head[u * net_.C + std::size_t(y)]) -
           (c == kIgnore ? 0 : net_.head[u * net_.C + std::size_t(c)]);
  }

  /// The least of logit y - logit c (kIgnore: without it) over the quiet inputs, or the others:
  /// those by their last clash, so that what comes after it is quiet and what comes before is free.
  double lowest(Token y, Token c, bool quiet) const {
    double constant = (y == kIgnore ? 0 : net_.head_bias[std::size_t(y)]) -
                      (c == kIgnore ? 0 : net_.head_bias[std::size_t(c)]);
    std::vector<std::map<std::size_t, double>> owned(task_.n);  // lanes -> weight
    for (std::size_t u = 0; u < net_.D; ++u) {
      const double w = weight(u, y, c);
      if (w == 0 || held_[u].lanes == 0) continue;
      if (held_[u].lanes == 1)
        constant += w;
      else
        owned[held_[u].owner][held_[u].lanes] += w;
    }
    struct Lows {
      double quiet = kInfinity, clash = kInfinity;
    };
    std::map<std::map<std::size_t, double>, Lows> seen;
    double all_quiet = 0, broken = kInfinity;  // of the pairs so far
    double free = 0;
    for (const auto& mine : owned) {
      const auto [it, is_new] = seen.try_emplace(mine);
      Lows& lows = it->second;
      for (std::size_t v = 0; v < lanes_ && is_new; ++v) {
        double sum = 0;
        for (const auto& [lanes, w] : mine)
          if (known_[lanes][v]) sum += w;
        double& low = task_.clashes[v] ? lows.clash : lows.quiet;
        low = std::min(low, sum);
      }
      broken = std::min(broken + lows.quiet, free + lows.clash);
      free += std::min(lows.quiet, lows.clash);
      all_quiet += lows.quiet;
    }
    return constant + (quiet ? all_quiet : broken);
  }

  const Net& net_;
  const Halves& task_;
  std::size_t lanes_;
  std::vector<Held> held_;
  std::vector<std::vector<bool>> known_;
  std::map<std::vector<std::size_t>, std::size_t> remembered_;
};

/// The model alone against Task::label.
std::string run_instances(const Net& net, const Task& task, const Certificate& c) {
  constexpr double kWork = 1e8;
  const auto T = std::size_t(task.info(c.claim.length).n_tokens);
  double wires = double(net.D);
  for (const auto& into : net.into) wires += double(into.size());
  Rng rng(12, RngUse::search);
  std::vector<Token> tokens(T), targets(T);
  for (Index i = 0; i < std::clamp<Index>(Index(kWork / wires / double(T)), 2, 64); ++i) {
    task.sample(rng, tokens);
    task.label(tokens, targets);
    std::vector<double> state(net.D, 0.0);
    for (const Token token : tokens) net.step(state, token);
    if (!(net.margin(state, targets.back(), c.claim.arithmetic) >= c.margin))
      return "a drawn input is answered wrongly";
  }
  return {};
}

}  // namespace

std::string recheck_pair_dataflow(const Certificate& c, const Subject& subject) {
  std::size_t pairs = 0, functions = 0;
  std::string digest;
  try {
    c.evidence.at("pairs").get_to(pairs);
    c.evidence.at("functions").get_to(functions);
    c.evidence.at("digest").get_to(digest);
  } catch (const Json::exception&) {
    return "the evidence does not describe functions of pairs";
  }
  Net net;
  if (std::string why = net.read(subject.weights, c.claim.arithmetic); !why.empty()) return why;
  Halves task;
  if (std::string why = task.learn(subject.task, c.claim.length); !why.empty()) return why;
  SideBySide lanes(net, task);
  if (std::string why = lanes.run(); !why.empty()) return why;
  const double margin = lanes.margin(c.claim.arithmetic);
  if (!(margin > 0 && margin >= c.margin && margin >= c.claim.margin))
    return "the margin comes to " + std::to_string(margin) + " only";
  if (pairs != task.n || functions != lanes.functions() || digest != lanes.digest())
    return "the evidence is of other functions: here " + std::to_string(lanes.functions()) +
           " of " + std::to_string(task.n) + " pairs";
  mpz_class inputs;
  mpz_ui_pow_ui(inputs.get_mpz_t(), task.symbols.size(), 2 * task.n);
  if (inputs.get_str() != c.inputs) return "the inputs covered are " + inputs.get_str();
  return run_instances(net, subject.task, c);
}

}  // namespace separatrix

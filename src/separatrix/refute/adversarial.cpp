#include <algorithm>
#include <numeric>

#include "separatrix/refute/judge.h"
#include "separatrix/base/parallel.h"

namespace separatrix {
namespace {

struct AdversarialConfig {
  Index samples = 2048;  ///< drawn per round
  Index climbers = 16;   ///< the least margins among them, improved one edit at a time
  Index edits = 192;     ///< looked at per climber and step
  Index steps = 24;      ///< at most, per round
};
template <class V>
void visit(V& v, AdversarialConfig& c) {
  v("samples", c.samples, "inputs drawn per round");
  v("climbers", c.climbers, "inputs of least margin that are improved by edits");
  v("edits", c.edits, "single and double edits looked at per climber and step");
  v("steps", c.steps, "edits in a row, at most");
}

/// Draws inputs that are likely to be answered wrong: samples, then the samples of least margin
/// changed one or two symbols at a time for as long as the margin falls. An edit of a positive
/// instance is a hard negative of the task, so those need no generator of their own.
class Adversarial final : public Attack {
 public:
  using Config = AdversarialConfig;
  explicit Adversarial(const Config& config) : config_(config) {}

  AttackResult run(const Target& target, const AttackOptions& options) const override {
    Effort effort(options);
    Judge judge(target, options, effort);
    AttackResult result;
    for (Index round = 0; !result.found && !effort.spent(); ++round)
      result.found = run_round({target, options, effort, judge}, round);
    result.effort = effort.words();
    result.seconds = effort.seconds();
    return result;
  }

 private:
  struct Search {
    const Target& target;
    const AttackOptions& options;
    Effort& effort;
    Judge& judge;
  };
  struct Climber {
    Tokens tokens;
    double margin = 0;
    bool stuck = false;
  };

  std::optional<Refutation> run_round(const Search& search, Index round) const;
  std::vector<Tokens> edits_of(const Search& search, const Tokens& tokens, Rng rng) const;

  Config config_;
};

/// The edits of each climber, all of them one list: climber i's are those from begin[i] on.
struct EditList {
  std::vector<Tokens> inputs;
  std::vector<std::size_t> begin;
};

std::optional<Refutation> Adversarial::run_round(const Search& s, Index round) const {
  Rng rng(s.options.seed, RngUse::search, std::uint64_t(round));
  const auto n_tokens = std::size_t(s.target.task.info(s.target.length).n_tokens);
  std::vector<Tokens> samples(std::size_t(config_.samples), Tokens(n_tokens));
  for (Tokens& tokens : samples) s.target.task.sample(rng, tokens);
  const std::vector<Verdict> verdicts = s.judge.judge(samples);
  if (const Index wrong = Judge::first_wrong(verdicts); wrong >= 0)
    return refutation("adversarial", samples[std::size_t(wrong)], verdicts[std::size_t(wrong)]);

  std::vector<std::size_t> order(samples.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return verdicts[a].margin < verdicts[b].margin;
  });
  order.resize(std::min(order.size(), std::size_t(config_.climbers)));
  std::vector<Climber> climbers;
  climbers.reserve(order.size());
  for (const std::size_t i : order) climbers.push_back({samples[i], verdicts[i].margin});

  for (Index step = 0; step < config_.steps && !s.effort.spent(); ++step) {
    std::vector<std::vector<Tokens>> edits(climbers.size());
    const std::uint64_t seed = rng.bits();
    parallel_for(s.options.threads, Index(climbers.size()), [&](std::size_t, Index i) {
      const auto c = std::size_t(i);
      if (!climbers[c].stuck && !s.effort.spent())
        edits[c] = edits_of(s, climbers[c].tokens, Rng(seed, RngUse::search, std::uint64_t(i)));
    });
    EditList list;
    for (std::vector<Tokens>& of_one : edits) {
      list.begin.push_back(list.inputs.size());
      std::move(of_one.begin(), of_one.end(), std::back_inserter(list.inputs));
    }
    list.begin.push_back(list.inputs.size());
    if (list.inputs.empty()) break;
    const std::vector<Verdict> found = s.judge.judge(list.inputs);
    if (const Index wrong = Judge::first_wrong(found); wrong >= 0)
      return refutation("adversarial", list.inputs[std::size_t(wrong)], found[std::size_t(wrong)]);
    for (std::size_t c = 0; c < climbers.size(); ++c) {
      Climber& climber = climbers[c];
      climber.stuck = true;
      for (std::size_t i = list.begin[c]; i < list.begin[c + 1]; ++i)
        if (found[i].margin < climber.margin)
          climber = {list.inputs[i], found[i].margin, /*stuck=*/false};
    }
  }
  return std::nullopt;
}

/// Single-symbol edits (all, or a random choice if there are too many), and as many random double
/// ones as are left: changes that must go together, such as a symbol in both of two equal strings.
/// Only edits that are instances.
std::vector<Tokens> Adversarial::edits_of(const Search& s, const Tokens& tokens, Rng rng) const {
  const Task& task = s.target.task;
  struct Edit {
    std::size_t position;
    Token token;
  };
  std::vector<Edit> singles;
  for (std::size_t t = 0; t < tokens.size(); ++t)
    for (const Token token : task.legal_next(std::span(tokens).first(t), s.target.length))
      if (token != tokens[t]) singles.push_back({t, token});
  if (singles.empty()) return {};
  // Fisher-Yates: a random order whose beginning is taken.
  for (std::size_t i = 0; i + 1 < singles.size(); ++i)
    std::swap(singles[i], singles[i + std::size_t(rng.below(Index(singles.size() - i)))]);

  std::vector<Tokens> edits;
  const auto add = [&](const Tokens& edited, std::size_t first) {
    if (is_instance(task, s.target.length, edited, first)) edits.push_back(edited);
  };
  const std::size_t most = std::size_t(config_.edits), most_singles = most - most / 3;
  for (std::size_t i = 0; i < std::min(singles.size(), most_singles); ++i) {
    Tokens edited = tokens;
    edited[singles[i].position] = singles[i].token;
    add(edited, singles[i].position);
  }
  for (std::size_t i = 0; i < most / 3; ++i) {
    const Edit& a = singles[std::size_t(rng.below(Index(singles.size())))];
    const Edit& b = singles[std::size_t(rng.below(Index(singles.size())))];
    if (a.position == b.position) continue;
    Tokens edited = tokens;
    edited[a.position] = a.token;
    edited[b.position] = b.token;
    add(edited, std::min(a.position, b.position));
  }
  return edits;
}

}  // namespace

void register_adversarial(Registry<Attack>& attacks) {
  attacks.add<Adversarial>("adversarial",
                           "samples, then edits that lower the margin; any kind of model");
}

}  // namespace separatrix

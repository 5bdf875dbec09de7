#include "separatrix/proofs/state_graph.h"

#include <algorithm>
#include <bit>
#include <map>

#include <gmpxx.h>

#include "separatrix/base/hash.h"
#include "separatrix/proofs/recheck.h"
#include "separatrix/proofs/state_search.h"

// A recurrent model and the task's own machine, run side by side: the pairs of states that they
// reach together are finitely many, and each is looked at once. docs/theory.md, "The graph of
// states".

namespace separatrix {
namespace {

struct StateGraphConfig {};
template <class V>
void visit(V&, StateGraphConfig&) {}

/// The task's DFA for all lengths.
class EveryLength final : public Machine {
 public:
  explicit EveryLength(Dfa dfa) : dfa_(std::move(dfa)), legal_(std::size_t(dfa_.n_states)) {
    for (Index s = 0; s < dfa_.n_states; ++s)
      for (Token a = 0; a < dfa_.alphabet; ++a)
        if (dfa_.is_legal(s, a)) legal_[std::size_t(s)].push_back(a);
  }
  const std::vector<Token>& legal(Index, std::int32_t state) override {
    return legal_[std::size_t(state)];
  }
  std::int32_t step(std::int32_t state, Token token) override {
    return std::int32_t(dfa_.step(state, token));
  }
  Token output(std::int32_t state) const override { return dfa_.output[std::size_t(state)]; }
  const Dfa& dfa() const { return dfa_; }

 private:
  Dfa dfa_;
  std::vector<std::vector<Token>> legal_;
};

/// The task's streaming reference, from the states at one time to those at the next.
class OneStep final : public Machine {
 public:
  using State = StreamingReference::State;
  OneStep(const StreamingReference& reference, const Task& task, Index length, const Pairs& pairs)
      : reference_(reference), task_(task), length_(length), pairs_(pairs) {}

  /// Before the first token.
  void start() { after_.assign(1, reference_.start()); }
  /// The states after the last step are those before the next, at time t.
  void begin(Index t) {
    t_ = t;
    before_ = std::move(after_);
    after_.clear();
    numbers_.clear();
    legal_.assign(before_.size(), {});
    known_.assign(before_.size(), false);
  }
  /// Equal states at equal times have equal futures, so the word of the first pair serves for all.
  const std::vector<Token>& legal(Index pair, std::int32_t state) override {
    const auto s = std::size_t(state);
    if (!known_[s]) legal_[s] = task_.legal_next(pairs_.word(pair), length_);
    known_[s] = true;
    return legal_[s];
  }
  std::int32_t step(std::int32_t state, Token token) override {
    State next = reference_.step(before_[std::size_t(state)], token, t_);
    const auto [it, is_new] = numbers_.try_emplace(std::move(next), std::int32_t(after_.size()));
    if (is_new) after_.push_back(it->first);
    return it->second;
  }
  Token output(std::int32_t state) const override {
    return reference_.output(after_[std::size_t(state)], t_);
  }
  const State& reached(std::int32_t state) const { return after_[std::size_t(state)]; }

 private:
  const StreamingReference& reference_;
  const Task& task_;
  Index length_, t_ = 0;
  const Pairs& pairs_;
  std::vector<State> before_, after_;
  std::map<State, std::int32_t> numbers_;
  std::vector<std::vector<Token>> legal_;
  std::vector<bool> known_;
};

/// A sum over pairs, so that their order does not matter.
class Digest {
 public:
  Digest(const Elman& model) : model_(model) {}
  void add(Index t, const std::vector<std::int32_t>& machine, const std::uint64_t* words) {
    std::vector<std::int32_t> text{std::int32_t(t), std::int32_t(machine.size())};
    text.insert(text.end(), machine.begin(), machine.end());
    for (Index u = 0; u < model_.units(); ++u)
      text.push_back(std::bit_cast<std::int32_t>(model_.unit(words, u)));
    sum_ += hash_tokens(text);
  }
  std::string text() const { return std::to_string(sum_); }

 private:
  const Elman& model_;
  std::uint64_t sum_ = 0;
};

std::string trust(const char* what) {
  return std::string(what) +
         ", compared with Task::label on drawn instances; the code of this method or of its "
         "recheck; that sums which need no rounding are not rounded";
}

/// Right on every length: the pairs are closed under every token that may follow. Undecided with
/// `why` otherwise.
std::optional<Certificate> prove_every_length(Certificate c, const Subject& subject,
                                              const Elman& model, std::string& why) {
  auto dfa = subject.task.uniform();
  why = "the task has no automaton for all lengths";
  if (!dfa) return std::nullopt;
  EveryLength machine(std::move(*dfa));
  Search search(model, c.claim, subject.threads);
  search.start(0);
  Pairs& pairs = search.pairs();
  for (Index begin = 0; begin < pairs.size();) {
    const Index end = pairs.size();
    if (!search.expand(begin, end, machine, [](Index, Index) {})) {
      why = search.why();
      return std::nullopt;
    }
    begin = end;
  }
  Digest digest(model);
  for (Index pair = 0; pair < pairs.size(); ++pair)
    digest.add(0, {pairs.origin(pair).machine}, pairs.words(pair));
  c.trusted_base = trust("the task's automaton, which says that it reads every length");
  c.evidence = {{"every_length", true},
                {"pairs", pairs.size()},
                {"steps", search.steps()},
                {"digest", digest.text()}};
  return conclude(std::move(c), search.margin(), kEveryLength);
}

/// The rest of an instance after a prefix, drawn.
std::vector<Token> complete(const Task& task, Index length, std::vector<Token> word) {
  Rng rng(1, RngUse::search);
  for (auto next = task.legal_next(word, length); !next.empty();
       next = task.legal_next(word, length))
    word.push_back(next[std::size_t(rng.below(Index(next.size())))]);
  return word;
}

/// One layer of pairs for each number of tokens; how many inputs lead to a pair is counted on the
/// way.
Certificate decide_one_length(Certificate c, const Subject& subject, const Elman& model) {
  const Task& task = subject.task;
  const Index length = c.claim.length, n_tokens = task.info(length).n_tokens;
  const auto reference = task.streaming(length);
  if (!reference) return undecided(std::move(c), "the task has no streaming reference");
  Search search(model, c.claim, subject.threads);
  Pairs& pairs = search.pairs();
  OneStep machine(*reference, task, length, pairs);
  Digest digest(model);
  machine.start();
  search.start(0);
  std::vector<mpz_class> counts{1};  // inputs that lead to each pair of the layer
  for (Index t = 0; t < n_tokens; ++t) {
    machine.begin(t);
    const Index begin = t == 0 ? 0 : pairs.size() - Index(counts.size()), end = pairs.size();
    pairs.begin_layer(begin);
    std::vector<mpz_class> next;
    const bool good = search.expand(begin, end, machine, [&](Index from, Index to) {
      if (to - end >= Index(next.size())) next.resize(std::size_t(to - end) + 1);
      next[std::size_t(to - end)] += counts[std::size_t(from - begin)];
    });
    if (search.broken() >= 0 &&
        refute(c, subject, complete(task, length, pairs.word(search.broken()))))
      return c;
    if (!good) return undecided(std::move(c), search.why());
    for (Index pair = end; pair < pairs.size(); ++pair)
      digest.add(t, machine.reached(pairs.origin(pair).machine), pairs.words(pair));
    counts = std::move(next);
  }
  mpz_class inputs = 0;
  for (const mpz_class& count : counts) inputs += count;
  c.trusted_base = trust("the task's streaming reference");
  c.evidence = {{"every_length", false},
                {"pairs", pairs.size()},
                {"steps", search.steps()},
                {"digest", digest.text()}};
  return conclude(std::move(c), search.margin(), inputs.get_str());
}

/// What the machines say is what Task::label says, on drawn instances.
bool machines_agree(const Task& task, Index length) {
  constexpr int kDrawn = 64;
  constexpr Index kTokens = 1 << 20;
  const auto reference = task.streaming(length);
  const auto dfa = task.uniform();
  const Index T = task.info(length).n_tokens;
  std::vector<Token> tokens(static_cast<std::size_t>(T)), targets(tokens.size());
  Rng rng(2, RngUse::search);
  for (Index i = 0; i < std::clamp<Index>(kTokens / T, 1, kDrawn); ++i) {
    task.sample(rng, tokens);
    task.label(tokens, targets);
    auto state = reference ? reference->start() : StreamingReference::State();
    Index s = 0;
    for (std::size_t t = 0; t < tokens.size(); ++t) {
      if (reference) {
        state = reference->step(state, tokens[t], Index(t));
        if (reference->output(state, Index(t)) != targets[t]) return false;
      }
      if (dfa) {
        if (!dfa->is_legal(s, tokens[t])) return false;
        s = dfa->step(s, tokens[t]);
        if (targets[t] != kIgnore && dfa->output[std::size_t(s)] != targets[t]) return false;
      }
    }
  }
  return true;
}

class StateGraph final : public CertificateMethod {
 public:
  using Config = StateGraphConfig;
  explicit StateGraph(const Config&) {}

  Certificate certify(const Claim& claim, const Subject& subject) const override {
    Certificate c = begin_certificate("state-graph", claim, subject.weights);
    std::string why;
    const auto model = Elman::view(subject.weights, claim.arithmetic, why);
    if (!model) return undecided(std::move(c), why);
    if (!machines_agree(subject.task, claim.length))
      return undecided(std::move(c), "the task's machines disagree with its labels");
    if (auto proof = prove_every_length(c, subject, *model, why)) return *proof;
    return decide_one_length(std::move(c), subject, *model);
  }

  std::string recheck(const Certificate& c, const Subject& subject) const override {
    if (c.verdict == Verdict::refuted) return recheck_counterexample(c, subject);
    return recheck_state_graph(c, subject);
  }
};

}  // namespace

void register_state_graph(Registry<CertificateMethod>& methods) {
  methods.add<StateGraph>("state-graph", "all pairs of states of a recurrent model and its task");
}

}  // namespace separatrix

#include <map>
#include <set>

#include "separatrix/proofs/bit_register.h"
#include "separatrix/tasks/task.h"

namespace separatrix {
namespace {

struct DfaRnnConfig {};
template <class V>
void visit(V&, DfaRnnConfig&) {}

/// The units: pairs (kind of symbol, state that it led to). Symbols are of one kind when they do
/// the same to every state.
struct Units {
  Dfa dfa;
  std::vector<Index> kind;                    ///< of a symbol
  std::vector<Index> symbol;                  ///< the first of a kind
  std::vector<bool> reached;                  ///< a state, by some word
  std::vector<std::pair<Index, Index>> list;  ///< (kind, state)

  explicit Units(Dfa automaton) : dfa(std::move(automaton)) {
    std::map<std::vector<Index>, Index> kinds;
    for (Index a = 0; a < dfa.alphabet; ++a) {
      std::vector<Index> column;
      for (Index s = 0; s < dfa.n_states; ++s) column.push_back(dfa.step(s, a));
      const auto [it, is_new] = kinds.try_emplace(std::move(column), Index(symbol.size()));
      if (is_new) symbol.push_back(a);
      kind.push_back(it->second);
    }
    reach();
    std::set<std::pair<Index, Index>> pairs;
    for (Index s = 0; s < dfa.n_states; ++s)
      for (std::size_t m = 0; m < symbol.size() && reached[std::size_t(s)]; ++m)
        pairs.insert({Index(m), dfa.step(s, symbol[m])});
    list.assign(pairs.begin(), pairs.end());
  }

 private:
  void reach() {
    reached.assign(std::size_t(dfa.n_states), false);
    std::vector<Index> open{0};
    reached[0] = true;
    while (!open.empty()) {
      const Index s = open.back();
      open.pop_back();
      for (const Index a : symbol)
        if (const Index r = dfa.step(s, a); !reached[std::size_t(r)]) {
          reached[std::size_t(r)] = true;
          open.push_back(r);
        }
    }
  }
};

/// The automaton itself: unit (m, r) is 1 after a symbol of kind m that led to state r, so exactly
/// one is. docs/theory.md, "Automata as recurrent networks".
class DfaRnn final : public Construction {
 public:
  using Config = DfaRnnConfig;
  explicit DfaRnn(const Config&) {}

  std::string task() const override { return "regular"; }
  ModelClass model_class() const override { return ModelClass::recurrent; }

  std::optional<Claim> claim(const ConstructionRequest& request) const override {
    const auto made = make_task(request);
    const TaskInfo info = made->info(request.length);
    BitRegister::require_fitting("dfa-rnn", Index(Units(*made->uniform()).list.size()),
                                 info.vocab_size, info.n_classes);
    return Claim{.task = task(),
                 .task_config = request.task_config,
                 .length = request.length,
                 .margin = 1,
                 .arithmetic = request.arithmetic,
                 .theorem = "docs/theory.md, Automata as recurrent networks"};
  }

  Built build(const ConstructionRequest& request, const Registry<Block>& blocks) const override {
    const auto made = make_task(request);
    const Units units(*made->uniform());
    const Dfa& dfa = units.dfa;
    const Index D = Index(units.list.size());
    BitRegister net(D, made->info(request.length), blocks);
    for (Index u = 0; u < D; ++u) {
      const Index m = units.list[std::size_t(u)].first, r = units.list[std::size_t(u)].second;
      const Index symbol = units.symbol[std::size_t(m)];
      const auto leads_here = [&](Index state) { return dfa.step(state, symbol) == r; };
      for (Index a = 0; a < dfa.alphabet; ++a)
        if (units.kind[std::size_t(a)] == m) net.drive(a, u, 1);
      // 1 only together with a unit of a state that leads here. Before the first symbol no unit is
      // 1; a unit to which the start leads counts units that do not lead here instead.
      const bool from_start = leads_here(0);
      if (!from_start) net.bias(u, -1);
      for (Index from = 0; from < D; ++from) {
        const bool leads = leads_here(units.list[std::size_t(from)].second);
        if (leads != from_start) net.connect(from, u, leads ? 1 : -1);
      }
      net.read(u, dfa.output[std::size_t(r)], 1);
    }
    return std::move(net).finish({{"symbol and state", 0, D, Slot::Code::one_hot}});
  }

 private:
  /// A local registry: a construction is not given one, and the automaton is the task's to read.
  std::unique_ptr<Task> make_task(const ConstructionRequest& request) const {
    Registry<Task> tasks("task");
    register_tasks(tasks);
    return tasks.make(task(), request.task_config);
  }
};

}  // namespace

void register_dfa_rnn(Registry<Construction>& constructions) {
  constructions.add<DfaRnn>("dfa-rnn", "any finite automaton as a recurrent network");
}

}  // namespace separatrix

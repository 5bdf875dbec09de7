#include <bit>

#include "separatrix/proofs/bit_register.h"
#include "separatrix/proofs/task_parameters.h"
#include "separatrix/tasks/task.h"

namespace separatrix {
namespace {

struct SetDisjointnessRnnConfig {};
template <class V>
void visit(V&, SetDisjointnessRnnConfig&) {}

/// A ring of n bits: slot 0 takes in (oldest or not a). While the ring is empty that is "not x_i",
/// later "not x_i or not y_i": all are 1 iff the sets are disjoint. Nothing says which half is
/// read, and nothing needs to. EOS brings nothing: the ring turns.
void write_ring(BitRegister& net, Index n) {
  net.drive(0, 0, 1);
  for (Index j = 0; j < n; ++j) net.connect(j, (j + 1) % n, 1);
  // disjoint: sum of weights of the bits that are 0, negative, so 0 or at most -2; else: -1. The
  // weights are 2 and 4 such that their sum is a power of two, exact in every format.
  const Index half = Index(std::bit_ceil(std::uint64_t(n)));
  for (Index j = 0; j < n; ++j) net.read(j, 1, j < half - n ? 4 : 2);
  net.read_bias(1, -double(2 * half));
  net.read_bias(0, -1);
}

/// Two bits (waits, one): 00 between pairs, 10 and 11 a bit 0 or 1 of x waits, 01 for good after a
/// clash.
void write_interleaved(BitRegister& net) {
  constexpr Index kWaits = 0, kOne = 1;
  net.bias(kWaits, 1);
  net.connect(kWaits, kWaits, -1);
  net.connect(kOne, kWaits, -1);
  net.drive(1, kOne, 1);
  net.connect(kOne, kOne, 1);
  net.connect(kWaits, kOne, -1);
  net.read_any({kOne}, 0);
}

class SetDisjointnessRnn final : public Construction {
 public:
  using Config = SetDisjointnessRnnConfig;
  explicit SetDisjointnessRnn(const Config&) {}

  std::string task() const override { return "set-disjointness"; }
  ModelClass model_class() const override { return ModelClass::recurrent; }

  std::optional<Claim> claim(const ConstructionRequest& request) const override {
    BitRegister::require_fitting("set-disjointness-rnn", units(request), 3, 2);
    return Claim{.task = task(),
                 .task_config = request.task_config,
                 .length = request.length,
                 .margin = 1,
                 .arithmetic = request.arithmetic,
                 .theorem = "docs/theory.md, Equality and disjointness, recurrent"};
  }

  Built build(const ConstructionRequest& request, const Registry<Block>& blocks) const override {
    const Index D = units(request);
    BitRegister net(
        D, {.vocab_size = 3, .n_classes = 2, .n_tokens = request.length + 1, .reference = {}},
        blocks);
    if (interleaved(request)) {
      write_interleaved(net);
      return std::move(net).finish({{"a bit waits", 0, 1, Slot::Code::number},
                                    {"it is 1, or a clash", 1, 1, Slot::Code::number}});
    }
    write_ring(net, D);
    return std::move(net).finish({{"not in both", 0, D, Slot::Code::number}});
  }

 private:
  bool interleaved(const ConstructionRequest& request) const {
    return read_config<DisjointnessParameters>(request.task_config, task()).layout == "interleaved";
  }
  Index units(const ConstructionRequest& request) const {
    return interleaved(request) ? 2 : request.length / 2;
  }
};

}  // namespace

void register_set_disjointness_rnn(Registry<Construction>& constructions) {
  constructions.add<SetDisjointnessRnn>("set-disjointness-rnn",
                                        "recurrent register that meets the lower bound");
}

}  // namespace separatrix

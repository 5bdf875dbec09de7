#include "separatrix/proofs/address_construction.h"
#include "separatrix/proofs/recall_circuit.h"
#include "separatrix/proofs/symbol_code.h"

namespace separatrix {
namespace {

constexpr const char* kName = "nearest-neighbor-transformer";

struct NearestNeighborParameters {
  Index dimension = 8, labels = 2;
  std::string positions = "last";
};
template <class V>
void visit(V& v, NearestNeighborParameters& c) {
  v("dimension", c.dimension, "d: points are in {-1,+1}^d");
  v("labels", c.labels, "C: number of labels");
  v("positions", c.positions, "which points are asked");
}

/// Two layers: every label looks up its point, and an asked point looks for the nearest of these,
/// the earliest if several are. The same weights serve both choices of what is asked.
/// docs/theory.md, "Two layers".
class NearestNeighborTransformer final : public AddressConstruction {
 public:
  explicit NearestNeighborTransformer(Config config)
      : AddressConstruction({.construction = kName,
                             .task = "nearest-neighbor",
                             .theorem = "bhattamishra2024 (docs/theory.md, Two layers)"},
                            config) {}

  std::optional<Claim> claim(const ConstructionRequest& request) const override {
    const RecallCircuit circuit(design(request));
    const double size = double(circuit.slots().answer.width) / 2;
    const double margin = circuit.digit() - circuit.head_loss(size);
    if (!circuit.scores_are_exact()) return std::nullopt;
    return claim_margin(request, margin);
  }
  Built build(const ConstructionRequest& request, const Registry<Block>& blocks) const override {
    const auto read = read_config<NearestNeighborParameters>(request.task_config, task());
    const RecallCircuit circuit(design(request));
    Weights w = circuit.weights(
        blocks, [](Index t) { return t % 2 == 1 ? std::optional(t - 1) : std::nullopt; });
    const Table tokens(w, "embedding", w.spec.d_model);
    const Index points = Index{1} << read.dimension;
    for (Index x = 0; x < points; ++x) tokens.write(x, circuit.slots().key, x);
    for (Index y = 0; y < read.labels; ++y) tokens.write(points + y, circuit.slots().value, y);
    write_value_head(w, circuit.slots().answer, 0, read.labels);
    return {.weights = std::move(w),
            .slots = circuit.stream().slots(),
            .temperature = circuit.temperature()};
  }

 private:
  RecallCircuit::Design design(const ConstructionRequest& request) const {
    const auto read = read_config<NearestNeighborParameters>(request.task_config, task());
    return {
        .construction = kName,
        .size = {(Index{1} << read.dimension) + read.labels, read.labels, 2 * request.length + 1},
        .key_width = read.dimension,
        .value_width = code_bits(read.labels),
        .tie = -1,
        .n_stored = request.length,
        .temperature = temperature(),
        .arithmetic = request.arithmetic};
  }
};

}  // namespace

void register_nearest_neighbor_transformer(Registry<Construction>& constructions) {
  constructions.add<NearestNeighborTransformer>(
      kName, "two layers: bind labels to points, find the nearest");
}

}  // namespace separatrix

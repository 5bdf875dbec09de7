#pragma once

#include <memory>
#include <vector>

#include "separatrix/nn/block.h"

namespace separatrix {

/// A ModelSpec made ready to run: the blocks, and where each parameter starts in the buffer.
struct Program {
  struct Layer {
    std::unique_ptr<Block> block;
    bool residual = true;
    Index norm = 0, weights = 0;
  };
  ModelSpec spec;
  std::vector<Layer> layers;
  Index n_parameters = 0;
  Index embedding = 0, positions = 0, norm = 0, head = 0, head_bias = 0;

  Program(const ModelSpec& spec, const Registry<Block>& blocks);

  bool has_norms() const { return spec.norm != "none"; }
  bool has_positions() const { return spec.positions == "learned"; }
  /// The head's matrix is the embedding [C, D]; there is no bias.
  bool tied() const { return spec.tied(); }
  bool trains_embedding() const { return spec.embedding == "learned"; }

  /// Sequences of a tile for inputs of T tokens of which at most `asked` are read: as many as keep
  /// what forward and backward touch within the L2 cache, and at least what the recurrences want in
  /// lockstep and what makes reading the weights worth while. Depends on nothing else.
  Index tile_sequences(Index T, Index asked) const;

 private:
  Index touched_floats(Index T, Index asked) const;
};

}  // namespace separatrix

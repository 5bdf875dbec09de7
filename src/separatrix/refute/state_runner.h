#pragma once

#include <string>
#include <vector>

#include "separatrix/nn/program.h"
#include "separatrix/tasks/task.h"

namespace separatrix {

/// Runs a model one position at a time, carrying the states of its recurrent layers: the same
/// function as Model::logits up to the rounding of sums, since each block's step() is its forward()
/// position by position. For searching; what is found is run through Model::logits.
class StateRunner {
 public:
  StateRunner(const Weights& weights, const Registry<Block>& blocks);

  /// Index of the first layer that looks back at all positions, whose past therefore is no state;
  /// -1 if there is none.
  Index first_attention() const { return first_attention_; }

  /// Numbers carried, over all recurrent layers, and the bits that they are stored in.
  Index size() const { return size_; }
  Index bits() const { return bits_; }

  /// Reads one token at a position: replaces state [size()]; all zeros = nothing read yet. Needs
  /// first_attention() < 0.
  void read(Token token, Index position, float* state);
  /// Logits [n_classes] after the token read last.
  std::vector<float> logits();

  /// What enters the block of layer i (after its norm) for a token at a position, [d_model]; the
  /// layers before it must be pointwise. Valid until the next call.
  const float* input_of(std::size_t layer, Token token, Index position);
  const Program& program() const { return program_; }

 private:
  void embed_token(Token token, Index position);
  const float* normed(Index gain);
  void run_layer(std::size_t i, float* state);

  const Weights& weights_;
  Program program_;
  Index size_ = 0, bits_ = 0, first_attention_ = -1;
  std::vector<Index> states_;  ///< where each layer's state starts
  std::vector<float> x_, y_, normed_, stats_, cache_, scratch_;
};

}  // namespace separatrix

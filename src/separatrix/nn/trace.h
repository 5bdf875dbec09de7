#pragma once

#include <span>
#include <string>
#include <vector>

#include "separatrix/nn/model.h"

namespace separatrix {

/// What happens inside a model on one input, at some of its positions. In double precision and
/// written plainly, as reference_logits, whose logits these are.
struct Trace {
  struct Layer {
    std::string block;              ///< "attention"
    bool residual = true;           ///< its output was added to its input
    Index heads = 0;                ///< 0: the layer forms no averages
    std::vector<double> attention;  ///< [rows, heads, T]: weights of the averages; 0 = not seen
    std::vector<double> stream;     ///< [rows, D]: the residual stream after the layer
  };
  std::vector<Index> rows;       ///< the positions, ascending
  std::vector<double> embedded;  ///< [rows, D]: the stream before the first layer
  std::vector<Layer> layers;
  std::vector<double> logits;  ///< [rows, n_classes]
};

/// Precondition: the tokens fit the model, rows ascend and are positions of them. Memory beyond
/// that of reference_logits: rows.size() T numbers for each head.
Trace trace(const Weights& weights, const Registry<Block>& blocks, std::span<const Token> tokens,
            std::span<const Index> rows);

}  // namespace separatrix

#pragma once

#include <optional>
#include <string>

#include "separatrix/bounds/bound.h"
#include "separatrix/nn/model.h"

namespace separatrix {

/// A model's own size, as lower bounds count it.
struct ModelSize {
  std::optional<Index> state_bits;           ///< of a recurrent model, summed over its layers
  std::optional<OneLayerNumbers> one_layer;  ///< of a one-layer transformer; margin is not set
  std::string why_not;                       ///< neither of them: what stands in the way
};

/// State bits as the blocks declare them (tests change every element of a state and see that it
/// matters). For one attention layer, then any number of MLPs: H, d_v and p = 32, and sound
/// bounds for inputs of n_tokens tokens, with every rounding of this computation added:
///
///     V      = max |x_jt W_v|, over all tokens j at all positions t, x after the norm;
///     S      = max |<x_iT W_q, x_jt W_k>| scale, queries at the last position;
///     Lambda = Lipschitz constant of every difference of two logits at the last position in all
///              head outputs o, sup norm: max over pairs a, b of sum_i |(W_o W_head)_ia - ..._ib|,
///              and through an MLP with |f'| <= L: + sum_j |W_out W_head|_j L sum_i |W_o W_in|_ij.
///
/// A norm after the attention divides by a deviation of at least sqrt(eps), which is sound but
/// far from tight.
ModelSize measure_size(const Weights& weights, const Registry<Block>& blocks, Index n_tokens);

/// The least margin mu, up to one part in 1000 and rounded up, that a model of these numbers cannot
/// keep on every input, by a bound of `one-layer-margin`: on some input it is wrong, or right by
/// less. nullopt when the bound excludes no margin.
std::optional<double> excluded_margin(const OneLayerNumbers& numbers, const BoundRequest& request,
                                      const Bound& bound);

}  // namespace separatrix

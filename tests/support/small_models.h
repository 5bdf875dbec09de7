#pragma once

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "separatrix/nn/model.h"

namespace separatrix::test {

inline ModelSpec small_lookup_model(const std::string& norm, std::vector<LayerSpec> layers, Index q,
                                    Index n) {
  ModelSpec spec;
  spec.vocab_size = q + n;
  spec.n_classes = q;
  spec.d_model = 6;
  spec.max_length = n + 1;
  spec.norm = norm;
  spec.layers = std::move(layers);
  return spec;
}

inline LayerSpec layer_of(const char* block, Json config = Json::object(), bool residual = true) {
  return {.block = block, .config = std::move(config), .residual = residual};
}

/// Models of width 6 for index lookup, of every kind of block and norm.
inline std::vector<ModelSpec> small_models_of_every_kind(Index q, Index n) {
  const auto make = [&](const char* norm, std::vector<LayerSpec> layers) {
    return small_lookup_model(norm, std::move(layers), q, n);
  };
  return {make("none", {layer_of("attention")}),
          make("layer", {layer_of("attention", {{"n_heads", 2}}), layer_of("mlp")}),
          make("rms", {layer_of("mlp"), layer_of("attention")}),
          make("none", {layer_of("rnn", Json::object(), false)}),
          make("none", {layer_of("lstm", Json::object(), false)})};
}

/// logit_y - best other.
inline double margin_of(const std::vector<double>& logits, Token y) {
  double least = INFINITY;
  for (std::size_t c = 0; c < logits.size(); ++c)
    if (Token(c) != y) least = std::min(least, logits[std::size_t(y)] - logits[c]);
  return least;
}

}  // namespace separatrix::test

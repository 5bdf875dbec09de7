#pragma once

#include <string>

#include "separatrix/lab/models.h"

namespace separatrix {

/// A model in one word, as lists of models are given: a family, or the blocks of a layer joined by
/// '+', then its options, each behind a colon:
///
///     lstm    mamba:layers=2    retnet:layers=2:heads=4    attention+mlp    delta-net:d_state=16
///
/// Options are the sizes and the fields of the first block's config. Throws Error(spec) naming the
/// nearest match.
NamedModel parse_model(const std::string& text, const Registry<Block>& blocks);

/// The word that parse_model reads back: canonical names, options that are not at their defaults in
/// order. Equal models have equal words.
std::string model_text(const NamedModel& model);

}  // namespace separatrix

#pragma once

#include <string>
#include <vector>

#include "separatrix/model/weights.h"

namespace separatrix {

/// What a stack of blocks is called and how deep it is.
struct ModelShape {
  std::string name;  ///< the family's ("transformer", "lstm"); of a hybrid "attention+lstm"
  Index layers = 0;  ///< how often the blocks of one layer are repeated
  std::vector<std::string> unit;  ///< the blocks of one layer, without "mlp"
};

/// The family is told by the blocks that mix positions alone, so that a transformer without MLP, or
/// an LSTM with residuals, is still called one; option_labels() tells such relatives apart.
ModelShape model_shape(const ModelSpec& spec);

}  // namespace separatrix

#pragma once

#include <string>

#include "separatrix/base/fields.h"

namespace separatrix {

/// For everything that reads the weights of a block "attention" itself instead of running it: such
/// code knows n_heads, d_head, d_value, causal and scale. Empty if all other options of this config
/// have their defaults, so that the attention is the plain one; else the first that has not.
std::string beyond_plain_attention(const Json& config);

}  // namespace separatrix

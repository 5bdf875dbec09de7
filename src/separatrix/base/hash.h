#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace separatrix {

/// Lower-case hexadecimal SHA-256: identities of trials and of weights.
std::string sha256(std::string_view bytes);

/// A fast 64-bit mix of the tokens of one input; equal on every machine. Decides which inputs are
/// held out from training, so it is part of the file format.
std::uint64_t hash_tokens(std::span<const std::int32_t> tokens);

}  // namespace separatrix

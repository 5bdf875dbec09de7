#pragma once

#include <string_view>
#include <vector>

#include "separatrix/model/model_file.h"

// What the fuzzers call, and the replay test with the committed corpus: bytes of a stranger in,
// success or Error out; anything else (another exception, a sanitizer's report, a failed promise
// below) ends the process.
namespace separatrix::fuzz {

void model_spec(std::string_view bytes);
void model_file(std::string_view bytes);
void yaml(std::string_view bytes);
void table(std::string_view bytes);
void dfa(std::string_view bytes);

/// The parameters of a small family of specs; enough to exercise every check of parse_model
/// (blocks and their registry live above it). Throws Error(spec) for unknown blocks, as the real
/// one does.
std::vector<ParamSpec> simple_params(const ModelSpec& spec);

}  // namespace separatrix::fuzz

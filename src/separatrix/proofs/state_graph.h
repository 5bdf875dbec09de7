#pragma once

#include <string>

#include "separatrix/proofs/certificate.h"

namespace separatrix {

/// The rechecking side of `state-graph`, for a proved certificate. Empty text = valid.
std::string recheck_state_graph(const Certificate& certificate, const Subject& subject);

/// Certificate::inputs of a proof that is not about one length.
inline constexpr const char* kEveryLength = "all, of every length";

}  // namespace separatrix

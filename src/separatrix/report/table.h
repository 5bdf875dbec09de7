#pragma once

#include <optional>
#include <string>

#include "separatrix/lab/separate.h"

namespace separatrix {

/// The description, an empty line and the table of the three numbers, for a terminal: ASCII,
/// columns aligned, every line ended. `criterion` says what "learned" was measured by; see
/// criterion_of().
///
///                      impossible below  certified at                       learned at (99 % of
///                      ...)
///     recurrent state  120 bits (exact)  120 bits, shift-register (proved)  lstm: 32 units = ...
std::string separation_table(const Separation& separation,
                             const std::optional<TrainConfig>& criterion = {});

/// What the experiment's trials were trained towards; nullopt when it has none. Throws Error(io).
std::optional<TrainConfig> criterion_of(const Store& store, const std::string& experiment);

// The cells; "-" where there is nothing.
std::string impossible_text(const Json& bound);      ///< "120 bits (exact)"
std::string certified_text(const Json& certified);   ///< "width 17, float32, margin 0.49 (proved)"
std::string learned_text(const LearnedAt& learned);  ///< "width 8, 3/3 seeds (44..100 %), ..."
/// Wilson's 95 % interval of the fraction of seeds that solve: "44..100 %".
std::string success_text(const LearnedAt& learned);
std::string criterion_text(const TrainConfig& criterion);  ///< "99 % of 5000 fresh inputs"

}  // namespace separatrix

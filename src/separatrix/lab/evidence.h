#pragma once

#include <functional>
#include <map>
#include <string>

#include "separatrix/lab/separate.h"
#include "separatrix/model/model_file.h"

namespace separatrix {

/// What is known without training: the first two of the three numbers.
struct Evidence {
  std::map<Resource, Json> bounds;            ///< largest whose witness checks
  std::map<std::string, Json> constructions;  ///< by row_of: smallest, proved before undecided
};

/// The row of the table that a model belongs to: "recurrent state", "transformer 1 layer",
/// "transformer 2 layers", ...; only layers of attention are counted. What has attention and a
/// state, too, is no transformer: no bound of the other rows is about it.
std::string row_of(const ModelSpec& spec, const Registry<Block>& blocks);
std::string transformer_row(Index layers);
inline constexpr const char* kRecurrentRow = "recurrent state";
inline constexpr const char* kHybridRow = "attention and state";

/// {"construction", "task", "length", "width", "layers", "heads", "parameters", "state_bits",
/// "temperature"} of a built construction.
Json describe_built(const std::string& construction, const Claim& claim, const Built& built,
                    const Registry<Block>& blocks);
/// Its model file, which says what it claims and what its slots are called.
ModelFile built_file(const std::string& construction, const Claim& claim, const Built& built);

/// Computes every bound and construction that applies to the task, checks and certifies them, and
/// keeps all in the store ("bound", "construction", "certificate") and the models and certificates
/// as files in <store>.d/constructions/. What the store has from this version of the program is not
/// computed again. Methods that will not fit are said and left out. `stop` is looked at between
/// two of them. Throws Error(io).
Evidence gather_evidence(const SeparateConfig& config, const Catalogue& catalogue, Store& store,
                         const std::string& experiment,
                         const std::function<void(const std::string&)>& say,
                         const std::atomic<bool>* stop);

}  // namespace separatrix

#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "separatrix/lab/budget.h"
#include "separatrix/lab/runner.h"

namespace separatrix {

struct SeparateConfig {
  std::string task;
  Json task_config = Json::object();
  Index length = 0;
  std::vector<std::string> models = {"transformer", "lstm"};  ///< as parse_model reads them
  std::string budget = "quick";
  std::optional<Budget> custom_budget;  ///< used instead of the named one
  std::uint64_t seed = 0;
  std::string store = "separatrix.db";
  int threads = 1;  ///< the larger of this and RunOptions::threads counts
};

/// One line of the table of three numbers. Absent parts: no bound, construction or training.
struct SeparationRow {
  std::string label;      ///< "recurrent state", "transformer 1 layer"
  Json impossible_below;  ///< a bound's JSON, or null
  Json certified_at;  ///< {"construction","width","state_bits","certificate":{...},"rechecked"}, or
                      ///< null
  std::vector<LearnedAt> learned_at;
  std::string no_bound = {}, no_construction = {};  ///< why one of them is null
};
Json to_json(const SeparationRow& row);

struct Separation {
  std::string experiment;  ///< its name in the store
  std::string task, description;
  Index length = 0;
  std::vector<SeparationRow> rows;
  bool interrupted = false;
};

/// The main job: bound, construct, certify, recheck, then train each model over growing widths
/// until it is solved or the budget is spent. Everything is kept in the store; calling again runs
/// nothing again; after a stop (interrupted is set) or a kill it goes on where it was. on_message
/// gets one line for people at a time, never at once with options.on_progress. Trials of a
/// model that failed count as not solved, are said so, and are tried again by the next call. Throws
/// Error(spec, usage, io).
Separation separate(const SeparateConfig& config, const Catalogue& catalogue,
                    const std::function<void(const std::string&)>& on_message,
                    const RunOptions& options);

}  // namespace separatrix

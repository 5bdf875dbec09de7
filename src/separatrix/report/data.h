#pragma once

#include <optional>
#include <string>
#include <vector>

#include "separatrix/bounds/ceiling.h"
#include "separatrix/lab/separate.h"
#include "separatrix/report/inside.h"

namespace separatrix {

/// One trial with what the charts and tables ask of it worked out.
struct ReportTrial {
  StoredTrial stored;
  std::string model;                ///< model_shape().name
  Index layers = 0;                 ///< model_shape().layers
  Index width = 0;                  ///< d_model
  std::optional<Index> state_bits;  ///< nullopt: keeps all positions, so the state is no number
  std::string outcome;              ///< "solved", "unsolved", "diverged", or the trial's status
  std::optional<CurvePoint> last;   ///< the final evaluation, or the last one recorded
  double seconds = 0;

  bool solved() const { return outcome == "solved"; }
};

/// Everything the page shows, gathered from the store once.
struct ReportData {
  std::string experiment, task, description;
  Index length = 0;
  Json task_config = Json::object();
  std::vector<SeparationRow> rows;  ///< empty for an experiment that is no separation
  bool interrupted = false;
  std::vector<ReportTrial> trials;
  std::optional<TrainConfig> criterion;  ///< of the trials; nullopt when there are none
  std::optional<double> chance;          ///< accuracy of the best constant guess
  std::optional<RecallCeiling> recall;   ///< for tasks of recall: what bits allow on average
  Json machine;                          ///< null when it was not recorded
  std::vector<Example> examples;         ///< of the constructions in the rows
  std::string command;                   ///< what makes this report again; empty when unknown

  /// Proved bound on the bits of recurrent state; nullopt when there is none.
  std::optional<Index> bound_bits() const;
  const SeparationRow* recurrent_row() const;
  const SeparationRow* transformer_row() const;
};

/// Throws Error(io) from the store, Error(spec) when the store has no such experiment.
ReportData gather_report(const Store& store, const std::string& experiment);

/// The inverse of to_json(SeparationRow), lenient about absent fields.
SeparationRow read_separation_row(const Json& json);

}  // namespace separatrix

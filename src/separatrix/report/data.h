#pragma once

#include <optional>
#include <string>
#include <vector>

#include "separatrix/bounds/ceiling.h"
#include "separatrix/lab/separate.h"
#include "separatrix/lab/summary.h"
#include "separatrix/report/inside.h"

namespace separatrix {

/// One trial with what tables ask of it worked out.
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

/// What the store says of one experiment beside its trials. A separation (rows) has one task and
/// length; of others, `task` is that of the first trial.
struct ReportExperiment {
  std::string name, title, task, description, source, budget;
  Index length = 0;
  Json task_config = Json::object();
  std::vector<SeparationRow> rows;  ///< empty for an experiment that is no separation
  bool interrupted = false;
  std::optional<TrainConfig> criterion;  ///< of its trials; nullopt when there are none
  Json machine;                          ///< null when it was not recorded
  std::vector<Example> examples;         ///< of the constructions in the rows
  std::string command;                   ///< what runs it again; empty when unknown
  Json published, orderings;             ///< of the experiment file (lab/compare.h); or null

  /// Proved bound on the bits of recurrent state; nullopt when there is none.
  std::optional<Index> bound_bits() const;
  const SeparationRow* recurrent_row() const;
  const SeparationRow* transformer_row() const;
};

/// Everything the page shows, gathered from the store once.
struct ReportData {
  std::vector<ReportExperiment> experiments;
  std::vector<ReportTrial> trials;  ///< of all experiments, each once
  /// [trials]: the experiments that name it, as indices.
  std::vector<std::vector<std::size_t>> members;
  std::vector<Cell> cells;  ///< their settings' trials are indices into `trials`
  /// What is known without training, by task_label and length.
  struct Limits {
    std::optional<RecallCeiling> recall;  ///< for tasks of recall: what bits allow on average
    std::optional<Index> bound_bits;      ///< proved: impossible with fewer bits of state
  };
  std::map<std::pair<std::string, Index>, Limits> limits;

  /// The experiment, when the page is about one.
  const ReportExperiment* only() const {
    return experiments.size() == 1 ? &experiments.front() : nullptr;
  }
};

/// One experiment, or all of the store when the name is empty. Throws Error(io) from the store,
/// Error(spec) when the store has no such experiment.
ReportData gather_report(const Store& store, const std::string& experiment);

/// The inverse of to_json(SeparationRow), lenient about absent fields.
SeparationRow read_separation_row(const Json& json);

}  // namespace separatrix

#include "separatrix/lab/merge.h"

#include <filesystem>
#include <system_error>
#include <vector>

#include "separatrix/base/file.h"

namespace separatrix {
namespace {

bool has_result(const StoredTrial& trial) {
  return trial.status == TrialStatus::done || trial.status == TrialStatus::diverged;
}

/// The weights first, then the row that names them, as when it was trained here.
void take_result(const StoredTrial& trial, const Store& from, Store& into) {
  const std::string weights = "/model.safetensors", source = from.folder(trial.id) + weights;
  if (std::filesystem::exists(source)) {
    make_folder(into.folder(trial.id));
    write_file_atomic(into.folder(trial.id) + weights, read_file(source));
  }
  for (const CurvePoint& point : trial.curve) into.record(trial.id, point);
  into.finish(trial.id, trial.status, trial.result);
}

}  // namespace

Merged merge_store(const Store& from, Store& into) {
  Merged merged;
  for (const std::string& experiment : from.experiments()) {
    const std::vector<StoredTrial> trials = from.trials(experiment);
    std::vector<TrialSpec> specs;
    for (const StoredTrial& trial : trials) {
      merged.trials += into.trial(trial.id) ? 0 : 1;
      specs.push_back(trial.spec);
    }
    into.enqueue(experiment, specs);
    for (const StoredTrial& trial : trials) {
      if (!has_result(trial) || has_result(*into.trial(trial.id))) continue;
      take_result(trial, from, into);
      ++merged.finished;
    }
    for (const Finding& finding : from.all_findings(experiment))
      if (!into.finding(experiment, finding.kind, finding.name))
        into.put(experiment, finding.kind, finding.name, finding.value);
  }
  return merged;
}

}  // namespace separatrix

#include "separatrix/report/export.h"

#include <array>
#include <filesystem>
#include <set>

#include "separatrix/base/file.h"
#include "separatrix/base/names.h"
#include "separatrix/report/results.h"
#include "separatrix/report/tensorboard.h"

namespace separatrix {
namespace {

std::string csv_text(ExportedExperiments experiments, const Registry<Block>& blocks) {
  std::string out = results_header();
  for (const ExportedExperiment& experiment : experiments)
    for (const StoredTrial& trial : experiment.trials)
      out += results_line(experiment.name, trial, blocks);
  return out;
}

std::vector<std::string> write_csv(ExportedExperiments experiments, const Registry<Block>& blocks,
                                   const std::string& path) {
  std::string lengths = lengths_header();
  for (const ExportedExperiment& experiment : experiments)
    for (const StoredTrial& trial : experiment.trials)
      lengths += lengths_lines(experiment.name, trial);
  make_folder(path);
  const std::filesystem::path root(path);
  const std::vector<std::string> files = {(root / "results.csv").string(),
                                          (root / "lengths.csv").string()};
  write_file_atomic(files[0], csv_text(experiments, blocks));
  write_file_atomic(files[1], lengths);
  return files;
}

/// One object: everything that the store has of the trial.
std::string json_line(const std::string& experiment, const StoredTrial& trial) {
  Json curve = Json::array();
  for (const CurvePoint& point : trial.curve) curve.push_back(to_json(point));
  Json json = {{"experiment", experiment},    {"trial", trial.id},
               {"spec", to_json(trial.spec)}, {"status", to_string(trial.status)},
               {"result", trial.result},      {"curve", curve}};
  if (!trial.error.empty()) json["error"] = trial.error;
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string jsonl_text(ExportedExperiments experiments, const Registry<Block>& /*blocks*/) {
  std::string out;
  for (const ExportedExperiment& experiment : experiments)
    for (const StoredTrial& trial : experiment.trials) out += json_line(experiment.name, trial);
  return out;
}

std::vector<std::string> write_jsonl(ExportedExperiments experiments, const Registry<Block>& blocks,
                                     const std::string& path) {
  write_file_atomic(path, jsonl_text(experiments, blocks));
  return {path};
}

/// A trial of several experiments is one run; one without a curve is none.
std::vector<std::string> write_tensorboard(ExportedExperiments experiments,
                                           const Registry<Block>& /*blocks*/,
                                           const std::string& path) {
  std::vector<std::string> files;
  std::set<std::string> written;
  make_folder(path);
  for (const ExportedExperiment& experiment : experiments)
    for (const StoredTrial& trial : experiment.trials) {
      if (trial.curve.empty() || !written.insert(trial.id).second) continue;
      const auto folder = std::filesystem::path(path) / tensorboard_run_name(trial);
      make_folder(folder.string());
      files.push_back((folder / "events.out.tfevents.0.separatrix").string());
      AtomicFile file(files.back());
      file.append(tensorboard_events(trial));
      file.commit(false);
    }
  return files;
}

constexpr std::array kFormats = {
    ExportFormat{.name = "csv",
                 .summary = "one line per trial; to a folder, with lengths.csv beside it",
                 .text = csv_text,
                 .write = write_csv},
    ExportFormat{.name = "jsonl",
                 .summary = "one object per trial: specification, result, curve",
                 .text = jsonl_text,
                 .write = write_jsonl},
    ExportFormat{.name = "tensorboard",
                 .summary = "a folder of event files, one run per trial",
                 .write = write_tensorboard},
};

}  // namespace

std::span<const ExportFormat> export_formats() { return kFormats; }

const ExportFormat& find_export_format(const std::string& name) {
  std::string known;
  for (const ExportFormat& format : kFormats) {
    if (same_name(format.name, name)) return format;
    known += (known.empty() ? "" : ", ") + std::string(format.name);
  }
  throw Error(ErrorKind::usage, "unknown format '" + name + "'", "--format", "one of: " + known);
}

}  // namespace separatrix

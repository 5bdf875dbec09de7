#include "separatrix/train/checkpoint.h"

#include <filesystem>

#include "separatrix/base/file.h"
#include "separatrix/model/model_file.h"

namespace separatrix {
namespace {

constexpr const char* kKey = "separatrix.checkpoint";
constexpr const char* kTensors[] = {"weights", "first_moment", "second_moment"};

/// The small part of the state; doubles survive JSON to the last bit.
struct Progress {
  std::string trial;
  Index step = 0, loss_count = 0, held = 0;
  double loss_sum = 0, seconds = 0;
  std::string end;
  Json last = Json::object(), curve = Json::array();
};
template <class V>
void visit(V& v, Progress& p) {
  v("trial", p.trial, "id of the trial");
  v("step", p.step, "optimiser steps taken");
  v("loss_count", p.loss_count, "asked positions since the last curve point");
  v("loss_sum", p.loss_sum, "nats since the last curve point");
  v("held", p.held, "evaluations in a row at the target");
  v("end", p.end, "outcome, empty while running");
  v("last", p.last, "the final curve point");
  v("curve", p.curve, "all curve points");
  v("seconds", p.seconds, "time spent");
}

}  // namespace

void save_checkpoint(const std::string& path, const std::string& trial_id,
                     const TrainState& state) {
  Progress p;
  p.trial = trial_id;
  p.step = state.step;
  p.loss_count = state.loss_count;
  p.held = state.held;
  p.loss_sum = state.loss_sum;
  p.seconds = state.seconds;
  if (state.end) p.end = to_string(*state.end);
  p.last = to_json(state.last);
  for (const CurvePoint& point : state.curve) p.curve.push_back(to_json(point));
  TensorFile file;
  file.metadata[kKey] = write_config(p).dump();
  const std::vector<float>* const buffers[] = {&state.weights, &state.first_moment,
                                               &state.second_moment};
  for (std::size_t i = 0; i < 3; ++i)
    file.tensors.push_back({kTensors[i], {Index(buffers[i]->size())}, *buffers[i]});
  write_file_atomic(path, write_safetensors(file));
}

std::optional<TrainState> load_checkpoint(const std::string& path, const std::string& trial_id,
                                          Index n_parameters) {
  if (!std::filesystem::exists(path)) return std::nullopt;
  TensorFile file = parse_safetensors(read_file(path), path);
  const auto damaged = [&](const std::string& what) {
    return Error(ErrorKind::io, "not a usable checkpoint: " + what, path,
                 "delete it to start from the beginning");
  };
  TrainState state;
  try {
    if (!file.metadata.contains(kKey))
      throw damaged("its metadata has no '" + std::string(kKey) + "'");
    const auto p = read_config<Progress>(
        Json::parse(file.metadata.at(kKey).get_ref<const std::string&>()), path);
    if (p.trial != trial_id) throw damaged("it belongs to another trial");
    state.step = p.step;
    state.loss_count = p.loss_count;
    state.loss_sum = p.loss_sum;
    state.held = p.held;
    state.seconds = p.seconds;
    if (!p.end.empty()) state.end = read_outcome(p.end);
    state.last = read_curve_point(p.last);
    for (const Json& point : p.curve) state.curve.push_back(read_curve_point(point));
  } catch (const Json::exception& e) {
    throw damaged(e.what());
  }
  std::vector<float>* const buffers[] = {&state.weights, &state.first_moment, &state.second_moment};
  if (file.tensors.size() != 3) throw damaged("it holds other tensors");
  for (std::size_t i = 0; i < 3; ++i) {
    if (file.tensors[i].name != kTensors[i] || Index(file.tensors[i].values.size()) != n_parameters)
      throw damaged("tensor '" + file.tensors[i].name + "' does not fit the model");
    *buffers[i] = std::move(file.tensors[i].values);
  }
  return state;
}

}  // namespace separatrix

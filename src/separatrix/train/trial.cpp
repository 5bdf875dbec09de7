#include "separatrix/train/trial.h"

#include <array>

#include "separatrix/base/hash.h"

namespace separatrix {
namespace {

/// Raised whenever the same spec would train to other bits (sampling, kernels, optimiser), so that
/// a store never mixes results of two programs under one id.
constexpr int kCodeFormat = 1;

struct TrialFields {
  TrialSpec spec;
  Json model = Json::object(), train = Json::object();
};
template <class V>
void visit(V& v, TrialFields& f) {
  v("task", f.spec.task, "name of the task");
  v("task_config", f.spec.task_config, "parameters of the task");
  v("length", f.spec.length, "the task's own measure N");
  v("model", f.model, "ModelSpec: the layers and their widths");
  v("train", f.train, "how it is trained");
  v("seed", f.spec.seed, "fixes every random choice");
  v("eval_lengths", f.spec.eval_lengths, "further lengths at which the trained model is judged");
  v("task_fingerprint", f.spec.task_fingerprint, "SHA-256 of the files that the task reads");
}

void check(const TrainConfig& c, const std::string& where) {
  const auto require = [&](bool ok, const char* field, const char* what) {
    if (!ok)
      throw Error(ErrorKind::spec, std::string(field) + " must be " + what, where + "/" + field);
  };
  require(c.steps >= 1, "steps", "at least 1");
  require(c.batch_size >= 1 && c.batch_size <= (Index(1) << 20), "batch_size", "1 to 1048576");
  require(c.lr > 0 && c.lr < 1e3, "lr", "above 0 and below 1000");
  require(c.schedule == "constant" || c.schedule == "cosine", "schedule", "constant or cosine");
  require(c.warmup >= 0, "warmup", "at least 0");
  require(c.weight_decay >= 0, "weight_decay", "at least 0");
  require(c.beta1 >= 0 && c.beta1 < 1, "beta1", "at least 0 and below 1");
  require(c.beta2 >= 0 && c.beta2 < 1, "beta2", "at least 0 and below 1");
  require(c.epsilon > 0, "epsilon", "above 0");
  require(c.clip_norm >= 0, "clip_norm", "at least 0 (0 turns clipping off)");
  require(c.eval_every >= 1, "eval_every", "at least 1");
  require(c.eval_examples >= 1, "eval_examples", "at least 1");
  require(c.final_examples >= 1, "final_examples", "at least 1");
  require(c.target_accuracy >= 0 && c.target_accuracy <= 1, "target_accuracy", "0 to 1");
  require(c.holdout == 0 || c.holdout >= 2, "holdout", "0 or at least 2");
  require(c.shards >= 1 && c.shards <= c.batch_size, "shards", "1 to batch_size");
  require(c.give_up_after >= 0, "give_up_after", "at least 0 (0 turns giving up off)");
  require(c.give_up_below > 0 && c.give_up_below <= 1, "give_up_below", "above 0 and at most 1");
}

/// Fields of TrainConfig that came after stores existed. At their defaults they are not written,
/// so that the trials of older stores keep their ids.
constexpr std::array kLaterFields = {"give_up_after", "give_up_below"};

Json write_train(const TrainConfig& config) {
  Json json = write_config(config);
  const Json defaults = write_config(TrainConfig{});
  for (const char* field : kLaterFields)
    if (json.at(field) == defaults.at(field)) json.erase(field);
  return json;
}

}  // namespace

Json to_json(const TrialSpec& spec) {
  Json json =
      write_config(TrialFields{spec, write_model_spec(spec.model), write_train(spec.train)});
  if (spec.task_fingerprint.empty()) json.erase("task_fingerprint");
  if (spec.eval_lengths.empty()) json.erase("eval_lengths");
  return json;
}

TrialSpec read_trial_spec(const Json& json, const std::string& where) {
  const auto fields = read_config<TrialFields>(json, where);
  TrialSpec spec = fields.spec;
  spec.model = read_model_spec(fields.model, where + "/model");
  spec.train = read_config<TrainConfig>(fields.train, where + "/train");
  check(spec.train, where + "/train");
  return spec;
}

std::string TrialSpec::id() const {
  Json canonical = to_json(*this);
  canonical["code_format"] = kCodeFormat;
  return sha256(canonical.dump());
}

}  // namespace separatrix

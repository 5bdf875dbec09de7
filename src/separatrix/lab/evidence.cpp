#include "separatrix/lab/evidence.h"

#include <algorithm>
#include <filesystem>
#include <tuple>

#include <fmt/format.h>

#include "separatrix/base/file.h"
#include "separatrix/base/hash.h"
#include "separatrix/base/names.h"
#include "separatrix/lab/certificate_words.h"
#include "separatrix/lab/machine.h"
#include "separatrix/nn/model.h"

namespace separatrix {
namespace {

/// Gathers for one task and length; members are what every step needs.
class Gatherer {
 public:
  Gatherer(const SeparateConfig& config, const Catalogue& catalogue, Store& store,
           const std::string& experiment, const std::function<void(const std::string&)>& say)
      : config_(config),
        catalogue_(catalogue),
        store_(store),
        experiment_(experiment),
        say_(say),
        version_(describe_machine().at("version")),
        task_(catalogue.tasks.make(config.task, config.task_config)) {
    folder_ = store.path() + ".d/constructions/" + config.task + "-length-" +
              std::to_string(config.length) + "-" + sha256(config.task_config.dump()).substr(0, 8);
  }

  /// The JSON of every bound the method finds whose witness checks, with "checked".
  Json bounds(const std::string& method) {
    if (const auto kept = store_.finding(experiment_, "bound", method); is_ours(kept))
      return kept->at("bounds");
    const auto made = catalogue_.bounds.make(method);
    const BoundRequest request{.task = *task_,
                               .task_name = config_.task,
                               .task_config = config_.task_config,
                               .length = config_.length,
                               .threads = config_.threads};
    Json found = Json::array();
    for (const Bound& bound : made->compute(request)) {
      const WitnessCheck check = made->check(request, bound);
      if (!check.valid) {
        say_(fmt::format("bound {}: its witness is wrong ({}), so it is not used", method,
                         check.how));
        continue;
      }
      if (!check.covers) {
        say_(fmt::format("bound {}: left out, its witness shows less than its count ({})", method,
                         check.how));
        continue;
      }
      Json json = to_json(bound);
      json["checked"] = check.how;
      json.erase("cuts");  // `separatrix bound` prints them again; here they would only take room
      found.push_back(std::move(json));
      say_(fmt::format("bound {}: {} {} bits{}, witness checked: {}", method,
                       to_string(bound.resource), bound.bits(), bound.exact ? " (exact)" : "",
                       check.how));
    }
    store_.put(experiment_, "bound", method, {{"bounds", found}, {"program", version_}});
    return found;
  }

  /// What the row of the table shows, or nullopt when the theorem does not cover this task.
  std::optional<std::pair<std::string, Json>> construction(const std::string& name) {
    const auto made = catalogue_.constructions.make(name);
    if (!same_name(made->task(), config_.task)) return std::nullopt;
    const std::optional<Claim> claim = made->claim({config_.task_config, config_.length});
    if (!claim) return std::nullopt;
    const Built built = made->build({config_.task_config, config_.length}, catalogue_.blocks);
    const Weights& weights = built.weights;
    const std::string hash = weights_sha256(weights);
    // The file says what is certified, so it comes first and is what is rechecked.
    const std::string file = folder_ + "/" + name + ".safetensors";
    const auto kept = store_.finding(experiment_, "construction", name);
    if (is_ours(kept) && kept->value("weights_sha256", "") == hash && std::filesystem::exists(file))
      return std::pair(row_of(weights.spec, catalogue_.blocks), *kept);
    make_folder(folder_);
    save_model(file, built_file(name, *claim, built));
    const Certificate certificate = certify(
        *claim, {*task_, weights, catalogue_.blocks, config_.threads}, catalogue_.certificates);
    Json finding = describe_built(name, *claim, built, catalogue_.blocks);
    finding["weights_sha256"] = hash;
    finding["model_file"] = file;
    finding["certificate"] = to_json(certificate);
    finding["certificate_file"] = folder_ + "/" + name + ".certificate.json";
    finding["rechecked"] = recheck(certificate, file);
    finding["program"] = version_;
    write_file_atomic(finding["certificate_file"], to_json(certificate).dump(2) + "\n");
    store_.put(experiment_, "certificate", name, finding["certificate"]);
    store_.put(experiment_, "construction", name, finding);
    say_(fmt::format("construction {}: width {}, {}{}", name, weights.spec.d_model,
                     verdict_words(certificate), finding["rechecked"] ? ", rechecked" : ""));
    return std::pair(row_of(weights.spec, catalogue_.blocks), finding);
  }

 private:
  bool is_ours(const std::optional<Json>& finding) const {
    return finding && finding->value("program", "") == version_;
  }

  /// Reads the model back from its file and verifies the certificate against that.
  bool recheck(const Certificate& certificate, const std::string& file) {
    const ModelFile model = load_model(
        file, [this](const ModelSpec& spec) { return model_params(spec, catalogue_.blocks); });
    const std::string wrong = separatrix::recheck(
        certificate, {*task_, model.weights, catalogue_.blocks, config_.threads},
        catalogue_.certificates);
    if (!wrong.empty()) say_(fmt::format("certificate of {}: recheck says: {}", file, wrong));
    return wrong.empty();
  }

  static std::string verdict_words(const Certificate& certificate) {
    switch (certificate.verdict) {
      case Verdict::proved:
        return fmt::format("proved by {} for all {} inputs, margin {}", certificate.method,
                           count_words(certificate.inputs), margin_below(certificate.margin));
      case Verdict::refuted:
        return "REFUTED by " + certificate.method;
      case Verdict::undecided:
        return "undecided: " + certificate.reason;
    }
    return {};
  }

  const SeparateConfig& config_;
  const Catalogue& catalogue_;
  Store& store_;
  const std::string& experiment_;
  const std::function<void(const std::string&)>& say_;
  const std::string version_;
  const std::unique_ptr<Task> task_;
  std::string folder_;
};

/// Larger is better: more bits, for one layer a larger width (inequalities have different left
/// sides), and exact before not.
auto bound_rank(const Json& bound) {
  const Index size = bound.contains("inequality")
                         ? bound.at("inequality").at("smallest_width").get<Index>()
                         : bound.at("bits").get<Index>();
  return std::tuple(size, bound.at("exact").get<bool>());
}

/// Smaller is better: a rechecked proof before anything else, then bits of state, then width.
auto construction_rank(const Json& built) {
  const bool proved = built.at("certificate").at("verdict") == "proved" && built.at("rechecked");
  const Json& bits = built.at("state_bits");
  return std::tuple(proved ? 0 : 1, bits.is_null() ? Index(0) : bits.get<Index>(),
                    built.at("width").get<Index>());
}

}  // namespace

std::string transformer_row(Index layers) {
  return fmt::format("transformer {} layer{}", layers, layers == 1 ? "" : "s");
}

std::string row_of(const ModelSpec& spec, const Registry<Block>& blocks) {
  if (state_bits(spec, blocks)) return kRecurrentRow;
  Index attention = 0, recurrent = 0;
  for (const LayerSpec& layer : spec.layers) {
    const Mixing mixing = blocks.make(layer.block, layer.config)->mixing();
    attention += mixing == Mixing::attention ? 1 : 0;
    recurrent += mixing == Mixing::recurrent ? 1 : 0;
  }
  return recurrent > 0 ? kHybridRow : transformer_row(attention);
}

Json describe_built(const std::string& construction, const Claim& claim, const Built& built,
                    const Registry<Block>& blocks) {
  const Weights& weights = built.weights;
  const std::optional<Index> bits = state_bits(weights.spec, blocks);
  Index heads = 0;
  for (const LayerSpec& layer : weights.spec.layers)
    heads = std::max(heads, layer.config.value("n_heads", Index(0)));
  return {{"construction", construction},
          {"task", claim.task},
          {"length", claim.length},
          {"width", weights.spec.d_model},
          {"layers", weights.spec.layers.size()},
          {"heads", heads},
          {"parameters", weights.values.size()},
          {"state_bits", bits ? Json(*bits) : Json(nullptr)},
          {"temperature", built.temperature > 0 ? Json(built.temperature) : Json(nullptr)}};
}

ModelFile built_file(const std::string& construction, const Claim& claim, const Built& built) {
  Json slots = Json::array();
  for (const Slot& slot : built.slots) slots.push_back(to_json(slot));
  return {built.weights,
          {{"construction", construction}, {"claim", to_json(claim)}, {"slots", slots}}};
}

Evidence gather_evidence(const SeparateConfig& config, const Catalogue& catalogue, Store& store,
                         const std::string& experiment,
                         const std::function<void(const std::string&)>& say,
                         const std::atomic<bool>* stop) {
  Gatherer gatherer(config, catalogue, store, experiment, say);
  Evidence best;
  // A method that will not fit is no reason to have no table.
  const auto attempt = [&](const std::string& kind, const std::string& name, const auto& body) {
    if (stop != nullptr && stop->load()) return;
    try {
      body();
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::io) throw;
      say(fmt::format("{} {}: left out, {}", kind, name, error.what()));
    }
  };
  for (const auto& entry : catalogue.bounds.entries())
    attempt("bound", entry.name, [&] {
      for (const Json& found : gatherer.bounds(entry.name)) {
        if (found.contains("scope")) continue;  // about fewer machines than the table's row
        if (found.contains("inequality") && found.at("inequality").at("smallest_width") <= 1)
          continue;  // every model has at least one head of width one
        for (const Resource resource :
             {Resource::recurrent_state_bits, Resource::one_layer_transformer_bits})
          if (found.at("resource") == to_string(resource)) {
            Json& kept = best.bounds[resource];
            if (kept.is_null() || bound_rank(found) > bound_rank(kept)) kept = found;
          }
      }
    });
  for (const auto& entry : catalogue.constructions.entries())
    attempt("construction", entry.name, [&] {
      const auto found = gatherer.construction(entry.name);
      if (!found) return;
      Json& kept = best.constructions[found->first];
      if (kept.is_null() || construction_rank(found->second) < construction_rank(kept))
        kept = found->second;
    });
  return best;
}

}  // namespace separatrix

#include "separatrix/model/weights.h"

#include <array>
#include <bit>
#include <cassert>

#include "separatrix/base/hash.h"

namespace separatrix {
namespace {

/// ModelSpec as read_config sees it: the nested layers as JSON.
struct SpecFields {
  ModelSpec spec;
  Json layers = Json::array();
};
template <class V>
void visit(V& v, SpecFields& c) {
  v("vocab_size", c.spec.vocab_size, "tokens that may occur");
  v("n_classes", c.spec.n_classes, "answers");
  v("d_model", c.spec.d_model, "width of the residual stream");
  v("max_length", c.spec.max_length, "longest input in tokens");
  v("positions", c.spec.positions, "learned or none");
  v("norm", c.spec.norm, "layer, rms or none");
  v("embedding", c.spec.embedding, "learned or given");
  v("layers", c.layers, "list of blocks");
  v("head", c.spec.head, "learned, or tied to the embedding");
  v("init", c.spec.init, "starting values: blocks, gpt2 or linear");
  v("init_depth", c.spec.init_depth, "layers that depth-dependent starting values assume");
}

/// Fields that came after model files and trials existed. At their defaults they are not written,
/// so that hashes of older specs stay.
constexpr std::array kLaterFields = {"head", "init", "init_depth"};

struct LayerFields {
  LayerSpec layer;
};
template <class V>
void visit(V& v, LayerFields& c) {
  v("block", c.layer.block, "name of the block");
  v("config", c.layer.config, "its parameters");
  v("residual", c.layer.residual, "x += block(norm(x)) instead of x = block(norm(x))");
}

LayerSpec read_layer(const Json& json, const std::string& where) {
  LayerSpec layer;
  if (json.is_string())  // the shorthand for a block with all defaults
    layer.block = json.get<std::string>();
  else
    layer = read_config<LayerFields>(json, where).layer;
  if (layer.block.empty())
    throw Error(ErrorKind::spec, "a layer needs a block", where, "write {block: attention}");
  if (!layer.config.is_object())
    throw Error(ErrorKind::spec, "expected a map of fields, got " + layer.config.dump(),
                where + "/config");
  return layer;
}

/// The slice's place in the buffer. Throws Error(spec) if absent.
std::pair<std::size_t, std::size_t> find_slice(const Weights& weights, std::string_view name) {
  std::size_t begin = 0;
  for (const ParamSpec& param : weights.params) {
    const auto size = std::size_t(param.size());
    if (param.name == name) {
      assert(begin + size <= weights.values.size());
      return {begin, size};
    }
    begin += size;
  }
  std::vector<std::string> known;
  for (const ParamSpec& param : weights.params) known.push_back(param.name);
  throw Error(ErrorKind::spec, "the model has no parameter '" + std::string(name) + "'", {},
              did_you_mean(name, known));
}

}  // namespace

ModelSpec read_model_spec(const Json& json, const std::string& where) {
  SpecFields fields = read_config<SpecFields>(json, where);
  if (!fields.layers.is_array())
    throw Error(ErrorKind::spec, "expected a list of blocks, got " + fields.layers.dump(),
                where + "/layers");
  for (const Json& layer : fields.layers)
    fields.spec.layers.push_back(
        read_layer(layer, where + "/layers/" + std::to_string(fields.spec.layers.size())));
  return fields.spec;
}

Json write_model_spec(const ModelSpec& spec) {
  SpecFields fields{spec, Json::array()};
  for (const LayerSpec& layer : spec.layers)
    fields.layers.push_back(write_config(LayerFields{layer}));
  Json json = write_config(fields);
  const Json defaults = write_config(SpecFields{});
  for (const char* field : kLaterFields)
    if (json.at(field) == defaults.at(field)) json.erase(field);
  return json;
}

std::span<float> Weights::operator[](std::string_view name) {
  const auto [begin, size] = find_slice(*this, name);
  return std::span(values).subspan(begin, size);
}

std::span<const float> Weights::operator[](std::string_view name) const {
  const auto [begin, size] = find_slice(*this, name);
  return std::span(values).subspan(begin, size);
}

std::string weights_sha256(const Weights& weights) {
  static_assert(std::endian::native == std::endian::little, "hashes are of little-endian bits");
  std::string bytes = write_model_spec(weights.spec).dump();
  bytes += '\0';
  const auto* values = reinterpret_cast<const char*>(weights.values.data());
  bytes.append(values, weights.values.size() * sizeof(float));
  return sha256(bytes);
}

}  // namespace separatrix

#include "separatrix/lab/model_text.h"

#include <algorithm>
#include <sstream>

#include "separatrix/base/names.h"

namespace separatrix {
namespace {

/// The name of the option as the family writes it.
std::string find_option(const ModelFamily& family, const std::string& name,
                        const Registry<Block>& blocks, const std::string& where) {
  std::vector<std::string> known;
  for (const Json& field : family.parameters(blocks)) {
    known.push_back(field.at("name"));
    if (same_name(known.back(), name)) return known.back();
  }
  throw Error(ErrorKind::spec, family.name + " has no option '" + name + "'", where,
              did_you_mean(name, known));
}

/// "2" is a number, "true" a truth value, anything else text.
Json read_option_value(const std::string& text) {
  const Json value = Json::parse(text, nullptr, false);
  return value.is_number() || value.is_boolean() ? value : Json(text);
}

/// The family's name as find_model_family reads it: the word itself, or blocks joined by commas.
std::string family_name(const std::string& word, const Registry<Block>& blocks) {
  std::vector<std::string> families;
  for (const ModelFamily& family : model_families()) families.push_back(family.name);
  const std::vector<std::string> names = blocks.names();
  std::string name = word;
  std::replace(name.begin(), name.end(), '+', ',');
  if (!contains_name(families, word) && contains_name(names, word)) {
    if (blocks.make(word)->mixing() == Mixing::pointwise)
      throw Error(ErrorKind::spec, "the block '" + word + "' alone sees one token only", word,
                  "join the blocks of a layer by +: attention+" + word);
    name += ',';  // a layer of one block
  }
  const ModelFamily family = find_model_family(name, blocks);
  if (name.find(',') == std::string::npos) return family.name;
  std::string canonical;
  for (const LayerSpec& layer : family.layer) canonical += layer.block + ',';
  if (family.layer.size() > 1) canonical.pop_back();
  return canonical;
}

}  // namespace

NamedModel parse_model(const std::string& text, const Registry<Block>& blocks) {
  std::istringstream parts(text);
  std::string word, option;
  std::getline(parts, word, ':');
  NamedModel model{.name = family_name(word, blocks)};
  const ModelFamily family = find_model_family(model.name, blocks);
  Json sizes = Json::object();
  const Json known_sizes = write_config(ModelOptions{});
  while (std::getline(parts, option, ':')) {
    const std::size_t equals = option.find('=');
    if (equals == std::string::npos)
      throw Error(ErrorKind::spec, "expected OPTION=VALUE, got '" + option + "'", text,
                  "write " + word + ":layers=2");
    const std::string name = find_option(family, option.substr(0, equals), blocks, text);
    (known_sizes.contains(name) ? sizes : model.config)[name] =
        read_option_value(option.substr(equals + 1));
  }
  model.options = read_config<ModelOptions>(sizes, text);
  return model;
}

std::string model_text(const NamedModel& model) {
  std::string text = model.name;
  if (text.ends_with(',')) text.pop_back();
  std::replace(text.begin(), text.end(), ',', '+');
  const auto add = [&](const std::string& name, const Json& value) {
    text += ":" + name + "=" + (value.is_string() ? value.get<std::string>() : value.dump());
  };
  const Json sizes = write_config(model.options), defaults = write_config(ModelOptions{});
  for (const auto& [name, value] : sizes.items())
    if (value != defaults.at(name)) add(name, value);
  for (const auto& [name, value] : model.config.items()) add(name, value);
  return text;
}

}  // namespace separatrix

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "separatrix/cli/session.h"
#include "separatrix/lab/models.h"
#include "separatrix/lab/recipes.h"

namespace separatrix {
namespace {

struct Listed {
  std::string name, kind, summary;
  Json parameters;
};

template <class Interface>
void append(std::vector<Listed>& all, const Registry<Interface>& registry) {
  for (const auto& e : registry.entries())
    all.push_back({e.name, registry.kind(), e.summary, e.parameters});
}

std::vector<Listed> everything(const Catalogue& catalogue) {
  std::vector<Listed> all;
  append(all, catalogue.tasks);
  for (const ModelFamily& m : model_families())
    all.push_back({m.name, "model", m.summary, m.parameters(catalogue.blocks)});
  append(all, catalogue.blocks);
  append(all, catalogue.bounds);
  append(all, catalogue.codes);
  append(all, catalogue.constructions);
  append(all, catalogue.certificates);
  append(all, catalogue.attacks);
  for (const Recipe& recipe : recipes())
    all.push_back(
        {recipe.name, "recipe", find_recipe(recipe.name).json.value("title", ""), Json::array()});
  return all;
}

/// With the name in a column of that width.
std::string show(const Listed& item, std::size_t width) {
  std::string text = fmt::format("{:<{}} {}\n", item.name, width, item.summary);
  std::string line;
  for (const Json& p : item.parameters) {
    const Json& value = p.at("default");
    line += fmt::format("{}{}={}", line.empty() ? "" : ", ", p.at("name").get<std::string>(),
                        value.is_string() ? value.get<std::string>() : value.dump());
  }
  return line.empty() ? text : text + fmt::format("{:<{}}   {}\n", "", width, line);
}

}  // namespace

/// `separatrix list [KIND]`
void add_list(Command command, Session& session) {
  struct Options {
    std::string kind;
  };
  auto o = std::make_shared<Options>();
  command.argument("KIND", o->kind,
                   "tasks, models, blocks, bounds, codes, constructions, certificates, attacks, "
                   "recipes; default: "
                   "all",
                   false);
  command.run([o, &session] {
    const std::vector<std::string> kinds = {"tasks",        "models",  "blocks",
                                            "bounds",       "codes",   "constructions",
                                            "certificates", "attacks", "recipes"};
    if (!o->kind.empty() && !contains_name(kinds, o->kind))
      throw Error(ErrorKind::usage, "unknown kind '" + o->kind + "'", "list",
                  did_you_mean(o->kind, kinds));
    Json json = Json::array();
    std::string text, heading;
    const std::vector<Listed> all = everything(session.catalogue);
    std::map<std::string, std::size_t> width;  // of the names of a kind
    for (const Listed& item : all) {
      constexpr std::size_t kUsual = 26;
      std::size_t& widest = width.try_emplace(item.kind, kUsual).first->second;
      widest = std::max(widest, item.name.size());
    }
    for (const Listed& item : all) {
      const std::string plural = item.kind.substr(0, item.kind.find(' ')) + "s";
      if (!o->kind.empty() && plural != o->kind) continue;
      json.push_back({{"name", item.name},
                      {"kind", item.kind},
                      {"summary", item.summary},
                      {"parameters", item.parameters}});
      if (o->kind.empty() && plural != heading)
        text += (heading.empty() ? "" : "\n") + plural + "\n";
      heading = plural;
      text += show(item, width.at(item.kind));
    }
    session.print(json, text);
  });
}

}  // namespace separatrix

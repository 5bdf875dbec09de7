#include <fmt/format.h>

#include "separatrix/cli/session.h"
#include "separatrix/lab/models.h"

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
    all.push_back({m.name, "model", m.summary, m.parameters()});
  append(all, catalogue.blocks);
  append(all, catalogue.bounds);
  append(all, catalogue.codes);
  append(all, catalogue.constructions);
  append(all, catalogue.certificates);
  append(all, catalogue.attacks);
  return all;
}

std::string show(const Listed& item) {
  std::string text = fmt::format("{:<26} {}\n", item.name, item.summary);
  std::string line;
  for (const Json& p : item.parameters) {
    const Json& value = p.at("default");
    line += fmt::format("{}{}={}", line.empty() ? "" : ", ", p.at("name").get<std::string>(),
                        value.is_string() ? value.get<std::string>() : value.dump());
  }
  return line.empty() ? text : text + fmt::format("{:<26}   {}\n", "", line);
}

}  // namespace

/// `separatrix list [KIND]`
void add_list(Command command, Session& session) {
  struct Options {
    std::string kind;
  };
  auto o = std::make_shared<Options>();
  command.argument(
      "KIND", o->kind,
      "tasks, models, blocks, bounds, codes, constructions, certificates, attacks; default: all",
      false);
  command.run([o, &session] {
    const std::vector<std::string> kinds = {"tasks", "models",        "blocks",       "bounds",
                                            "codes", "constructions", "certificates", "attacks"};
    if (!o->kind.empty() && !contains_name(kinds, o->kind))
      throw Error(ErrorKind::usage, "unknown kind '" + o->kind + "'", "list",
                  did_you_mean(o->kind, kinds));
    Json json = Json::array();
    std::string text, heading;
    for (const Listed& item : everything(session.catalogue)) {
      const std::string plural = item.kind.substr(0, item.kind.find(' ')) + "s";
      if (!o->kind.empty() && plural != o->kind) continue;
      json.push_back({{"name", item.name},
                      {"kind", item.kind},
                      {"summary", item.summary},
                      {"parameters", item.parameters}});
      if (o->kind.empty() && plural != heading)
        text += (heading.empty() ? "" : "\n") + plural + "\n";
      heading = plural;
      text += show(item);
    }
    session.print(json, text);
  });
}

}  // namespace separatrix

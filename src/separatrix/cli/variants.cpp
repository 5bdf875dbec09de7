#include "separatrix/cli/variants.h"

#include <utility>

namespace separatrix {

void for_each_variant(
    const Registry<Task>& tasks,
    const std::function<void(const Registry<Task>::Entry& entry, const Json& config,
                             const std::string& name)>& visit) {
  static constexpr std::pair<const char*, const char*> kVariants[] = {
      {"query", "first"}, {"mode", "next-token"}, {"layout", "interleaved"}};
  for (const auto& entry : tasks.entries()) {
    visit(entry, Json::object(), entry.name);
    for (const auto& [key, value] : kVariants)
      for (const Json& parameter : entry.parameters)
        if (parameter.at("name") == key)
          visit(entry, {{key, value}}, entry.name + " " + std::string(value));
  }
}

}  // namespace separatrix

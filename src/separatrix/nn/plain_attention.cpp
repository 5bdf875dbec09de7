#include "separatrix/nn/plain_attention.h"

namespace separatrix {

// A list of what is known, not of what is not: an option that is added later counts as beyond, too.
std::string beyond_plain_attention(const Json& config) {
  static const Json kPlain = {
      {"positions", "none"}, {"rotary_base", 10000.0}, {"n_kv_heads", 0}, {"window", 0}};
  for (const auto& [key, value] : config.items()) {
    if (key == "n_heads" || key == "d_head" || key == "d_value" || key == "causal" ||
        key == "scale")
      continue;
    const auto plain = kPlain.find(key);
    if (plain == kPlain.end() || *plain != value)
      return "its attention has " + key + " " + value.dump();
  }
  return {};
}

}  // namespace separatrix

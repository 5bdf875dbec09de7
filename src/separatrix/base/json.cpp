#include "separatrix/base/json.h"

#include <set>

namespace separatrix {
namespace {

/// Watches the parser's events; nlohmann alone would keep the last of two equal keys.
class Watch {
 public:
  Watch(std::string where, ErrorKind kind) : where_(std::move(where)), kind_(kind) {}
  void operator()(Json::parse_event_t event, const Json& value) {
    using Event = Json::parse_event_t;
    if (event == Event::object_start || event == Event::array_start) {
      if (keys_.size() >= kMaxNesting)
        throw Error(kind_, "nested deeper than " + std::to_string(kMaxNesting) + " levels", where_,
                    "flatten the maps and lists");
      keys_.emplace_back();
    } else if (event == Event::object_end || event == Event::array_end) {
      keys_.pop_back();
    } else if (event == Event::key && !keys_.back().insert(value.get<std::string>()).second) {
      throw Error(kind_, "the key '" + value.get<std::string>() + "' appears twice", where_,
                  "keep one of them");
    }
  }

 private:
  std::string where_;
  ErrorKind kind_;
  std::vector<std::set<std::string>> keys_;  ///< of each open map (empty for lists)
};

}  // namespace

Json parse_json(std::string_view text, const std::string& where, ErrorKind kind) {
  Watch watch(where, kind);
  try {
    return Json::parse(text.begin(), text.end(), [&](int, Json::parse_event_t event, Json& value) {
      watch(event, value);
      return true;
    });
  } catch (const Json::exception& e) {
    const std::string message = e.what();  // "[json.exception...] parse error at line 1, ..."
    const std::size_t start = message.find("] ");
    std::string reason = message.substr(start == std::string::npos ? 0 : start + 2);
    // It quotes what it read: of a binary file, or a long one, a terminal wants to see little.
    reason = reason.substr(0, reason.find("; last read"));
    for (char& c : reason)
      if (c < ' ' || c > '~') c = '?';
    throw Error(kind, "not JSON: " + reason, where);
  }
}

const Json& member_at(const Json& json, const char* key) {
  static const Json kNothing;
  if (!json.is_object()) return kNothing;
  const auto it = json.find(key);
  return it == json.end() ? kNothing : *it;
}

std::string text_at(const Json& json, const char* key) {
  const Json& value = member_at(json, key);
  if (value.is_string()) return value.get<std::string>();
  return value.is_null() ? std::string() : value.dump();
}

double number_at(const Json& json, const char* key, double otherwise) {
  const Json& value = member_at(json, key);
  return value.is_number() ? value.get<double>() : otherwise;
}

}  // namespace separatrix

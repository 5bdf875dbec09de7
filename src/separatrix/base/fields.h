#pragma once

#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "separatrix/base/error.h"
#include "separatrix/base/index.h"
#include "separatrix/base/names.h"

namespace separatrix {

using Json = nlohmann::json;

// A config is a plain struct with member initialisers (its defaults) plus one free function
//   template <class V> void visit(V& v, MyConfig& c) { v("name", c.name, "help"); ... }
// From that single list come: JSON reading, canonical JSON, --help, docs tables and trial hashes.

namespace detail {

/// "a whole number", "true or false", ...: how a field's type is called in messages and tables.
template <class T>
std::string type_name() {
  if constexpr (std::is_same_v<T, bool>)
    return "true or false";
  else if constexpr (std::is_integral_v<T>)
    return "a whole number";
  else if constexpr (std::is_floating_point_v<T>)
    return "a number";
  else if constexpr (std::is_same_v<T, std::string>)
    return "text";
  else
    return "a list or map";
}

/// The value as JSON, cut where a stranger's file would flood the terminal.
inline std::string shown(const Json& json) {
  constexpr std::size_t kLongest = 80;
  const std::string text = json.dump(-1, ' ', false, Json::error_handler_t::replace);
  return text.size() <= kLongest ? text : text.substr(0, kLongest) + "...";
}

/// Strict conversion: 2.5 is no whole number, "1" no number, -1 no unsigned one.
template <class T>
void read_value(const Json& json, T& value, const std::string& where) {
  bool fits = true;
  if constexpr (std::is_same_v<T, bool>)
    fits = json.is_boolean();
  else if constexpr (std::is_unsigned_v<T>)
    fits = json.is_number_unsigned() || (json.is_number_integer() && json.get<std::int64_t>() >= 0);
  else if constexpr (std::is_integral_v<T>)
    fits = json.is_number_integer() &&
           !(json.is_number_unsigned() && json.get<std::uint64_t>() > INT64_MAX);
  else if constexpr (std::is_floating_point_v<T>)
    fits = json.is_number();
  if (fits) {
    try {
      json.get_to(value);
      return;
    } catch (const Json::exception&) {
      fits = false;
    }
  }
  throw Error(ErrorKind::spec, "expected " + type_name<T>() + ", got " + detail::shown(json),
              where);
}

}  // namespace detail

/// Reads a config; unknown keys are errors that name the nearest key, missing keys keep the
/// default. Names accept '-' and '_' alike. `where` is the file (and pointer) for messages.
/// Throws Error(spec).
template <class Config>
Config read_config(const Json& json, const std::string& where) {
  if (!json.is_object())
    throw Error(ErrorKind::spec, "expected a map of fields, got " + json.dump(), where);
  Config config;
  std::vector<std::string> known;
  auto reader = [&](const char* name, auto& value, const char*) {
    known.emplace_back(name);
    for (const auto& item : json.items())
      if (same_name(item.key(), name)) detail::read_value(item.value(), value, where + "/" + name);
  };
  visit(reader, config);
  for (const auto& item : json.items())
    if (!contains_name(known, item.key()))
      throw Error(ErrorKind::spec, "unknown key '" + item.key() + "'", where + "/" + item.key(),
                  did_you_mean(item.key(), known));
  return config;
}

/// Every field written out; nlohmann sorts the keys: the text that is hashed into a trial's id.
template <class Config>
Json write_config(Config config) {
  Json json = Json::object();
  auto writer = [&](const char* name, auto& value, const char*) { json[name] = value; };
  visit(writer, config);
  return json;
}

/// [{"name","default","type","help"}]: what `list`, --help and the generated docs show.
template <class Config>
Json describe_config() {
  Config config;
  Json json = Json::array();
  auto describe = [&](const char* name, auto& value, const char* help) {
    using T = std::remove_cvref_t<decltype(value)>;
    json.push_back(
        {{"name", name}, {"default", value}, {"type", detail::type_name<T>()}, {"help", help}});
  };
  visit(describe, config);
  return json;
}

}  // namespace separatrix

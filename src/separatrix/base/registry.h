#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "separatrix/base/fields.h"

namespace separatrix {

/// Named factories of one interface. Filled by an explicit list (tasks/all.cpp), never by static
/// initialisers: a linker drops those from static libraries, and a list can be read.
template <class Interface>
class Registry {
 public:
  struct Entry {
    std::string name, summary;
    Json parameters;  ///< describe_config of Impl::Config
    std::function<std::unique_ptr<Interface>(const Json&, const std::string&)> make;
    std::function<Json(const Json&, const std::string&)> resolve;  ///< all defaults written out
  };

  /// `kind` is the word used in messages: "task", "block".
  explicit Registry(std::string kind) : kind_(std::move(kind)) {}

  /// Impl has a Config struct with visit() and a constructor Impl(Config).
  template <class Impl>
  void add(const std::string& name, const std::string& summary) {
    using Config = typename Impl::Config;
    entries_.push_back(
        {name, summary, describe_config<Config>(),
         [](const Json& json, const std::string& where) -> std::unique_ptr<Interface> {
           return std::make_unique<Impl>(read_config<Config>(json, where));
         },
         [](const Json& json, const std::string& where) {
           return write_config(read_config<Config>(json, where));
         }});
  }

  /// Throws Error(spec) naming the nearest match when `name` is unknown, or when config is wrong.
  std::unique_ptr<Interface> make(const std::string& name, const Json& config = Json::object(),
                                  const std::string& where = {}) const {
    return find(name, where).make(config, where);
  }
  const Entry& find(const std::string& name, const std::string& where = {}) const {
    for (const Entry& entry : entries_)
      if (same_name(entry.name, name)) return entry;
    throw Error(ErrorKind::spec, "unknown " + kind_ + " '" + name + "'", where,
                did_you_mean(name, names()));
  }
  const std::vector<Entry>& entries() const { return entries_; }
  std::vector<std::string> names() const {
    std::vector<std::string> out;
    for (const Entry& entry : entries_) out.push_back(entry.name);
    return out;
  }
  const std::string& kind() const { return kind_; }

 private:
  std::string kind_;
  std::vector<Entry> entries_;  ///< in the order of the list
};

}  // namespace separatrix

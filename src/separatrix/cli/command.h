#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "separatrix/base/fields.h"

namespace CLI {
class App;
}

namespace separatrix {

/// One flag's value as typed -> JSON of the described type ("a whole number", "a number", "true or
/// false", text). Throws Error(usage) naming the flag.
Json parse_flag(const std::string& text, const std::string& type, const std::string& flag);

/// Flags that a registry describes: all parameters of all tasks, say. Which of them apply is known
/// only once the task is.
class Parameters {
 public:
  /// The given flags as a config for `owner`, whose parameters are `described` (describe_config).
  /// Throws Error(usage) when a flag was given that the owner does not have.
  Json config_for(const std::string& owner, const Json& described) const;
  bool given(const std::string& name) const { return given_.count(name) > 0; }

 private:
  friend class Command;
  std::map<std::string, std::string> given_;  ///< name -> text
  std::map<std::string, std::string> flags_;  ///< name -> its flag
};

/// A subcommand's face: arguments, flags and help. Wraps CLI11, which only command.cpp includes.
class Command {
 public:
  explicit Command(CLI::App& app) : app_(&app) {}

  void argument(const std::string& name, std::string& value, const std::string& help,
                bool required = true);
  /// One or more arguments of the same kind.
  void arguments(const std::string& name, std::vector<std::string>& values,
                 const std::string& help);
  void flag(const std::string& name, bool& value, const std::string& help);

  /// --name VALUE; the value's initial content is the default that help shows.
  template <class T>
  void option(const std::string& name, T& value, const std::string& help) {
    const std::string type = detail::type_name<T>();
    add_option(name, help + default_text(Json(value)), type,
               [&value, type, name](const auto& text) {
                 const Json json = parse_flag(text, type, "--" + name);
                 detail::read_value(json, value, "--" + name);
               });
  }
  void required_option(const std::string& name, Index& value, const std::string& help);
  /// -o FILE
  void output(std::string& value, const std::string& help);
  /// A comma-separated list.
  void list(const std::string& name, std::vector<std::string>& value, const std::string& help);

  /// One option per field of a config (base/fields.h).
  template <class Config>
  void fields(Config& config) {
    auto add = [&](const char* name, auto& value, const char* help) { option(name, value, help); };
    visit(add, config);
  }
  /// One option per described parameter, under a heading of the help; a name that `into` has
  /// already is shared. A flag that belongs to something else is not touched: with a prefix,
  /// --PREFIX-NAME is the parameter's, without one it cannot be given.
  void parameters(const Json& described, const std::string& heading, Parameters& into,
                  const std::string& prefix = {});

  /// What runs when the command line names this command.
  void run(std::function<void()> body);

 private:
  static std::string default_text(const Json& value);
  void add_option(const std::string& name, const std::string& help, const std::string& type,
                  std::function<void(const std::string&)> set);
  CLI::App* app_;
};

}  // namespace separatrix

#include "separatrix/cli/command.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include <CLI/CLI.hpp>

namespace separatrix {
namespace {

std::string hyphens(std::string name) {
  std::replace(name.begin(), name.end(), '_', '-');
  return name;
}

template <class T>
bool parse_number(const std::string& text, T& value) {
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  return error == std::errc() && stop == end;
}

}  // namespace

Json parse_flag(const std::string& text, const std::string& type, const std::string& flag) {
  if (type == detail::type_name<std::string>()) return text;
  if (type == detail::type_name<bool>() && (text == "true" || text == "false"))
    return text == "true";
  if (type == detail::type_name<Index>()) {
    Index whole = 0;
    std::uint64_t large = 0;
    if (parse_number(text, whole)) return whole >= 0 ? Json(std::uint64_t(whole)) : Json(whole);
    if (parse_number(text, large)) return large;
  }
  double number = 0;
  if (type == detail::type_name<double>() && parse_number(text, number)) return number;
  throw Error(ErrorKind::usage, "expected " + type + ", got '" + text + "'", hyphens(flag));
}

Json Parameters::config_for(const std::string& owner, const Json& described) const {
  Json config = Json::object();
  std::vector<std::string> known;
  for (const Json& parameter : described) known.push_back(hyphens(parameter.at("name")));
  for (const auto& [name, text] : given_) {
    const std::string& flag = flags_.at(name);
    const auto at = std::find(known.begin(), known.end(), hyphens(name));
    if (at == known.end())
      throw Error(ErrorKind::usage, owner + " has no parameter '" + hyphens(name) + "'", flag,
                  known.empty() ? owner + " has no parameters" : did_you_mean(name, known));
    config[name] = parse_flag(text, described.at(std::size_t(at - known.begin())).at("type"), flag);
  }
  return config;
}

void Command::argument(const std::string& name, std::string& value, const std::string& help,
                       bool required) {
  app_->add_option(name, value, help)->required(required)->type_name("");
}

void Command::arguments(const std::string& name, std::vector<std::string>& values,
                        const std::string& help) {
  app_->add_option(name, values, help)->required()->type_name("");
}

void Command::flag(const std::string& name, bool& value, const std::string& help) {
  app_->add_flag("--" + hyphens(name), value, help);
}

void Command::required_option(const std::string& name, Index& value, const std::string& help) {
  option(name, value, help);
  app_->get_option("--" + hyphens(name))->required();
}

void Command::output(std::string& value, const std::string& help) {
  app_->add_option("-o,--output", value, help + default_text(value))->type_name("PATH");
}

void Command::list(const std::string& name, std::vector<std::string>& value,
                   const std::string& help) {
  std::string joined;
  for (const std::string& item : value) joined += (joined.empty() ? "" : ",") + item;
  app_->add_option("--" + hyphens(name), value,
                   help + (joined.empty() ? joined : " [" + joined + "]"))
      ->delimiter(',')
      ->type_name("A,B,...");
}

void Command::parameters(const Json& described, const std::string& heading, Parameters& into,
                         const std::string& prefix) {
  for (const Json& parameter : described) {
    const std::string name = parameter.at("name");
    if (into.flags_.contains(name)) continue;  // shared by several owners
    const auto taken = [&](const std::string& flag) {
      return app_->get_option_no_throw("--" + hyphens(flag)) != nullptr;
    };
    std::string own = name;
    if (taken(name) && !prefix.empty()) own.insert(0, prefix + "-");
    const std::string flag = "--" + hyphens(own);
    if (taken(own)) continue;
    into.flags_[name] = flag;
    const std::string help =
        parameter.at("help").get<std::string>() + default_text(parameter.at("default"));
    add_option(own, help, parameter.at("type"),
               [&into, name](const std::string& text) { into.given_[name] = text; });
    app_->get_option(flag)->group(heading);
  }
}

void Command::run(std::function<void()> body) { app_->callback(std::move(body)); }

std::string Command::default_text(const Json& value) {
  const std::string text = value.is_string() ? value.get<std::string>() : value.dump();
  return text.empty() || text == "0" ? "" : " [" + text + "]";
}

void Command::add_option(const std::string& name, const std::string& help, const std::string& type,
                         std::function<void(const std::string&)> set) {
  const char* shown_type = type == detail::type_name<Index>()    ? "N"
                           : type == detail::type_name<double>() ? "X"
                           : type == detail::type_name<bool>()   ? "true|false"
                                                                 : "TEXT";
  app_->add_option_function<std::string>("--" + hyphens(name), std::move(set), help)
      ->type_name(shown_type);
}

}  // namespace separatrix

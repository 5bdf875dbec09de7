#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "separatrix/base/json.h"

namespace separatrix {

/// A YAML file (JSON is YAML, too) as JSON, that still knows which line each key stood on.
class YamlFile {
 public:
  Json json;

  YamlFile(Json value, std::string name, std::map<std::string, int> lines)
      : json(std::move(value)), name_(std::move(name)), lines_(std::move(lines)) {}

  /// What readers of `json` are given as `where`: "FILE#". They append "/train/lr".
  std::string root() const { return name_ + "#"; }
  /// "FILE#/train/lrr" -> "FILE:7 (/train/lrr)"; places in other files come back as they are. A
  /// pointer that the file does not have (a missing key) gets the line of what encloses it.
  std::string with_line(const std::string& where) const;

 private:
  std::string name_;
  std::map<std::string, int> lines_;  ///< "/train/lr" -> line, counted from 1; '-' read as '_'
};

/// Plain scalars become null, true/false, numbers or text by YAML 1.2's core schema; quoted ones
/// are text. Anchors are copied where they are used. Throws Error(spec), with the line: what is not
/// YAML or not UTF-8, a key twice in one map, a key that is no scalar, a number that is not finite
/// or does not fit 64 bits, foreign tags, several documents, nesting beyond kMaxNesting, anchors
/// that blow up.
YamlFile parse_yaml(const std::string& text, const std::string& name);
/// parse_yaml of the file's text. Throws Error(io) as read_file.
YamlFile load_yaml(const std::string& path);

/// f(file.json, file.root()), with places in its Errors turned into lines:
///   auto spec = with_lines(file, read_model_spec);
template <class F>
auto with_lines(const YamlFile& file, F&& f) {
  try {
    return std::forward<F>(f)(file.json, file.root());
  } catch (const Error& e) {
    throw Error(e.kind(), e.what(), file.with_line(e.where()), e.hint());
  }
}

}  // namespace separatrix

#include "separatrix/base/yaml.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <set>
#include <sstream>
#include <vector>

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include "separatrix/base/file.h"

namespace separatrix {
namespace {

constexpr std::size_t kMaxKey = 200;
constexpr std::size_t kMaxBytes = std::size_t(32) << 20;  ///< kept in all, after copying anchors
constexpr std::size_t kNodeBytes = 32;                    ///< of a value beside its text

std::string unified(std::string text) {
  std::replace(text.begin(), text.end(), '-', '_');
  return text;
}

bool one_of(const std::string& text, std::initializer_list<const char*> words) {
  return std::any_of(words.begin(), words.end(), [&](const char* w) { return text == w; });
}

/// Whole text read as a T; nullopt-like false when it is none or does not fit.
template <class T, class... Base>
bool read_number(std::string_view text, Json& out, Base... base) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base...);
  if (error != std::errc() || end != text.data() + text.size()) return false;
  out = value;
  return true;
}

/// Builds JSON from the parser's events. (Its node tree would keep neither doubled keys apart nor
/// anchors bounded.)
class Builder final : public YAML::EventHandler {
 public:
  explicit Builder(const std::string& name) : name_(name) {}

  Json value;
  std::map<std::string, int> lines;

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnAnchor(const YAML::Mark&, const std::string&) override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    if (wants_key()) fail(mark, "a map has an empty key", "write key: value");
    put(mark, nullptr, anchor, kNodeBytes);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) fail(mark, "an alias stands inside its own anchor", {});
    if (wants_key()) fail(mark, "a key must be plain text", "write it out");
    if (open_.size() + found->second.depth > std::size_t(kMaxNesting)) too_deep(mark);
    for (std::size_t i = 0; i < open_.size(); ++i)
      open_[i].depth = std::max(open_[i].depth, open_.size() - i + found->second.depth);
    spend(mark, found->second.bytes);
    put(mark, found->second.value, 0, found->second.bytes);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& text) override {
    if (!wants_key()) return put(mark, scalar(mark, tag, text), anchor, kNodeBytes + text.size());
    Open& map = open_.back();
    if (text.size() > kMaxKey) fail(mark, "a key is too long", "check the quotes and colons");
    if (!map.keys.insert(text).second)
      fail(mark, "the key '" + text + "' appears twice", "keep one of them");
    map.key = text;
    map.has_key = true;
    remember_line(mark);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, Json::array());
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, Json::object());
  }
  void OnMapEnd() override { close(); }

  [[noreturn]] void fail(const YAML::Mark& mark, const std::string& what,
                         const std::string& hint) const {
    const std::string line = mark.is_null() ? "" : ":" + std::to_string(mark.line + 1);
    throw Error(ErrorKind::spec, what, name_ + line, hint);
  }

 private:
  /// A map or list that is not finished yet.
  struct Open {
    Json value;
    YAML::Mark mark;
    YAML::anchor_t anchor = 0;
    std::set<std::string> keys;
    std::string key;  ///< of the value to come
    bool has_key = false;
    std::size_t bytes = kNodeBytes, depth = 1;  ///< of this tree
  };
  // NOLINTNEXTLINE(bugprone-exception-escape): as nlohmann moves its values
  struct Anchored {
    Json value;
    std::size_t bytes = 0, depth = 0;
  };

  bool wants_key() const {
    return !open_.empty() && open_.back().value.is_object() && !open_.back().has_key;
  }

  /// Where the value to come will stand, e.g. "/layers/0/block".
  std::string pointer() const {
    std::string path;
    for (const Open& open : open_)
      path += "/" + (open.value.is_object() ? open.key : std::to_string(open.value.size()));
    return unified(path);
  }

  void open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, Json empty) {
    if (!one_of(tag, {"", "?", "!"})) fail(mark, "the tag '" + tag + "' is not known", "drop it");
    if (wants_key()) fail(mark, "a key must be plain text", "write key: value");
    if (open_.size() >= std::size_t(kMaxNesting)) too_deep(mark);
    if (!open_.empty() && open_.back().value.is_array()) remember_line(mark);
    open_.push_back({std::move(empty), mark, anchor, {}, {}, false, kNodeBytes, 1});
    for (std::size_t i = 0; i < open_.size(); ++i)
      open_[i].depth = std::max(open_[i].depth, open_.size() - i);
  }
  void close() {
    Open done = std::move(open_.back());
    open_.pop_back();
    if (done.anchor != 0) {
      spend(done.mark, done.bytes);
      anchors_[done.anchor] = {done.value, done.bytes, done.depth};
    }
    put(done.mark, std::move(done.value), 0, done.bytes);
  }
  void put(const YAML::Mark& mark, Json json, YAML::anchor_t anchor, std::size_t bytes) {
    if (anchor != 0) anchors_[anchor] = {json, bytes, 0};
    if (open_.empty()) {
      value = std::move(json);
      return;
    }
    Open& parent = open_.back();
    parent.bytes += bytes;
    if (parent.value.is_array()) {
      if (!json.is_structured()) remember_line(mark);
      parent.value.push_back(std::move(json));
    } else {
      parent.value[parent.key] = std::move(json);
      parent.has_key = false;
    }
  }
  void remember_line(const YAML::Mark& mark) {
    const auto added = lines.emplace(pointer(), mark.line + 1).first;
    spend(mark, kNodeBytes + added->first.size());
  }
  /// Anchors and long keys above long lists multiply what a short file asks for.
  void spend(const YAML::Mark& mark, std::size_t bytes) {
    spent_ += bytes;
    if (spent_ > kMaxBytes) fail(mark, "the file expands to too many values", "split it");
  }

  Json scalar(const YAML::Mark& mark, const std::string& tag, const std::string& text) const {
    if (one_of(tag, {"!", "tag:yaml.org,2002:str"})) return text;  // quoted, or asked for
    if (!one_of(tag, {"", "?"})) fail(mark, "the tag '" + tag + "' is not known", "drop it");
    if (one_of(text, {"", "~", "null", "Null", "NULL"})) return nullptr;
    if (one_of(text, {"true", "True", "TRUE"})) return true;
    if (one_of(text, {"false", "False", "FALSE"})) return false;
    return number_or_text(mark, text);
  }
  Json number_or_text(const YAML::Mark& mark, const std::string& text) const {
    std::string_view digits = text;
    if (digits[0] == '+' && digits.substr(1, 1) != "-") digits.remove_prefix(1);
    const std::string_view unsigned_digits = digits.substr(digits.substr(0, 1) == "-");
    const bool starts_number = unsigned_digits.find_first_of("0123456789.") == 0;
    const bool not_finite =
        one_of(std::string(unsigned_digits), {".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN"});
    if (not_finite) fail(mark, "the number " + text + " is not finite", "write a finite number");
    Json json;
    if (!starts_number) return text;
    if (digits.substr(0, 2) == "0x" && read_number<std::uint64_t>(digits.substr(2), json, 16))
      return json;
    if (digits.substr(0, 2) == "0o" && read_number<std::uint64_t>(digits.substr(2), json, 8))
      return json;
    if (read_number<std::int64_t>(digits, json) || read_number<std::uint64_t>(digits, json))
      return json;
    const bool whole = unsigned_digits.find_first_not_of("0123456789") == std::string_view::npos;
    if (!whole && read_number<double>(digits, json)) return json;
    double ignored = 0;
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), ignored);
    if (end == digits.data() + digits.size() && (whole || error == std::errc::result_out_of_range))
      fail(mark, "the number " + text.substr(0, 40) + " does not fit 64 bits", {});
    return text;
  }
  [[noreturn]] void too_deep(const YAML::Mark& mark) const {
    fail(mark, "nested deeper than " + std::to_string(kMaxNesting) + " levels",
         "flatten the maps and lists");
  }

  std::string name_;
  std::vector<Open> open_;
  std::map<YAML::anchor_t, Anchored> anchors_;
  std::size_t spent_ = 0;
};

/// Text that is no UTF-8 would make every later message that quotes it fail, too. With a zero byte
/// yaml-cpp would take it for UTF-16 or UTF-32.
void check_utf8(const std::string& text, const std::string& name) {
  bool valid = text.find('\0') == std::string::npos;
  try {
    (void)Json(text).dump();
  } catch (const Json::exception&) {
    valid = false;
  }
  if (!valid) throw Error(ErrorKind::spec, "not UTF-8 text", name, "save the file as UTF-8");
}

}  // namespace

YamlFile parse_yaml(const std::string& text, const std::string& name) {
  check_utf8(text, name);
  std::istringstream stream(text);
  Builder builder(name);
  try {
    YAML::Parser parser(stream);
    parser.HandleNextDocument(builder);
    Builder rest(name);
    if (parser.HandleNextDocument(rest))
      throw Error(ErrorKind::spec, "more than one YAML document", name, "keep one document");
  } catch (const YAML::Exception& e) {
    builder.fail(e.mark, "not YAML: " + e.msg, {});
  }
  return {std::move(builder.value), name, std::move(builder.lines)};
}

YamlFile load_yaml(const std::string& path) { return parse_yaml(read_file(path), path); }

std::string YamlFile::with_line(const std::string& where) const {
  if (where.compare(0, root().size(), root()) != 0) return where;
  const std::string pointer = where.substr(root().size());
  for (std::string prefix = unified(pointer); !prefix.empty();
       prefix.resize(prefix.rfind('/') == std::string::npos ? 0 : prefix.rfind('/'))) {
    const auto found = lines_.find(prefix);
    if (found != lines_.end())
      return name_ + ":" + std::to_string(found->second) + " (" + pointer + ")";
  }
  return pointer.empty() ? name_ : name_ + " (" + pointer + ")";
}

}  // namespace separatrix

#include <algorithm>
#include <cstring>

#include "separatrix/base/json.h"
#include "separatrix/tasks/checks.h"
#include "separatrix/tasks/truth_table.h"

namespace separatrix {
namespace {

constexpr const char* kForm = R"(write {"tokens":[0,1],"answer":1} or {"tokens":..,"targets":..})";
constexpr Token kLargest = (1 << 24) - 1;  ///< token or answer

struct Entry {
  std::vector<Token> tokens, targets;
  bool answers = false;  ///< `answer` was given: targets holds that one
};

/// Reads an entry that is written the usual way, and nothing else: 20 times as fast as building
/// a JSON value, and tables have millions of lines. What it refuses, the JSON parser judges.
class Scanner {
 public:
  explicit Scanner(std::string_view line) : at_(line.data()), end_(at_ + line.size()) {}

  bool read(Entry& entry) {
    if (!(next("{") && next("\"tokens\"") && next(":") && list(entry.tokens) && next(",")))
      return false;
    entry.targets.clear();
    entry.answers = next("\"answer\"");
    if (entry.answers) {
      entry.targets.resize(1);
      if (!(next(":") && number(entry.targets.front()))) return false;
    } else if (!(next("\"targets\"") && next(":") && list(entry.targets))) {
      return false;
    }
    if (!next("}")) return false;
    skip_blanks();
    return at_ == end_;
  }

 private:
  void skip_blanks() {
    while (at_ != end_ && (*at_ == ' ' || *at_ == '\t' || *at_ == '\r')) ++at_;
  }
  bool next(std::string_view word) {
    skip_blanks();
    if (std::size_t(end_ - at_) < word.size() || std::memcmp(at_, word.data(), word.size()) != 0)
      return false;
    at_ += word.size();
    return true;
  }
  /// 0, or up to eight digits that do not start with 0, or -1.
  bool number(Token& value) {
    if (next("-")) {
      value = -1;
      return at_ != end_ && *at_++ == '1' && !digit();
    }
    if (!digit()) return false;
    value = *at_++ - '0';
    if (value == 0) return !digit();
    for (int n = 1; digit(); ++n) {
      if (n == 8) return false;
      value = 10 * value + (*at_++ - '0');
    }
    return true;
  }
  bool digit() const { return at_ != end_ && *at_ >= '0' && *at_ <= '9'; }
  bool list(std::vector<Token>& values) {
    values.clear();
    if (!next("[")) return false;
    do {
      if (!number(values.emplace_back())) return false;
    } while (next(","));
    return next("]");
  }

  const char *at_, *end_;
};

[[noreturn]] void fail(const std::string& what, const std::string& where,
                       const std::string& hint = kForm) {
  throw Error(ErrorKind::spec, what, where, hint);
}

/// Any whole number of JSON; what is out of range stays so.
Token whole(const Json& json, const std::string& where) {
  if (!json.is_number_integer()) fail("expected a whole number, got " + detail::shown(json), where);
  if (json.is_number_unsigned() && json.get<std::uint64_t>() > kLargest) return kLargest + 1;
  return Token(std::max<std::int64_t>(json.get<std::int64_t>(), -2));
}

std::vector<Token> whole_list(const Json& json, const std::string& where) {
  if (!json.is_array()) fail("expected a list of whole numbers, got " + detail::shown(json), where);
  std::vector<Token> out;
  for (const Json& item : json) out.push_back(whole(item, where));
  return out;
}

/// The same by the JSON parser, for every form that JSON allows and for its complaints.
Entry read_json(std::string_view line, const std::string& where) {
  Json json;
  try {
    json = parse_json(line, where);
  } catch (const Error& e) {
    std::string what = e.what();  // its line number counts within this line
    if (const auto at = what.find("line 1, "); at != std::string::npos) what.erase(at, 8);
    throw Error(e.kind(), what, e.where(), e.hint().empty() ? kForm : e.hint());
  }
  if (!json.is_object()) fail("an entry must be a map, got " + detail::shown(json), where);
  for (const auto& item : json.items())
    if (item.key() != "tokens" && item.key() != "answer" && item.key() != "targets")
      fail("unknown key '" + item.key() + "'", where,
           did_you_mean(item.key(), {"tokens", "answer", "targets"}));
  if (!json.contains("tokens")) fail("the entry has no tokens", where);
  if (json.contains("answer") == json.contains("targets"))
    fail(json.contains("answer") ? "the entry has both answer and targets"
                                 : "the entry has no answer",
         where);
  Entry entry;
  entry.tokens = whole_list(json.at("tokens"), where);
  entry.answers = json.contains("answer");
  if (entry.answers)
    entry.targets = {whole(json.at("answer"), where)};
  else
    entry.targets = whole_list(json.at("targets"), where);
  return entry;
}

void check(const Entry& entry, const std::string& file, std::uint32_t line) {
  const auto where = [&] { return file + ":" + std::to_string(line); };
  const auto [low, high] = std::minmax_element(entry.tokens.begin(), entry.tokens.end());
  if (entry.tokens.empty()) fail("the entry has no tokens", where());
  if (Index(entry.tokens.size()) > kMaxTokens) fail("the entry has over 2^24 tokens", where());
  if (*low < 0 || *high > kLargest)
    fail("a token is out of range", where(), "tokens are whole numbers from 0 to 16777215");
  if (!entry.answers && entry.targets.size() != entry.tokens.size())
    fail("the entry has " + std::to_string(entry.tokens.size()) + " tokens and " +
             std::to_string(entry.targets.size()) + " targets",
         where(), "write one target for each token, -1 where nothing is asked");
  const auto [least, most] = std::minmax_element(entry.targets.begin(), entry.targets.end());
  if (*least < (entry.answers ? 0 : kIgnore) || *most > kLargest)
    fail("an answer is out of range", where(), "answers are whole numbers from 0 to 16777215");
  if (*most == kIgnore) fail("the entry asks nothing", where(), "give one target that is not -1");
}

}  // namespace

TruthTable parse_table(std::string_view text, const std::string& where) {
  TableBuilder builder(where);
  Entry entry;
  std::uint32_t number = 0;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (++number == UINT32_MAX) fail("the table has over 2^32 lines", where, "split it");
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    if (!Scanner(line).read(entry)) entry = read_json(line, where + ":" + std::to_string(number));
    check(entry, where, number);
    builder.add(entry.tokens, entry.targets, number);
  }
  return builder.finish();
}

}  // namespace separatrix

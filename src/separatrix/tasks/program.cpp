#include <algorithm>
#include <cmath>
#include <filesystem>
#include <mutex>
#include <numeric>
#include <set>
#include <sstream>
#include <unordered_map>

#include "separatrix/base/file.h"
#include "separatrix/base/hash.h"
#include "separatrix/base/json.h"
#include "separatrix/tasks/checks.h"
#include "separatrix/tasks/line_process.h"
#include "separatrix/tasks/task.h"

namespace separatrix {
namespace {

constexpr Index kLargest = Index{1} << 24;  ///< tokens and classes
constexpr Index kProbes = 16;               ///< inputs asked twice
constexpr Index kChanceInputs = Index{1} << 14;
constexpr std::size_t kCacheBytes = std::size_t{64} << 20;

struct ProgramConfig {
  std::string program, arguments;
  Index alphabet = 2, classes = 2;
  std::string positions = "last";
  double timeout = 5;
};
template <class V>
void visit(V& v, ProgramConfig& c) {
  v("program", c.program, "executable that answers each line of tokens with one line");
  v("arguments", c.arguments, "its arguments, separated by spaces");
  v("alphabet", c.alphabet, "q: inputs are all sequences of N tokens from 0 to q-1");
  v("classes", c.classes, "C: answers are 0 to C-1");
  v("positions", c.positions, "where an answer is asked: last (one for each input) or all");
  v("timeout", c.timeout, "seconds that an answer may take");
}

/// The file that a name on a command line means: one that is there, else the first on the PATH.
std::string find_program(const std::string& name) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  if (name.empty() || name.find('/') != std::string::npos) return name;
  if (fs::is_regular_file(name, ignored)) return "./" + name;
  const char* const path = std::getenv("PATH");
  std::istringstream folders(path != nullptr ? path : "");
  for (std::string folder; std::getline(folders, folder, ':');) {
    std::string candidate = (folder.empty() ? "." : folder) + "/" + name;
    if (fs::is_regular_file(candidate, ignored)) return candidate;
  }
  return "./" + name;
}

std::vector<std::string> split_words(const std::string& text) {
  std::istringstream words(text);
  std::vector<std::string> out;
  for (std::string word; words >> word;) out.push_back(word);
  return out;
}

/// Changes when the program, or a file among its arguments, does.
std::string hash_files(const std::vector<std::string>& command) {
  if (command.front().empty()) return {};
  std::error_code ignored;
  std::string hashes;
  for (const std::string& word : command)
    if (std::filesystem::is_regular_file(word, ignored)) hashes += sha256(read_file(word)) + "\n";
  return sha256(hashes);
}

std::string as_line(std::span<const Token> tokens) {
  std::string line = R"({"tokens":[)";
  for (const Token token : tokens) line += std::to_string(token) + ",";
  line.back() = ']';
  return line + "}";
}

/// What a user's program answers, over all sequences of N tokens. The processes are started when
/// asked and kept, one for each thread that asks at a time.   [nerode1958]
class Program final : public Task {
 public:
  using Config = ProgramConfig;
  explicit Program(const Config& config)
      : command_(split_words(config.arguments)),
        alphabet_(config.alphabet),
        classes_(config.classes),
        all_(require_choice("program/positions", config.positions, {"last", "all"}) == 1),
        timeout_(config.timeout) {
    require_range("program/alphabet", config.alphabet, 1, kLargest);
    require_range("program/classes", config.classes, 1, kLargest);
    if (!(config.timeout > 0 && config.timeout <= 86400))
      throw Error(ErrorKind::spec, "the timeout must be above 0 and at most 86400 seconds",
                  "program/timeout", "5 is the default");
    command_.insert(command_.begin(), find_program(config.program));
    fingerprint_ = hash_files(command_);
  }

  /// Also asks some inputs of the length twice, of two processes and in two orders.
  void check_length(Index length) const override {
    require_length("program", length, {});
    if (command_.front().empty())
      throw Error(ErrorKind::spec, "there is no program to ask", "program/program",
                  "give --program FILE; docs/tasks.md shows one");
    const std::lock_guard lock(probe_mutex_);
    if (probed_.count(length) > 0) return;
    probe(length);
    probed_.insert(length);
  }
  TaskInfo info(Index length) const override {
    return {.vocab_size = alphabet_,
            .n_classes = classes_,
            .n_tokens = length,
            .reference = "nerode1958"};
  }
  void label(std::span<const Token> tokens, std::span<Token> targets) const override {
    assert(tokens.size() == targets.size() && !tokens.empty());
    std::string key(reinterpret_cast<const char*>(tokens.data()), tokens.size_bytes());
    std::unique_ptr<LineProcess> process;
    {
      const std::lock_guard lock(mutex_);
      if (const auto known = answers_.find(key); known != answers_.end())
        return write(known->second, targets);
      if (!idle_.empty()) {
        process = std::move(idle_.back());
        idle_.pop_back();
      }
    }
    const std::vector<Token> answer = ask(process, tokens);
    write(answer, targets);
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(process));
    answers_bytes_ += key.size() + answer.size() * sizeof(Token) + 100;
    if (answers_bytes_ > kCacheBytes) {
      answers_.clear();
      answers_bytes_ = 0;
    }
    answers_.emplace(std::move(key), answer);
  }
  /// Tokens uniform and independent.
  void sample(Rng& rng, std::span<Token> tokens) const override {
    for (Token& token : tokens) token = Token(rng.below(alphabet_));
  }
  std::vector<Token> legal_next(std::span<const Token> prefix, Index length) const override {
    if (Index(prefix.size()) >= length) return {};
    std::vector<Token> next(static_cast<std::size_t>(alphabet_));
    std::iota(next.begin(), next.end(), 0);
    return next;
  }
  std::string spell(Token token, Index /*length*/) const override { return std::to_string(token); }
  std::string spell_class(Token target, Index /*length*/) const override {
    return std::to_string(target);
  }
  /// Exact when there are at most 2^14 inputs, else the share among 2^14 drawn ones.
  double chance(Index length) const override {
    std::vector<Index> count(static_cast<std::size_t>(classes_));
    std::vector<Token> targets(static_cast<std::size_t>(length));
    const auto add = [&](std::span<const Token> tokens) {
      label(tokens, targets);
      for (const Token target : targets)
        if (target != kIgnore) ++count[std::size_t(target)];
      return true;
    };
    if (double(length) * std::log2(double(alphabet_)) <= std::log2(double(kChanceInputs))) {
      for_each_instance(*this, length, add);
    } else {
      Rng rng(0, RngUse::sample, std::uint64_t(length));
      std::vector<Token> tokens(targets.size());
      for (Index i = 0; i < kChanceInputs; ++i) {
        sample(rng, tokens);
        add(tokens);
      }
    }
    return double(*std::max_element(count.begin(), count.end())) /
           double(std::accumulate(count.begin(), count.end(), Index{0}));
  }
  std::string describe(Index length) const override {
    return std::to_string(length) + (length == 1 ? " token" : " tokens") + " from 0 to " +
           std::to_string(alphabet_ - 1) + "; answer what " +
           (command_.front().empty() ? "a program" : command_.front()) + " answers";
  }
  std::string fingerprint() const override { return fingerprint_; }

 private:
  /// One answer, or one target for each token. Starts the process when there is none yet.
  std::vector<Token> ask(std::unique_ptr<LineProcess>& process,
                         std::span<const Token> tokens) const {
    if (!process) process = std::make_unique<LineProcess>(command_);
    const std::string asked = as_line(tokens);
    const std::string line =
        process->ask(asked, std::chrono::duration<double>(timeout_), 4096 + 16 * tokens.size());
    return read_answer(line, asked, tokens.size());
  }
  std::vector<Token> read_answer(const std::string& line, const std::string& asked,
                                 std::size_t n_tokens) const {
    const char* const key = all_ ? "targets" : "answer";
    Json json;
    try {
      json = parse_json(line, command_.front(), ErrorKind::io);
    } catch (const Error&) {
      refuse("the answer is not JSON: " + shown_line(line), asked);
    }
    if (!json.is_object() || json.size() != 1 || !json.contains(key))
      refuse("the answer is not of the form asked: " + shown_line(line), asked);
    const Json& value = json.at(key);
    if (!all_) return {read_target(value, 0, line, asked)};
    if (!value.is_array() || value.size() != n_tokens)
      refuse("the answer has not one target for each token: " + shown_line(line), asked);
    std::vector<Token> targets;
    for (const Json& item : value) targets.push_back(read_target(item, kIgnore, line, asked));
    if (std::all_of(targets.begin(), targets.end(), [](Token t) { return t == kIgnore; }))
      refuse("the answer asks nothing: " + shown_line(line), asked);
    return targets;
  }
  Token read_target(const Json& value, Token least, const std::string& line,
                    const std::string& asked) const {
    if (!value.is_number_integer() || value < least || value >= classes_)
      refuse("the answer is out of range: " + shown_line(line), asked);
    return value.get<Token>();
  }
  [[noreturn]] void refuse(const std::string& what, const std::string& asked) const {
    const std::string last = std::to_string(classes_ - 1);
    throw Error(ErrorKind::io, what + ", asked " + shown_line(asked), command_.front(),
                all_
                    ? R"(answer {"targets":[..]}: for each token 0 to )" + last + ", or -1 for none"
                    : R"(answer {"answer":k} with k from 0 to )" + last);
  }
  void write(const std::vector<Token>& answer, std::span<Token> targets) const {
    if (all_) {
      std::copy(answer.begin(), answer.end(), targets.begin());
    } else {
      std::fill(targets.begin(), targets.end(), kIgnore);
      targets.back() = answer.front();
    }
  }
  void probe(Index length) const {
    Rng rng(0, RngUse::sample, std::uint64_t(length));
    std::vector<std::vector<Token>> inputs, first;
    std::unique_ptr<LineProcess> one, other;
    const bool long_inputs = length > (1 << 16);  // a few MiB are probe enough
    for (Index i = 0; i < (long_inputs ? 2 : kProbes); ++i) {
      sample(rng, inputs.emplace_back(static_cast<std::size_t>(length)));
      first.push_back(ask(one, inputs.back()));
    }
    for (std::size_t i = inputs.size(); i-- > 0;) {
      const std::vector<Token> again = ask(other, inputs[i]);
      if (again == first[i]) continue;
      const auto [was, is] = std::mismatch(first[i].begin(), first[i].end(), again.begin());
      throw Error(ErrorKind::io,
                  "asked twice, the program answers " + std::to_string(*was) + ", then " +
                      std::to_string(*is) + ", to " + shown_line(as_line(inputs[i])),
                  command_.front(), "let the answer depend on the line alone");
    }
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(one));
    idle_.push_back(std::move(other));
  }

  std::vector<std::string> command_;  ///< the file, which may be empty, and its arguments
  Index alphabet_, classes_;
  bool all_;
  double timeout_;
  std::string fingerprint_;
  mutable std::mutex probe_mutex_;
  mutable std::set<Index> probed_;
  mutable std::mutex mutex_;  ///< of all below
  mutable std::vector<std::unique_ptr<LineProcess>> idle_;
  mutable std::unordered_map<std::string, std::vector<Token>> answers_;
  mutable std::size_t answers_bytes_ = 0;
};

}  // namespace

void register_program(Registry<Task>& tasks) {
  tasks.add<Program>("program", "what a program of yours answers, in any language");
}

}  // namespace separatrix

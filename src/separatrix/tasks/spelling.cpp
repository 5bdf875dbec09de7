#include "separatrix/tasks/spelling.h"

#include <algorithm>
#include <sstream>
#include <unordered_map>

#include "separatrix/base/error.h"
#include "separatrix/base/json.h"
#include "separatrix/base/names.h"

namespace separatrix {
namespace {

using Spellings = std::unordered_map<std::string, Token>;

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

/// "did you mean 's4'?", or some of the tokens there are.
std::string nearest_spelling(const std::string& word, const std::vector<std::string>& spellings) {
  std::string hint = did_you_mean(word, spellings);
  if (hint.starts_with("did you mean") || spellings.size() <= 12) return hint;
  return "tokens are spelled as in " + spellings.front() + ", " + spellings[1] + ", ..., " +
         spellings.back() + "; see separatrix sample";
}

[[noreturn]] void unknown_token(const std::string& word, std::size_t position, const Task& task,
                                Index length, const std::string& where) {
  std::vector<std::string> spellings;
  for (Token token = 0; token < task.info(length).vocab_size; ++token)
    spellings.push_back(task.spell(token, length));
  throw Error(ErrorKind::usage, "unknown token '" + word + "'",
              where + ", position " + std::to_string(position), nearest_spelling(word, spellings));
}

std::vector<Token> read_words(const Task& task, Index length, const std::string& text,
                              const std::string& where) {
  Spellings known;
  std::size_t longest = 1;  // words of one spelling: a user's symbols may hold blanks
  for (Token token = 0; token < task.info(length).vocab_size; ++token) {
    const std::string spelling = task.spell(token, length);
    longest = std::max(longest, words_of(spelling).size());
    known.emplace(spelling, token);
  }
  const std::vector<std::string> words = words_of(text);
  std::vector<Token> tokens;
  for (std::size_t at = 0; at < words.size();) {
    auto found = known.end();
    std::size_t taken = std::min(longest, words.size() - at);
    for (; taken > 0; --taken) {
      std::string spelling = words[at];
      for (std::size_t i = 1; i < taken; ++i) spelling += " " + words[at + i];
      found = known.find(spelling);
      if (found == known.end()) found = known.find(spelling.substr(0, spelling.rfind("->")));
      if (found != known.end()) break;
    }
    if (found == known.end()) unknown_token(words[at], tokens.size(), task, length, where);
    tokens.push_back(found->second);
    at += taken;
  }
  return tokens;
}

std::vector<Token> read_numbers(Index vocab_size, const std::string& text,
                                const std::string& where) {
  std::vector<Token> tokens;
  for (const Json& token : parse_json(text, where)) {
    if (!token.is_number_unsigned() || token.get<std::uint64_t>() >= std::uint64_t(vocab_size))
      throw Error(ErrorKind::usage,
                  "token " + token.dump() + " is not a whole number from 0 to " +
                      std::to_string(vocab_size - 1),
                  where + ", position " + std::to_string(tokens.size()));
    tokens.push_back(token.get<Token>());
  }
  return tokens;
}

}  // namespace

std::vector<Token> read_spelled(const Task& task, Index length, const std::string& text,
                                const std::string& where) {
  const TaskInfo info = task.info(length);
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  // A spelling may begin with a bracket, too; a list of numbers is read as one only if it is one.
  const bool numbers = begin != std::string::npos && text[begin] == '[' &&
                       text.find_first_not_of("0123456789-+.eE[], \t\r\n") == std::string::npos;
  std::vector<Token> tokens =
      numbers ? read_numbers(info.vocab_size, text, where) : read_words(task, length, text, where);
  if (Index(tokens.size()) != info.n_tokens)
    throw Error(ErrorKind::usage,
                "the input has " + std::to_string(tokens.size()) + " tokens, length " +
                    std::to_string(length) + " takes " + std::to_string(info.n_tokens),
                where, "see separatrix sample for an example, or give --length");
  return tokens;
}

Index find_illegal(const Task& task, Index length, std::span<const Token> tokens) {
  for (std::size_t t = 0; t < tokens.size(); ++t) {
    const std::vector<Token> legal = task.legal_next(tokens.first(t), length);
    if (!std::binary_search(legal.begin(), legal.end(), tokens[t])) return Index(t);
  }
  return -1;
}

}  // namespace separatrix

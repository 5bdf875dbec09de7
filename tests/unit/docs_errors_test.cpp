// Every Error text of src/ must be explained in docs/errors.md.
// g++ 12 with -fsanitize=address takes a moved std::function inside <regex> for uninitialised.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"

#include <filesystem>
#include <regex>

#include <gtest/gtest.h>

#include "separatrix/base/file.h"

namespace separatrix {
namespace {

/// The literal pieces of the argument that starts at `at`, up to its comma at bracket depth 0.
/// Neighbouring literals are one.
std::vector<std::string> literals(const std::string& text, std::size_t at) {
  std::vector<std::string> pieces;
  bool joined = false;  // only white space since the last literal
  for (int depth = 0; at < text.size() && depth >= 0; ++at) {
    const char c = text[at];
    if (c == '"') {
      std::string piece;
      while (text[++at] != '"') {
        if (text[at] == '\\') ++at;
        piece += text[at];
      }
      if (joined)
        pieces.back() += piece;
      else
        pieces.push_back(piece);
      joined = true;
      continue;
    }
    if (c == '\'') at += text[at + 1] == '\\' ? 3 : 2;  // a character literal
    if (c == '(' || c == '{' || c == '[') ++depth;
    if (c == ')' || c == '}' || c == ']') --depth;
    if (c == ',' && depth == 0) break;
    if (c != ' ' && c != '\n') joined = false;
  }
  return pieces;
}

/// Without the quotes and spaces around the part that is filled in.
std::string trimmed(std::string piece) {
  const char* edge = " ':(),.{}^";
  const std::size_t begin = piece.find_first_not_of(edge);
  if (begin == std::string::npos) return {};
  piece.erase(0, begin);
  piece.erase(piece.find_last_not_of(edge) + 1);
  return piece;
}

TEST(ErrorDocs, EveryMessageIsListed) {
  namespace fs = std::filesystem;
  const std::string page = read_file(std::string(SEPARATRIX_SOURCE) + "/docs/errors.md");
  const std::regex start(R"(\bError\(\s*(?:ErrorKind::\w+|kind_?),)");
  int messages = 0;
  for (const auto& entry :
       fs::recursive_directory_iterator(fs::path(SEPARATRIX_SOURCE) / "src/separatrix")) {
    const std::string extension = entry.path().extension();
    if (extension != ".cpp" && extension != ".h") continue;
    const std::string text = read_file(entry.path().string());
    for (std::sregex_iterator it(text.begin(), text.end(), start), end; it != end; ++it) {
      for (const std::string& piece : literals(text, std::size_t(it->position() + it->length()))) {
        const std::string part = trimmed(piece.substr(0, piece.find("{}")));
        if (part.size() < 8) continue;  // joints such as ", got"
        ++messages;
        EXPECT_NE(page.find(part), std::string::npos)
            << entry.path() << ": docs/errors.md does not list \"" << part << '"';
      }
    }
  }
  EXPECT_GT(messages, 50);  // else the pattern no longer finds them
}

}  // namespace
}  // namespace separatrix

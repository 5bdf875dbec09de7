// docs/tasks.md says what the code does: every task and parameter is there, every example is right.
#include <filesystem>
#include <map>
#include <set>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "separatrix/base/file.h"
#include "separatrix/tasks/task.h"

namespace separatrix {
namespace {

using testing::HasSubstr;

class TaskDocs : public testing::Test {
 protected:
  TaskDocs() { register_tasks(registry_); }

  const std::string docs_ = read_file(SEPARATRIX_SOURCE "/docs/tasks.md"),
                    references_ = read_file(SEPARATRIX_SOURCE "/docs/references.md");
  Registry<Task> registry_{"task"};
};

/// Tokens or targets back from their names.
std::vector<Token> read_names(const std::string& line, const std::map<std::string, Token>& names) {
  std::istringstream words(line);
  std::vector<Token> out;
  for (std::string word; words >> word;) {
    EXPECT_TRUE(names.count(word)) << word << " in: " << line;
    if (names.count(word)) out.push_back(names.at(word));
  }
  return out;
}

TEST_F(TaskDocs, NameEveryTaskParameterDefaultAndReference) {
  for (const auto& entry : registry_.entries()) {
    const auto begin = docs_.find("\n## " + entry.name + "\n");
    ASSERT_NE(begin, std::string::npos) << entry.name;
    const std::string section = docs_.substr(begin, docs_.find("\n## ", begin + 1) - begin);
    for (const Json& parameter : entry.parameters) {
      Json value = parameter["default"];
      if (value == "") value = "empty";
      const std::string shown = value.is_string() ? value.get<std::string>() : value.dump();
      EXPECT_THAT(section,
                  HasSubstr("| `" + parameter["name"].get<std::string>() + "` | " + shown + " |"));
    }
    const std::string key = registry_.make(entry.name)->info(16).reference;
    EXPECT_THAT(section, HasSubstr(key));
    EXPECT_THAT(references_, HasSubstr("**" + key + "**"));
    EXPECT_THAT(section, HasSubstr("```example\n" + entry.name + " "));
  }
}

TEST_F(TaskDocs, ExamplesAreRight) {
  std::filesystem::current_path(SEPARATRIX_SOURCE);  // programs are named from there
  std::istringstream lines(docs_);
  std::set<std::string> seen;
  for (std::string line; std::getline(lines, line);) {
    if (line != "```example") continue;
    std::string head, input, asked;
    std::getline(lines, head);
    std::getline(lines, input);
    std::getline(lines, asked);
    SCOPED_TRACE(head);
    const auto open = head.find(' '), close = head.rfind(' ');
    const std::string name = head.substr(0, open);
    const auto task = registry_.make(name, Json::parse(head.substr(open + 1, close - open - 1)));
    const Index length = std::stoll(head.substr(close + 1));
    seen.insert(name);

    std::map<std::string, Token> tokens, classes{{".", kIgnore}};
    for (Token t = 0; t < task->info(length).vocab_size; ++t) tokens[task->spell(t, length)] = t;
    for (Token t = 0; t < task->info(length).n_classes; ++t)
      classes[task->spell_class(t, length)] = t;
    const std::vector<Token> instance = read_names(input, tokens);
    ASSERT_EQ(Index(instance.size()), task->info(length).n_tokens);
    std::vector<Token> targets(instance.size());
    task->label(instance, targets);
    EXPECT_EQ(targets, read_names(asked, classes));
    for (std::size_t t = 0; t < instance.size(); ++t)
      EXPECT_THAT(task->legal_next(std::span(instance).first(t), length),
                  testing::Contains(instance[t]));
  }
  EXPECT_EQ(seen.size(), registry_.entries().size());
}

TEST_F(TaskDocs, TheProgramShownIsTheFile) {
  EXPECT_THAT(docs_, HasSubstr("```python\n" +
                               read_file(SEPARATRIX_SOURCE "/docs/examples/majority.py") + "```"));
}

TEST_F(TaskDocs, DyckChanceIsAsStated) {
  const auto dyck = registry_.make("bounded-dyck", {{"mode", "next-token"}});
  EXPECT_NEAR(dyck->chance(20), 0.31, 0.005);
  EXPECT_NEAR(dyck->chance(400), 0.25, 0.005);
}

}  // namespace
}  // namespace separatrix

// docs/blocks.md names every block, parameter, default and tensor.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "separatrix/base/file.h"
#include "separatrix/nn/block.h"

namespace separatrix {
namespace {

using testing::HasSubstr;

TEST(BlockDocs, NameEveryBlockParameterDefaultAndTensor) {
  const std::string docs = read_file(SEPARATRIX_SOURCE "/docs/blocks.md");
  Registry<Block> blocks("block");
  register_blocks(blocks);
  for (const auto& entry : blocks.entries()) {
    const auto begin = docs.find("\n## " + entry.name + "\n");
    ASSERT_NE(begin, std::string::npos) << entry.name;
    const std::string section = docs.substr(begin, docs.find("\n## ", begin + 1) - begin);
    for (const Json& parameter : entry.parameters) {
      const Json& value = parameter["default"];
      const std::string shown = value.is_string() ? value.get<std::string>() : value.dump();
      EXPECT_THAT(section,
                  HasSubstr("| `" + parameter["name"].get<std::string>() + "` | " + shown + " |"));
    }
    for (const ParamSpec& tensor : entry.make(Json::object(), "")->params(8))
      EXPECT_THAT(section, HasSubstr("`" + tensor.name + "`"));
  }
}

}  // namespace
}  // namespace separatrix

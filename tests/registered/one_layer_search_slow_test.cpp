#include <set>

#include <gtest/gtest.h>

#include "separatrix/bounds/bound.h"
#include "separatrix/bounds/one_layer/evidence.h"

// The divisions of longer inputs, from all of them: 4^12 words for Dyck.

namespace separatrix::one_layer {
namespace {

struct Found {
  std::set<Index> alice;
  Evidence evidence;
};

Found most_rows(const std::string& name, const Json& config, Index length) {
  Registry<Task> tasks("task");
  register_tasks(tasks);
  const auto task = tasks.make(name, config);
  const BoundRequest request{.task = *task,
                             .task_name = name,
                             .task_config = tasks.find(name).resolve(config, ""),
                             .length = length,
                             .threads = 2};
  Found out{{}, search_one_layer(request, Measure::rows).at(0)};
  for (const Json& t : out.evidence.witness.at("alice")) out.alice.insert(t.get<Index>());
  return out;
}

TEST(OneLayerSearch, DyckOfTenAndTwelveBracketsOverAllPartitions) {
  for (const Index n : {10, 12}) {
    const Found found = most_rows("bounded-dyck", {{"types", 2}, {"depth", 2}}, n);
    EXPECT_EQ(found.evidence.count, (long(1) << (n - 1)) + 1);
    EXPECT_TRUE(found.evidence.exact);
    EXPECT_EQ(found.evidence.partition, "odd positions | even positions");
  }
}

TEST(OneLayerSearch, EqualityOfTwentyInterleavedSymbolsByClimbing) {
  const Found found =
      most_rows("string-equality", {{"alphabet", 2}, {"layout", "interleaved"}}, 20);
  EXPECT_EQ(found.evidence.count, 1024);
  EXPECT_TRUE(found.evidence.exact);
  EXPECT_EQ(found.evidence.partition, "even positions | odd positions");
}

}  // namespace
}  // namespace separatrix::one_layer

#pragma once

#include "tests/support/built_case.h"

// For the tests of the certificate method "layered".

namespace separatrix {

struct LayeredFixture {
  Catalog r;

  Certificate certify_layered(const BuiltCase& c) const {
    return certify(c.claim, {*c.task, c.built.weights, r.blocks}, r.methods, "layered");
  }
  std::string recheck_of(const Certificate& certificate, const BuiltCase& c) const {
    return recheck(certificate, {*c.task, c.built.weights, r.blocks}, r.methods);
  }
};

/// Two-layer constructions with small parameters.
struct LayeredRow {
  const char* construction;
  Json config = Json::object();
};
inline std::vector<LayeredRow> layered_rows() {
  const std::string features =
      "{features: [{positions: [0, 1], computes: and}, {positions: [1, 2], table: [0, 1, 1, 0]}, "
      "{positions: [0], table: [0, 1]}], function: ";
  std::vector<LayeredRow> rows = {
      {"string-equality-transformer", {{"alphabet", 2}}},
      {"string-equality-transformer", {{"alphabet", 5}, {"layout", "interleaved"}}},
      {"set-disjointness-transformer", {{"layout", "halves"}}},
      {"set-disjointness-transformer", {{"layout", "interleaved"}}},
      {"nearest-neighbor-transformer", {{"dimension", 2}}},
      {"nearest-neighbor-transformer", {{"dimension", 1}, {"labels", 3}, {"positions", "all"}}},
      {"mqar-transformer", {{"vocab_size", 8}, {"pairs", 1}}},
      {"mqar-transformer", {{"vocab_size", 10}, {"pairs", 2}, {"random_non_queries", true}}},
      {"induction-transformer", {{"alphabet", 1}}},
      {"induction-transformer", {{"alphabet", 3}}},
      {"index-lookup-query-first-transformer", {{"alphabet", 3}, {"query", "first"}}},
      {"sparse-features-transformer", Json::object()}};
  for (const char* function : {"and", "parity", "{at-least: 2}", "{values: [0, 1, 0, 0]}"})
    rows.push_back({"sparse-features-transformer", {{"features", features + function + "}"}}});
  return rows;
}

inline bool has_length(const Task& task, Index length) {
  try {
    task.check_length(length);
    return true;
  } catch (const Error&) {
    return false;
  }
}

/// nullptr where there is nothing of that length.
inline std::unique_ptr<BuiltCase> layered_case(const Catalog& r, const LayeredRow& row,
                                               Index length, Arithmetic arithmetic) {
  const std::string task = r.constructions.make(row.construction)->task();
  if (!has_length(*r.tasks.make(task, r.tasks.find(task).resolve(row.config, "")), length))
    return nullptr;
  return build_case(r, row.construction, row.config, length, arithmetic);
}

}  // namespace separatrix

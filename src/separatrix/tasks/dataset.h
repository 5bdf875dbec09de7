#pragma once

#include <memory>
#include <span>
#include <string>

#include "separatrix/tasks/batch.h"

namespace separatrix {

/// Labelled inputs of one task and length, all of the same number of tokens; the same
/// specification gives the same bytes, on any machine.
struct DatasetSpec {
  std::string task;
  Json task_config = Json::object();
  Index length = 0, count = 0;
  std::uint64_t seed = 0;
  std::string split = "any";  ///< train, test or any
  Index holdout = 16;         ///< one input in so many is of `test` (Portion); any: no division
};
Json to_json(const DatasetSpec& spec);

/// The portion that a split's name stands for. Throws Error(usage).
Portion portion_of(const std::string& split);

/// Takes instances one by one; what it writes stands under its name only after finish().
class DatasetWriter {
 public:
  virtual ~DatasetWriter() = default;
  /// Throws Error(io) when the disk is full.
  virtual void add(std::span<const Token> tokens, std::span<const Token> targets) = 0;
  virtual void finish() = 0;
};

/// A way to write data sets: either `line` or `open` is there.
struct DatasetFormat {
  const char *name, *summary;
  /// One instance as a line of text with its end; such a format may go to standard output.
  std::string (*line)(const Task& task, Index length, std::span<const Token> tokens,
                      std::span<const Token> targets) = nullptr;
  /// A writer to `path`, a file or a folder. Throws Error(usage) when the task does not fit the
  /// format, Error(io).
  std::unique_ptr<DatasetWriter> (*open)(const DatasetSpec& spec, const Task& task,
                                         const std::string& path) = nullptr;
};
std::span<const DatasetFormat> dataset_formats();

/// Throws Error(usage) that names the formats there are.
const DatasetFormat& find_dataset_format(const std::string& name);

/// "s3 s1 s2 p=1->s1": the tokens, and what is asked behind arrows.
std::string spell_instance(const Task& task, Index length, std::span<const Token> tokens,
                           std::span<const Token> targets);

/// Calls visit(tokens, targets) for each instance of the data set, in order; stops and returns
/// false when visit does.
bool for_each_drawn(
    const DatasetSpec& spec, const Task& task,
    const std::function<bool(std::span<const Token>, std::span<const Token>)>& visit);

}  // namespace separatrix

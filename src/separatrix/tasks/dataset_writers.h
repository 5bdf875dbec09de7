#pragma once

#include "separatrix/tasks/dataset.h"

namespace separatrix {

// The `open` of the formats; docs/data.md says what each writes.
std::unique_ptr<DatasetWriter> open_npz(const DatasetSpec& spec, const Task& task,
                                        const std::string& path);
std::unique_ptr<DatasetWriter> open_zoology(const DatasetSpec& spec, const Task& task,
                                            const std::string& path);
std::unique_ptr<DatasetWriter> open_flare(const DatasetSpec& spec, const Task& task,
                                          const std::string& path);

}  // namespace separatrix

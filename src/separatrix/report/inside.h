#pragma once

#include <optional>
#include <string>
#include <vector>

#include "separatrix/lab/catalogue.h"
#include "separatrix/lab/explain.h"

namespace separatrix {

/// A certified construction at work on one input, small enough for a picture.
struct Example {
  std::string construction;  ///< as registered
  Index length = 0;          ///< may be less than that of the certified model
  std::string weights_sha256;
  std::string origin;  ///< in words: whether these are the weights that were certified
  std::optional<Explanation> explanation;
  std::vector<std::string> answers;  ///< [rows]: the answer in the task's words; empty: not asked
  std::string missing;               ///< why there is no explanation
};

/// The construction that a separation's row was certified with, on an input drawn for it: at the
/// same length if the picture is legible, else at a smaller one.
Example make_example(const Json& certified, const std::string& task, const Json& task_config,
                     Index length, const Catalogue& catalogue);

/// Heatmaps of the attention and tables of the slots, layer by layer; empty without examples.
std::string inside_content(const std::vector<Example>& examples);

/// One head as an SVG picture: row = the position that looks, column = the one looked at. Coloured
/// by report.css.
std::string heatmap_svg(const Explanation& explanation, std::size_t layer, Index head);

}  // namespace separatrix

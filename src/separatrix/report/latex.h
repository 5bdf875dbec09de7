#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "separatrix/lab/summary.h"
#include "separatrix/report/data.h"

namespace separatrix {

/// Text as LaTeX sets it as it stands: specials escaped, control characters made blanks.
std::string escape_latex(std::string_view text);

/// The three numbers: a booktabs table of rows as the terminal has them; empty without rows.
/// `about` is the caption, plain text.
std::string latex_separation(std::span<const SeparationRow> rows, const std::string& about,
                             const std::string& label);

/// For each task a booktabs table (or several, of at most eight columns of numbers) model x
/// (length, width): mean token accuracy in per cent at the best learning rate, and solved seeds of
/// those that ended. The caption gives the learning rates and the chance level; absent cells are
/// dashes. Labels are "<label>-1", "<label>-2", ...
std::string latex_accuracy(std::span<const Cell> cells, const std::string& label);

/// Writes <folder>/tables.tex from what the store has of the experiments, one after the other, and
/// returns its path. Throws Error(io).
std::string write_latex(const Store& store, std::span<const std::string> experiments,
                        const std::string& folder);

}  // namespace separatrix

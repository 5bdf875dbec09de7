#pragma once

#include <string>

#include "separatrix/bounds/bound.h"
#include "separatrix/proofs/model_size.h"

namespace separatrix {

/// What a bound says of one model.
struct ModelVerdict {
  bool applies = false;   ///< the bound is about this kind of machine
  bool excluded = false;  ///< the model is too small: it is wrong on some input (of the scope)
  std::string sentence;  ///< "it carries 2048 bits; the task needs 6400: it is wrong on some input"
};
ModelVerdict judge(const ModelSize& size, const BoundRequest& request, const Bound& bound);

/// "132922799578... (37 digits)".
std::string spell_count(const mpz_class& count);

/// Two or three lines for people; `checked` is empty when the witness was not checked.
std::string show_bound(const Bound& bound, const std::string& checked);

/// One line per cut: tokens read, count, bits.
std::string show_cuts(const Bound& bound);

/// Rows "| task | recurrent | ... |" of the table task x kind of machine, in Markdown.
std::string table_head();
std::string table_row(const std::string& task, const std::vector<Bound>& bounds);

}  // namespace separatrix

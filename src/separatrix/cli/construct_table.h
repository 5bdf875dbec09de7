#pragma once

#include "separatrix/cli/session.h"

namespace separatrix {

/// `construct all`: every task and kind of model, with the size of the smallest construction of
/// that length and format as built.
void print_construct_table(Index length, Arithmetic format, Session& session);

}  // namespace separatrix

#pragma once

#include "separatrix/lab/sqlite.h"

namespace separatrix {

/// Makes an open database a store of this program's version: a new file gets its tables, an older
/// store is brought up to date in one transaction. Throws Error(io), and leaves the file alone, for
/// what is no store, a newer version, a store that is read-only or lacks a table or column.
void open_schema(sqlite::Database& db, int busy_ms);

}  // namespace separatrix

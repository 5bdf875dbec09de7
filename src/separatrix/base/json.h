#pragma once

#include <string>
#include <string_view>

#include "separatrix/base/fields.h"

namespace separatrix {

/// Deepest nesting that any text of a user's may have: enough for every file of ours, too little to
/// exhaust the stack of what walks it.
constexpr int kMaxNesting = 64;

/// JSON text -> value, strictly: a key twice in one map, nesting beyond kMaxNesting and text after
/// the value are errors, besides what JSON itself forbids. Throws Error(kind) at `where`.
Json parse_json(std::string_view text, const std::string& where, ErrorKind kind = ErrorKind::spec);

// Lenient reading: what another version wrote may lack a field or hold null.

/// Null when `json` is no object or lacks the key.
const Json& member_at(const Json& json, const char* key);
/// A string as it is, other values as JSON, nothing for null.
std::string text_at(const Json& json, const char* key);
double number_at(const Json& json, const char* key, double otherwise);

}  // namespace separatrix

#pragma once

// Counts every allocation of the program, to show that a training step makes none. Replaces the
// program's operator new: to be included by one file of it.

#include <atomic>
#include <cstdlib>
#include <new>

namespace separatrix::test {

inline std::atomic<std::size_t>& allocation_counter() {
  static std::atomic<std::size_t> count{0};
  return count;
}
/// So far.
inline std::size_t allocations() { return allocation_counter(); }

}  // namespace separatrix::test

// Not inlined: the compiler would take malloc here and delete there for a mistake.
// NOLINTBEGIN(misc-definitions-in-headers)
[[gnu::noinline]] void* operator new(std::size_t size) {
  ++separatrix::test::allocation_counter();
  if (void* p = std::malloc(size)) return p;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t) noexcept { std::free(p); }
// NOLINTEND(misc-definitions-in-headers)

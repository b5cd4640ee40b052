// What tests/round_trip.cpp, linked into every test executable, has checked.
#pragma once

#include <cstdint>

namespace wengert::test {

/// Programs that were verified and went through their text so far in this process; equal ones count once.
int64_t programs_checked();

/// While it lives, this thread's programs are not checked: for tests that make wrong ones.
class UncheckedPrograms {
 public:
  UncheckedPrograms();
  ~UncheckedPrograms();
  UncheckedPrograms(const UncheckedPrograms&) = delete;

 private:
  bool before_;
};

}  // namespace wengert::test

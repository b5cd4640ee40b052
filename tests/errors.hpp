// What every test says about errors.
#pragma once

#include <gtest/gtest.h>

#include <source_location>
#include <string>

#include "wengert/array/error.hpp"

namespace wengert::test {

/// What f throws; a failure where it throws nothing.
template <class F>
Error thrown_by(F&& f) {
  try {
    f();
  } catch (const Error& error) { return error; }
  ADD_FAILURE() << "nothing was thrown";
  return Error(ErrorKind::internal, "nothing", "nothing was thrown");
}

/// A text without "; called at file.cpp:12" and what follows.
inline std::string without_place(const std::string& text) { return text.substr(0, text.find("; called at ")); }

/// The text of what f throws, an Error of that kind and id, without the place of the call.
template <class F>
std::string error_of(F&& f, ErrorKind kind, const std::string& id) {
  const Error error = thrown_by(f);
  EXPECT_EQ(error.kind(), kind) << error.what();
  EXPECT_EQ(error.id(), id) << error.what();
  return without_place(error.what());
}

/// f throws an Error of that kind and id, with that text before the place of the call, which is in the test's own file.
template <class F>
void expect_error(F&& f, ErrorKind kind, const std::string& id, const std::string& text,
                  std::source_location where = std::source_location::current()) {
  const std::string file = where.file_name(), name = file.substr(file.rfind('/') + 1);
  const Error error = thrown_by(f);
  EXPECT_EQ(error.kind(), kind) << error.what();
  EXPECT_EQ(error.id(), id) << error.what();
  EXPECT_EQ(without_place(error.what()), text);
  EXPECT_NE(std::string(error.what()).find("; called at " + name + ":"), std::string::npos) << error.what();
}

/// f throws an Error of that id that names the line of this very call, where f's own stands too.
template <class F>
void expect_line(const std::string& id, F&& f, std::source_location where = std::source_location::current()) {
  const std::string file = where.file_name(), name = file.substr(file.rfind('/') + 1);
  const Error error = thrown_by(f);
  EXPECT_EQ(error.id(), id) << error.what();
  const std::string place = "; called at " + name + ":" + std::to_string(where.line());
  EXPECT_NE(std::string(error.what()).find(place), std::string::npos) << error.what();
}

}  // namespace wengert::test

// Which sanitizer a test is built with: some use the address space, and their locks and threads do not
// survive a fork.
#pragma once

#ifdef __has_feature
#define WENGERT_TEST_HAS(feature) __has_feature(feature)
#else
#define WENGERT_TEST_HAS(feature) 0
#endif

namespace wengert::test {

#if defined(__SANITIZE_ADDRESS__) || WENGERT_TEST_HAS(address_sanitizer)
constexpr bool address_sanitized = true;
#else
constexpr bool address_sanitized = false;
#endif

#if defined(__SANITIZE_THREAD__) || WENGERT_TEST_HAS(thread_sanitizer)
constexpr bool thread_sanitized = true;
#else
constexpr bool thread_sanitized = false;
#endif

constexpr bool sanitized = address_sanitized || thread_sanitized;

}  // namespace wengert::test

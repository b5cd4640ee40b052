#include "wengert/program/params.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstring>

#include "wengert/array/per_thread.hpp"
#include "wengert/program/program.hpp"

namespace wengert {
namespace {

uint64_t hash_param(const Param& param) {
  struct Hasher {
    uint64_t operator()(bool v) const { return v; }
    uint64_t operator()(int64_t v) const { return static_cast<uint64_t>(v); }
    uint64_t operator()(double v) const {
      uint64_t bits;
      std::memcpy(&bits, &v, 8);
      return bits;
    }
    uint64_t operator()(Dtype v) const { return static_cast<uint64_t>(v); }
    uint64_t operator()(const std::string& v) const { return hash_bytes(v.data(), v.size()); }
    uint64_t operator()(const Axes& v) const {
      return hash_bytes(v.begin(), static_cast<size_t>(v.size()) * sizeof(int64_t));
    }
    uint64_t operator()(const Shape& v) const {
      return hash_bytes(v.begin(), static_cast<size_t>(v.rank()) * sizeof(Dim));
    }
    uint64_t operator()(const ProgramPtr& v) const { return v->hash(); }
  };
  return hash_combine(param.index(), std::visit(Hasher{}, param));
}

bool equal_param(const Param& a, const Param& b) {
  if (a.index() != b.index()) return false;
  if (const auto* p = std::get_if<ProgramPtr>(&a)) {
    const auto& q = std::get<ProgramPtr>(b);
    return *p == q || **p == *q;
  }
  if (const auto* x = std::get_if<double>(&a)) return std::memcmp(x, &std::get<double>(b), 8) == 0;
  return a == b;
}

template <class List>
std::string join(const List& list, char open, char close) {
  std::string text(1, open);
  bool first = true;
  for (const auto& item : list) {
    if (!first) text += ',';
    text += std::to_string(static_cast<int64_t>(item));
    first = false;
  }
  return text + close;
}

/// In quotes, on one line, as a program's text has it: \" \\ and \n stand for a quote, a backslash and a line's end.
std::string quoted(const std::string& value) {
  std::string text = "\"";
  for (char c : value) {
    if (c == '"' || c == '\\') text += '\\';
    if (c == '\n') text += "\\n";
    else text += c;
  }
  return text + '"';
}

}  // namespace

uint64_t hash_combine(uint64_t seed, uint64_t value) {
  seed ^= value + 0x9e3779b97f4a7c15u + (seed << 6) + (seed >> 2);
  seed *= 0xff51afd7ed558ccdu;
  return seed ^ (seed >> 32);
}

uint64_t hash_bytes(const void* data, size_t size, uint64_t seed) {
  const auto* bytes = static_cast<const unsigned char*>(data);
  uint64_t h = hash_combine(seed, size);
  for (; size >= 8; size -= 8, bytes += 8) {
    uint64_t word;
    std::memcpy(&word, bytes, 8);
    h = hash_combine(h, word);
  }
  uint64_t tail = 0;
  if (size > 0) std::memcpy(&tail, bytes, size);
  return hash_combine(h, tail);
}

/// What a thread used last, by hash.
struct Params::Recent {
  std::array<std::shared_ptr<const Record>, 64> records;
};

Params::Params(std::span<const Param> values) try {
  if (values.empty()) return;
  uint64_t hash = values.size();
  for (const Param& p : values) hash = hash_combine(hash, hash_param(p));
  auto& recent = per_thread<Recent>().records[hash % 64];
  if (!recent || recent->hash != hash ||
      !std::equal(values.begin(), values.end(), recent->values.begin(), recent->values.end(), equal_param)) {
    recent = std::make_shared<const Record>(Record{{values.begin(), values.end()}, hash});
  }
  record_ = recent;
} catch (const std::bad_alloc&) { throw_no_memory_within(); }

bool Params::operator==(const Params& other) const {
  if (record_ == other.record_) return true;
  if (!record_ || !other.record_ || record_->hash != other.record_->hash) return false;
  return std::equal(record_->values.begin(), record_->values.end(), other.record_->values.begin(),
                    other.record_->values.end(), equal_param);
}

std::string to_string(const Param& param) {
  struct Printer {
    std::string operator()(bool v) const { return v ? "true" : "false"; }
    std::string operator()(int64_t v) const { return std::to_string(v); }
    std::string operator()(double v) const {
      if (std::isnan(v)) return "nan";
      if (std::isinf(v)) return v > 0 ? "inf" : "-inf";
      char buffer[32];
      std::string text(buffer, std::to_chars(buffer, buffer + sizeof buffer, v).ptr);
      return text.find_first_of(".e") == text.npos ? text + ".0" : text;
    }
    std::string operator()(Dtype v) const { return std::string(short_name(v)); }
    std::string operator()(const std::string& v) const { return quoted(v); }
    std::string operator()(const Axes& v) const { return join(v, '[', ']'); }
    std::string operator()(const Shape& v) const { return join(v, '(', ')'); }
    std::string operator()(const ProgramPtr& v) const { return to_string(*v); }
  };
  return std::visit(Printer{}, param);
}

}  // namespace wengert

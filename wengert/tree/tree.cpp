#include "wengert/tree/tree.hpp"

#include <charconv>

namespace wengert::tree {
namespace detail {

std::string path_text(std::span<const Step> steps) {
  std::string text;
  for (const Step& s : steps) {
    if (s.kind == Step::index) text += "[" + std::to_string(s.number) + "]";
    else if (s.kind == Step::key) text += "[\"" + std::string(s.name) + "\"]";
    else if (!s.name.empty()) text += (text.empty() ? "" : ".") + std::string(s.name);
  }
  return text;
}

namespace {

std::string number_text(double x) {
  char buffer[32];
  return {buffer, std::to_chars(buffer, buffer + sizeof buffer, x).ptr};
}

}  // namespace

std::string value_text(const StaticValue& v) {
  switch (v.kind) {
    case StaticValue::boolean: return v.bits ? "true" : "false";
    case StaticValue::integer: return std::to_string(static_cast<int64_t>(v.bits));
    case StaticValue::number: return number_text(std::bit_cast<double>(v.bits));
    case StaticValue::text: return "'" + std::string(v.string) + "'";
    case StaticValue::enumerator:
      return std::string(v.string) + "(" + std::to_string(static_cast<int64_t>(v.bits)) + ")";
    case StaticValue::pointer: return "function";
    case StaticValue::other: return std::string(v.type->name);
  }
  return {};
}

namespace {

uint64_t hash_combine(uint64_t seed, uint64_t value) {
  const uint64_t h = (seed ^ value) * 0x9e3779b97f4a7c15u;
  return h ^ (h >> 29);
}

std::string name_text(const Step& s) {
  if (s.kind == Step::key) return "\"" + std::string(s.name) + "\"";
  return std::string(s.name);
}

class Paths final : public Visitor {
 public:
  Paths() : Visitor(true) {}
  void leaf(Array&) override { paths.push_back(path_text(path())); }
  std::vector<std::string> paths;
};

/// A number that differs when the structures of two trees of one type do. Cheap: no text.
class Fingerprint final : public Visitor {
 public:
  Fingerprint() : Visitor(true) {}
  void leaf(Array&) override { add(1); }
  void static_value(const StaticValue& v) override {
    add(v.kind == StaticValue::text        ? std::hash<std::string_view>{}(v.string)
            : v.kind == StaticValue::other ? v.type->hash(v.object)
                                           : v.bits);
  }
  void open(std::string_view kind, size_t count) override {
    add(count + 2);
    if (!path().empty() && path().back().kind == Step::key) add(std::hash<std::string_view>{}(path().back().name));
    add(kind.size());
  }
  uint64_t hash = 0;

 private:
  void add(uint64_t x) {
    if (!path().empty() && path().back().kind == Step::key) x += std::hash<std::string_view>{}(path().back().name);
    hash = hash_combine(hash, x);
  }
};

std::string description(const Structure::Entry& e) {
  if (e.kind == Structure::Entry::leaf) return "an array";
  if (e.kind == Structure::Entry::value) return e.text;
  if (e.kind == Structure::Entry::close) return "no more children";
  if (e.text == "optional") return e.count ? "a value" : "no value";
  if (e.text == "[") return std::to_string(e.count) + (e.count == 1 ? " element" : " elements");
  if (e.text == "{") return std::to_string(e.count) + (e.count == 1 ? " entry" : " entries");
  return e.text == "(" ? "a tuple" : e.text;
}

}  // namespace

class StructureVisitor final : public Visitor {
 public:
  StructureVisitor() : Visitor(true) {}
  void leaf(Array&) override {
    result.paths_.push_back(path_text(path()));
    add(Structure::Entry::leaf, "*");
  }
  void static_value(const StaticValue& v) override {
    Structure::Entry& e = add(Structure::Entry::value, value_text(v));
    e.bits = v;
    e.bits.string = {};
    e.bits.object = nullptr;
    if (v.kind == StaticValue::other) e.object = v.type->copy(v.object);
  }
  void open(std::string_view kind, size_t count) override {
    add(Structure::Entry::open, std::string(kind)).count = count;
    depths_.push_back(path().size());
  }
  void close() override {
    depths_.pop_back();
    add(Structure::Entry::close, {}).name.clear();
  }
  Structure result;

 private:
  Structure::Entry& add(Structure::Entry::Kind kind, std::string text) {
    const bool own_step = path().size() > (depths_.empty() ? 0 : depths_.back());
    result.entries_.push_back({kind, own_step ? name_text(path().back()) : "", path_text(path()), std::move(text)});
    return result.entries_.back();
  }
  std::vector<size_t> depths_;  // of the path at each open node
};

uint64_t hash_of(const Shape& shape) {
  uint64_t h = 0;
  for (const Dim& d : shape) h = hash_combine(h, static_cast<uint64_t>(d.value()));
  return h;
}
uint64_t hash_of(const Axes& axes) {
  uint64_t h = 0;
  for (int64_t a : axes) h = hash_combine(h, static_cast<uint64_t>(a));
  return h;
}

void Replace::finish(const std::source_location& where) const {
  if (next_ == leaves_.size()) return;
  throw Error(ErrorKind::value, "tree-leaf-count",
              "tree::unflatten: a tree of " + std::to_string(next_) + (next_ == 1 ? " array and " : " arrays and ") +
                  std::to_string(leaves_.size()) + (leaves_.size() == 1 ? " leaf" : " leaves") +
                  ": wanted as many leaves as the tree has arrays" + called_at(where));
}

void ForEach::leaf(Array& x) { f_(path_text(path()), x); }

std::vector<Array> leaves_of(const void* tree, Walk walk) {
  std::vector<Array> leaves;
  leaves.reserve(8);
  Collect collect(leaves);
  walk(tree, collect);
  return leaves;
}

std::vector<std::string> paths_of(const void* tree, Walk walk) {
  Paths visitor;
  walk(tree, visitor);
  return std::move(visitor.paths);
}

Structure structure_of(const void* tree, Walk walk) {
  StructureVisitor visitor;
  walk(tree, visitor);
  return std::move(visitor.result);
}

std::vector<std::vector<Array>> leaves_of_equals(const char* operation, Walk walk, std::span<const void* const> trees,
                                                 const std::source_location& where) {
  std::vector<std::vector<Array>> leaves;
  uint64_t first = 0;
  for (size_t i = 0; i < trees.size(); ++i) {
    leaves.push_back(leaves_of(trees[i], walk));
    if (trees.size() == 1) break;
    Fingerprint fingerprint;
    walk(trees[i], fingerprint);
    if (i == 0) first = fingerprint.hash;
    if (fingerprint.hash == first) continue;
    throw Error(ErrorKind::value, "tree-structure",
                std::string(operation) + ": tree " + std::to_string(i) + " differs from tree 0 at " +
                    structure_of(trees[0], walk).difference(structure_of(trees[i], walk)) +
                    ": wanted trees of equal structure" + called_at(where));
  }
  return leaves;
}

std::pair<std::vector<Array>, std::vector<Array>> split(const void* tree, Walk walk, const Predicate& selected) {
  std::vector<Array> leaves = leaves_of(tree, walk), others(leaves.size());
  const std::vector<std::string> paths = paths_of(tree, walk);
  for (size_t i = 0; i < leaves.size(); ++i) {
    if (!selected(paths[i])) std::swap(leaves[i], others[i]);
  }
  return {std::move(leaves), std::move(others)};
}

std::vector<Array> join(Walk walk, const void* a, const void* b, const std::source_location& where) {
  const void* trees[] = {a, b};
  auto leaves = leaves_of_equals("tree::merge", walk, trees, where);
  for (size_t i = 0; i < leaves[0].size(); ++i) {
    if (!leaves[0][i].defined()) {
      leaves[0][i] = leaves[1][i];
    } else if (leaves[1][i].defined()) {
      throw Error(ErrorKind::value, "tree-merge",
                  "tree::merge: " + paths_of(a, walk)[i] + " " + describe(leaves[0][i]) +
                      " is defined in both trees: wanted it in one of them" + called_at(where));
    }
  }
  return std::move(leaves[0]);
}

}  // namespace detail

using detail::hash_combine;

bool Structure::Entry::operator==(const Entry& o) const {
  if (kind != o.kind || name != o.name || text != o.text || count != o.count) return false;
  if (kind != value) return true;
  if (bits.kind != o.bits.kind || bits.bits != o.bits.bits) return false;
  return bits.kind != detail::StaticValue::other || bits.type->equal(object.get(), o.object.get());
}

bool Structure::operator==(const Structure& other) const { return entries_ == other.entries_; }

uint64_t Structure::hash() const {
  const std::hash<std::string> hash_text;
  uint64_t h = entries_.size();
  for (const Entry& e : entries_) {
    h = hash_combine(h, hash_combine(hash_text(e.name), hash_text(e.text)) + e.kind + e.count);
    if (e.kind == Entry::value) h = hash_combine(h, e.object ? e.bits.type->hash(e.object.get()) : e.bits.bits);
  }
  return h;
}

std::string Structure::difference(const Structure& other) const {
  for (size_t i = 0; i < std::min(entries_.size(), other.entries_.size()); ++i) {
    const Entry &a = entries_[i], &b = other.entries_[i];
    if (a == b) continue;
    if (a.path != b.path) return a.path + ": the other tree has " + b.path;
    const std::string mine = detail::description(a), others = detail::description(b);
    return (a.path.empty() ? "its root" : a.path) + ": " + mine + ", not " + (others == mine ? "an equal one" : others);
  }
  return {};
}

std::string to_string(const Structure& structure) {
  using Entry = Structure::Entry;
  std::string text;
  std::vector<std::string> closers;
  bool first = true;
  for (const Entry& e : structure.entries_) {
    if (e.kind == Entry::close) {
      text += closers.back();
      closers.pop_back();
      first = false;
      continue;
    }
    if (!first) text += ", ";
    if (!e.name.empty()) text += e.name + ": ";
    first = false;
    if (e.kind != Entry::open) {
      text += e.text;
      continue;
    }
    first = true;
    const bool plain = e.text == "[" || e.text == "{" || e.text == "(";
    if (e.text == "optional") text += e.count ? "" : "none";
    else text += plain ? e.text : e.text + "{";
    closers.push_back(e.text == "optional" ? "" : e.text == "[" ? "]" : e.text == "(" ? ")" : "}");
  }
  return text;
}

}  // namespace wengert::tree

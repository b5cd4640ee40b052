#include "wengert/program/program.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <optional>
#include <unordered_map>

#include "wengert/program/observer.hpp"
#include "wengert/program/primitive.hpp"

namespace wengert {
namespace {

bool equal_values(const Array& a, const Array& b) {
  if (a.node() == b.node()) return true;
  if (&a.type() != &b.type() || a.node()->tag != 0 || b.node()->tag != 0) return false;
  const auto bytes = static_cast<size_t>(a.nbytes());
  std::vector<std::byte> x(bytes), y(bytes);
  detail::copy_strided(x.data(), a.node());
  detail::copy_strided(y.data(), b.node());
  return x == y;
}

uint64_t hash_values(const Array& a) {
  if (a.node()->tag != 0) return reinterpret_cast<uintptr_t>(a.node());
  std::vector<std::byte> bytes(static_cast<size_t>(a.nbytes()));
  detail::copy_strided(bytes.data(), a.node());
  return hash_bytes(bytes.data(), bytes.size(), a.type().hash);
}

uint64_t atom_bits(Atom atom) { return uint64_t{atom.id()} * 2 + atom.is_constant(); }

bool equal_runtimes(std::span<const RuntimeParam> a, std::span<const RuntimeParam> b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

std::atomic<void (*)(const Program&)> program_observer = nullptr;

}  // namespace

void set_program_observer(void (*observer)(const Program&)) { program_observer = observer; }

bool Program::operator==(const Program& o) const {
  if (this == &o) return true;
  if (hash_ != o.hash_ || input_count_ != o.input_count_ || types_ != o.types_ || outputs_ != o.outputs_ ||
      operands_ != o.operands_ || equations_.size() != o.equations_.size() ||
      !std::equal(constants_.begin(), constants_.end(), o.constants_.begin(), o.constants_.end(), equal_values)) {
    return false;
  }
  for (size_t i = 0; i < equations_.size(); ++i) {
    const Equation &a = equations_[i], &b = o.equations_[i];
    if (a.primitive != b.primitive || a.operands != b.operands || a.operand_count != b.operand_count ||
        !(params(a) == o.params(b)) || !equal_runtimes(runtimes(a), o.runtimes(b))) {
      return false;
    }
  }
  return true;
}

ProgramBuilder::ProgramBuilder() : program_(std::make_shared<Program>()) {}

Atom ProgramBuilder::add_input(const Type* type) {
  program_->types_.push_back(type);
  return Atom::variable(static_cast<uint32_t>(program_->input_count_++));
}

Atom ProgramBuilder::add_constant(const Array& value) {
  auto& constants = program_->constants_;
  // Literals are compared by value so that a rule's repeated 1 is one constant; the list of them stays short.
  const size_t first = constants.size() > 16 ? constants.size() - 16 : 0;
  for (size_t i = first; i < constants.size(); ++i) {
    const bool same =
        value.nbytes() <= inline_bytes ? equal_values(constants[i], value) : constants[i].node() == value.node();
    if (same) return Atom::constant(static_cast<uint32_t>(i));
  }
  constants.push_back(value);
  return Atom::constant(static_cast<uint32_t>(constants.size() - 1));
}

uint32_t ProgramBuilder::add(const Primitive& primitive, std::span<const Atom> operands, const Params& params,
                             std::span<const RuntimeParam> runtimes, std::span<const Type* const> results,
                             Location location) {
  // An equation keeps these numbers in 16, 8 and 8 bits.
  if (operands.size() > UINT16_MAX || results.size() > UINT8_MAX || runtimes.size() > UINT8_MAX) {
    throw Error(ErrorKind::value, "equation-size",
                std::string(primitive.name) + ": got " + std::to_string(operands.size()) + " operands, " +
                    std::to_string(results.size()) + " results: wanted at most 65535 and 255; split the program" +
                    called_at({}));
  }
  Program& p = *program_;
  Equation e{};
  e.primitive = &primitive;
  e.operands = static_cast<uint32_t>(p.operands_.size());
  e.operand_count = static_cast<uint16_t>(operands.size());
  p.operands_.insert(p.operands_.end(), operands.begin(), operands.end());
  if (!params.empty()) {
    if (!(p.params_.back() == params)) p.params_.push_back(params);
    e.params = static_cast<uint32_t>(p.params_.size() - 1);
  }
  e.runtimes = static_cast<uint32_t>(p.runtimes_.size());
  e.runtime_count = static_cast<uint8_t>(runtimes.size());
  p.runtimes_.insert(p.runtimes_.end(), runtimes.begin(), runtimes.end());
  for (const RuntimeParam& r : runtimes) p.runtime_count_ = std::max(p.runtime_count_, r.slot + 1);
  e.results = p.variable_count();
  e.result_count = static_cast<uint8_t>(results.size());
  p.types_.insert(p.types_.end(), results.begin(), results.end());
  if (location.file) {
    const Location& last = p.locations_.back();
    if (last.file != location.file || last.line != location.line) p.locations_.push_back(location);
    e.location = static_cast<uint32_t>(p.locations_.size() - 1);
  }
  p.equations_.push_back(e);
  return e.results;
}

/// Numbers the constants in the order of their first use, equal ones as one, and leaves out those without use, so that
/// programs of one text are equal however they were built.
void ProgramBuilder::order_constants() {
  Program& p = *program_;
  if (p.constants_.empty()) return;
  std::vector<Array> ordered;
  std::unordered_multimap<uint64_t, uint32_t> by_hash;
  std::vector<std::optional<uint32_t>> renumbered(p.constants_.size());
  const auto number = [&](const Array& x) {
    const uint64_t hash = hash_values(x);
    const auto [begin, end] = by_hash.equal_range(hash);
    for (auto it = begin; it != end; ++it) {
      if (equal_values(ordered[it->second], x)) return it->second;
    }
    ordered.push_back(x);
    return by_hash.emplace(hash, static_cast<uint32_t>(ordered.size() - 1))->second;
  };
  const auto renumber = [&](Atom& a) {
    if (!a.is_constant()) return;
    std::optional<uint32_t>& to = renumbered[a.id()];
    if (!to) to = number(p.constants_[a.id()]);
    a = Atom::constant(*to);
  };
  for (Atom& a : p.operands_) renumber(a);
  for (Atom& a : p.outputs_) renumber(a);
  p.constants_ = std::move(ordered);
}

ProgramPtr ProgramBuilder::finish(std::span<const Atom> outputs) {
  Program& p = *program_;
  p.outputs_.assign(outputs.begin(), outputs.end());
  order_constants();
  uint64_t h = hash_combine(static_cast<uint64_t>(p.input_count_), static_cast<uint64_t>(p.runtime_count_));
  for (int i = 0; i < p.input_count_; ++i) h = hash_combine(h, p.types_[static_cast<size_t>(i)]->hash);
  for (const Array& c : p.constants_) h = hash_combine(h, hash_values(c));
  for (const Equation& e : p.equations_) {
    h = hash_combine(h, hash_bytes(e.primitive->name, std::strlen(e.primitive->name)));
    h = hash_combine(h, p.params(e).hash());
    for (const RuntimeParam& r : p.runtimes(e)) {
      h = hash_combine(h, static_cast<uint64_t>(r.value) * 2 + (r.symbolic() ? static_cast<uint64_t>(r.slot) + 1 : 0));
    }
    for (Atom a : p.operands(e)) h = hash_combine(h, atom_bits(a));
  }
  for (Atom a : p.outputs_) h = hash_combine(h, atom_bits(a));
  p.hash_ = h;
  if (const auto observe = program_observer.load()) observe(p);
  return std::move(program_);
}

}  // namespace wengert

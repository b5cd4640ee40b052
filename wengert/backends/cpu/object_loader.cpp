#include "wengert/backends/cpu/object_loader.hpp"

#if defined(__x86_64__)

#include <elf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace wengert::cpu {
namespace {

/// Why an object is refused; caught in load_object.
struct Refused : std::runtime_error {
  using std::runtime_error::runtime_error;
};

void want(bool condition, const char* what) {
  if (!condition) throw Refused(what);
}

/// Functions that a compiler calls by itself, for a loop or a builtin. Everything else a kernel
/// brings along.
const void* address_of_library_function(std::string_view name) {
  using Unary = double (*)(double);
  using UnaryFloat = float (*)(float);
  const auto address = [](auto* function) { return reinterpret_cast<const void*>(function); };
  using Addresses = std::unordered_map<std::string_view, const void*>;
  static const auto& addresses = *new Addresses{
      // static objects may load kernels at exit
      {"memcpy", address(&std::memcpy)},
      {"memmove", address(&std::memmove)},
      {"memset", address(&std::memset)},
      {"memcmp", address(&std::memcmp)},
      {"fma", address(static_cast<double (*)(double, double, double)>(&::fma))},
      {"fmaf", address(&::fmaf)},
      {"fmod", address(static_cast<double (*)(double, double)>(&::fmod))},
      {"fmodf", address(&::fmodf)},
      {"floor", address(static_cast<Unary>(&::floor))},
      {"floorf", address(static_cast<UnaryFloat>(&::floorf))},
      {"ceil", address(static_cast<Unary>(&::ceil))},
      {"ceilf", address(static_cast<UnaryFloat>(&::ceilf))},
      {"trunc", address(static_cast<Unary>(&::trunc))},
      {"truncf", address(static_cast<UnaryFloat>(&::truncf))},
      {"rint", address(static_cast<Unary>(&::rint))},
      {"rintf", address(static_cast<UnaryFloat>(&::rintf))},
      {"nearbyint", address(static_cast<Unary>(&::nearbyint))},
      {"nearbyintf", address(static_cast<UnaryFloat>(&::nearbyintf))},
      {"round", address(static_cast<Unary>(&::round))},
      {"roundf", address(static_cast<UnaryFloat>(&::roundf))},
  };
  const auto found = addresses.find(name);
  if (found == addresses.end()) throw Refused("it needs " + std::string(name));
  return found->second;
}

uint64_t round_up(uint64_t value, uint64_t alignment) { return (value + alignment - 1) / alignment * alignment; }

/// Anonymous memory that is given back unless keep() is called.
class Mapping {
 public:
  explicit Mapping(std::size_t size) : size_(size) {
    void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw Refused(std::string("mmap: ") + std::strerror(errno));
    base_ = static_cast<char*>(memory);
  }
  ~Mapping() {
    if (base_ != nullptr) ::munmap(base_, size_);
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  char* base() const { return base_; }
  void keep() { base_ = nullptr; }

 private:
  char* base_ = nullptr;
  std::size_t size_;
};

/// A jump to, and the address of, something that may be farther away than a 32-bit offset reaches.
struct Slot {
  unsigned char jump[8] = {0xff, 0x25, 2, 0, 0, 0, 0x66, 0x90};  // jmp *2(%rip), two bytes of padding
  uint64_t target = 0;
};
static_assert(sizeof(Slot) == 16);

/// One object on its way into memory. The layout is: code and constants; slots; from the next page
/// on, data.
class ObjectImage {
 public:
  explicit ObjectImage(std::string_view bytes) : bytes_(bytes) {}

  wg_kernel load();

 private:
  template <class T>
  T read(uint64_t offset) const;
  std::string_view text(uint64_t table, uint64_t offset) const;

  void read_sections();
  void read_symbols();
  void place_sections();
  void find_slots();
  void copy(char* base) const;
  void relocate(char* base);
  void apply(char* base, const Elf64_Shdr& section, uint64_t section_offset, const Elf64_Rela& relocation);

  bool stays_writable(const Elf64_Shdr& section) const;
  uint64_t address(char* base, const Elf64_Sym& symbol) const;
  uint64_t slot_address(char* base, uint32_t symbol);
  std::vector<Elf64_Rela> relocations(const Elf64_Shdr& section) const;

  std::string_view bytes_;
  std::vector<Elf64_Shdr> sections_;
  uint64_t section_names_ = 0;
  std::vector<Elf64_Sym> symbols_;
  uint64_t symbol_names_ = 0;

  std::vector<uint64_t> offsets_;                 // of each section in the image
  std::unordered_map<uint32_t, uint64_t> slots_;  // of symbols that need one: offset in the image
  uint64_t code_end_ = 0, image_end_ = 0;
};

template <class T>
T ObjectImage::read(uint64_t offset) const {
  want(offset <= bytes_.size() && bytes_.size() - offset >= sizeof(T), "it is truncated");
  T value;
  std::memcpy(&value, bytes_.data() + offset, sizeof value);
  return value;
}

std::string_view ObjectImage::text(uint64_t table, uint64_t offset) const {
  const Elf64_Shdr& section = sections_.at(table);
  want(offset < section.sh_size, "a name lies outside its table");
  const std::string_view rest = bytes_.substr(section.sh_offset + offset, section.sh_size - offset);
  const std::size_t end = rest.find('\0');
  want(end != std::string_view::npos, "a name has no end");
  return rest.substr(0, end);
}

void ObjectImage::read_sections() {
  const auto header = read<Elf64_Ehdr>(0);
  want(std::memcmp(header.e_ident, ELFMAG, SELFMAG) == 0 && header.e_ident[EI_CLASS] == ELFCLASS64 &&
           header.e_ident[EI_DATA] == ELFDATA2LSB && header.e_type == ET_REL && header.e_machine == EM_X86_64 &&
           header.e_shentsize == sizeof(Elf64_Shdr),
       "it is not a relocatable x86-64 object");
  for (uint64_t i = 0; i < header.e_shnum; ++i) {
    const auto section = read<Elf64_Shdr>(header.e_shoff + i * sizeof(Elf64_Shdr));
    const bool stored = section.sh_type != SHT_NOBITS && section.sh_type != SHT_NULL;
    want(!stored || (section.sh_offset <= bytes_.size() && section.sh_size <= bytes_.size() - section.sh_offset),
         "a section lies outside it");
    want(section.sh_size < std::numeric_limits<int32_t>::max() / 4, "a section is too large");
    want((section.sh_flags & SHF_TLS) == 0, "it has thread-local storage");
    sections_.push_back(section);
  }
  section_names_ = header.e_shstrndx;
}

void ObjectImage::read_symbols() {
  for (const Elf64_Shdr& section : sections_) {
    if (section.sh_type != SHT_SYMTAB) continue;
    symbol_names_ = section.sh_link;
    for (uint64_t at = 0; at + sizeof(Elf64_Sym) <= section.sh_size; at += sizeof(Elf64_Sym)) {
      symbols_.push_back(read<Elf64_Sym>(section.sh_offset + at));
    }
  }
  for (const Elf64_Sym& symbol : symbols_) {
    const bool in_section = symbol.st_shndx != SHN_UNDEF && symbol.st_shndx < SHN_LORESERVE;
    want(!in_section || (symbol.st_shndx < sections_.size() && symbol.st_value <= sections_[symbol.st_shndx].sh_size),
         "a symbol lies outside its section");
  }
}

/// Data that the program changes; tables of addresses (.data.rel.ro) are constant once they are
/// relocated.
bool ObjectImage::stays_writable(const Elf64_Shdr& section) const {
  return (section.sh_flags & SHF_WRITE) != 0 && !text(section_names_, section.sh_name).starts_with(".data.rel.ro");
}

void ObjectImage::place_sections() {
  offsets_.resize(sections_.size());
  const auto place = [&](bool writable, uint64_t at) {
    for (std::size_t i = 0; i < sections_.size(); ++i) {
      const Elf64_Shdr& section = sections_[i];
      if ((section.sh_flags & SHF_ALLOC) == 0 || stays_writable(section) != writable) continue;
      const uint64_t alignment = std::max<uint64_t>(section.sh_addralign, 1);
      want(alignment <= 4096 && (alignment & (alignment - 1)) == 0, "a section has an odd alignment");
      offsets_[i] = round_up(at, alignment);
      at = offsets_[i] + section.sh_size;
    }
    return at;
  };
  const auto page = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  const uint64_t slots_begin = round_up(place(false, 0), alignof(Slot));
  find_slots();
  uint64_t at = slots_begin;
  for (auto& [symbol, offset] : slots_) offset = std::exchange(at, at + sizeof(Slot));
  code_end_ = round_up(at, page);
  image_end_ = round_up(place(true, code_end_), page);
  want(image_end_ < std::numeric_limits<int32_t>::max(), "it is too large");
}

std::vector<Elf64_Rela> ObjectImage::relocations(const Elf64_Shdr& section) const {
  std::vector<Elf64_Rela> result;
  for (uint64_t at = 0; at + sizeof(Elf64_Rela) <= section.sh_size; at += sizeof(Elf64_Rela)) {
    result.push_back(read<Elf64_Rela>(section.sh_offset + at));
    want(ELF64_R_SYM(result.back().r_info) < symbols_.size(), "a relocation names no symbol");
  }
  return result;
}

bool goes_through_table(uint64_t type) {
  return type == R_X86_64_GOTPCREL || type == R_X86_64_GOTPCRELX || type == R_X86_64_REX_GOTPCRELX;
}

void ObjectImage::find_slots() {
  for (const Elf64_Shdr& section : sections_) {
    if (section.sh_type != SHT_RELA) continue;
    for (const Elf64_Rela& relocation : relocations(section)) {
      const uint32_t symbol = ELF64_R_SYM(relocation.r_info);
      const bool external = symbol != 0 && symbols_[symbol].st_shndx == SHN_UNDEF;
      if (external || goes_through_table(ELF64_R_TYPE(relocation.r_info))) slots_[symbol] = 0;
    }
  }
}

uint64_t ObjectImage::address(char* base, const Elf64_Sym& symbol) const {
  if (symbol.st_shndx == SHN_ABS) return symbol.st_value;
  if (symbol.st_shndx == SHN_UNDEF) {
    return reinterpret_cast<uint64_t>(address_of_library_function(text(symbol_names_, symbol.st_name)));
  }
  want(symbol.st_shndx < SHN_LORESERVE, "a symbol has no section");
  want((sections_[symbol.st_shndx].sh_flags & SHF_ALLOC) != 0, "a symbol's section is not loaded");
  return reinterpret_cast<uint64_t>(base) + offsets_[symbol.st_shndx] + symbol.st_value;
}

uint64_t ObjectImage::slot_address(char* base, uint32_t symbol) {
  return reinterpret_cast<uint64_t>(base) + slots_.at(symbol);
}

void ObjectImage::copy(char* base) const {
  for (std::size_t i = 0; i < sections_.size(); ++i) {
    const Elf64_Shdr& section = sections_[i];
    if ((section.sh_flags & SHF_ALLOC) == 0 || section.sh_type == SHT_NOBITS) continue;
    std::memcpy(base + offsets_[i], bytes_.data() + section.sh_offset, section.sh_size);
  }
}

/// Formulas of the x86-64 psABI, table 4.9: S symbol, A addend, P place, G and L the symbol's slot.
void ObjectImage::apply(char* base, const Elf64_Shdr& section, uint64_t section_offset, const Elf64_Rela& relocation) {
  const uint64_t type = ELF64_R_TYPE(relocation.r_info);
  const uint32_t index = ELF64_R_SYM(relocation.r_info);
  const Elf64_Sym& symbol = symbols_[index];
  const uint64_t width = type == R_X86_64_64 || type == R_X86_64_PC64 ? 8 : 4;
  want(relocation.r_offset <= section.sh_size && section.sh_size - relocation.r_offset >= width,
       "a relocation lies outside its section");
  char* place = base + section_offset + relocation.r_offset;
  const auto addend = static_cast<uint64_t>(relocation.r_addend);
  const uint64_t from_here = addend - reinterpret_cast<uint64_t>(place);
  const bool external = symbol.st_shndx == SHN_UNDEF;

  uint64_t value = 0;
  if (type == R_X86_64_NONE) return;
  if (type == R_X86_64_64) {
    value = address(base, symbol) + addend;
  } else if (type == R_X86_64_PC64 || (type == R_X86_64_PC32 && !external) || (type == R_X86_64_PLT32 && !external)) {
    value = address(base, symbol) + from_here;
  } else if (type == R_X86_64_PLT32) {
    value = slot_address(base, index) + from_here;
  } else if (goes_through_table(type)) {
    value = slot_address(base, index) + offsetof(Slot, target) + from_here;
  } else {
    throw Refused("it has a relocation of type " + std::to_string(type));
  }
  const auto distance = static_cast<int64_t>(value);
  want(width == 8 ||
           (distance >= std::numeric_limits<int32_t>::min() && distance <= std::numeric_limits<int32_t>::max()),
       "a relocation reaches too far");
  std::memcpy(place, &value, width);
}

void ObjectImage::relocate(char* base) {
  for (const auto& [symbol, offset] : slots_) {
    Slot slot;
    slot.target = address(base, symbols_[symbol]);
    std::memcpy(base + offset, &slot, sizeof slot);
  }
  for (const Elf64_Shdr& section : sections_) {
    if (section.sh_type != SHT_RELA && section.sh_type != SHT_REL) continue;
    want(section.sh_info < sections_.size(), "a relocation section belongs to none");
    const Elf64_Shdr& target = sections_[section.sh_info];
    if ((target.sh_flags & SHF_ALLOC) == 0) continue;
    want(section.sh_type == SHT_RELA && target.sh_type != SHT_NOBITS, "it has relocations of the wrong kind");
    for (const Elf64_Rela& relocation : relocations(section)) {
      apply(base, target, offsets_[section.sh_info], relocation);
    }
  }
}

wg_kernel ObjectImage::load() {
  read_sections();
  read_symbols();
  place_sections();
  const Elf64_Sym* kernel = nullptr;
  for (const Elf64_Sym& symbol : symbols_) {
    const bool defined = symbol.st_shndx != SHN_UNDEF && symbol.st_shndx < SHN_LORESERVE;
    if (defined && ELF64_ST_TYPE(symbol.st_info) == STT_FUNC && text(symbol_names_, symbol.st_name) == "wg_kernel") {
      kernel = &symbol;
    }
  }
  want(kernel != nullptr, "it does not define wg_kernel");
  want((sections_[kernel->st_shndx].sh_flags & SHF_EXECINSTR) != 0, "wg_kernel is not code");

  Mapping mapping(image_end_);
  copy(mapping.base());
  relocate(mapping.base());
  if (::mprotect(mapping.base(), code_end_, PROT_READ | PROT_EXEC) != 0) {
    throw Refused(std::string("mprotect: ") + std::strerror(errno));
  }
  const uint64_t entry = address(mapping.base(), *kernel);
  mapping.keep();
  return reinterpret_cast<wg_kernel>(entry);
}

}  // namespace

LoadResult load_object(std::string_view bytes) {
  try {
    return {ObjectImage(bytes).load(), {}};
  } catch (const Refused& refused) {
    return {nullptr, std::string("the compiled object cannot be loaded: ") + refused.what()};
  } catch (const std::out_of_range&) {
    return {nullptr, "the compiled object cannot be loaded: a table that it names is missing"};
  }
}

}  // namespace wengert::cpu

#else

namespace wengert::cpu {

LoadResult load_object(std::string_view) { return {nullptr, "compiled objects are loaded on x86-64 only"}; }

}  // namespace wengert::cpu

#endif

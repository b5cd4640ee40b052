#include "wengert/backends/cpu/claims.hpp"

namespace wengert::cpu {
namespace {

class AllClaims final : public compile::Claims {
 public:
  void add(const compile::Claims& claims) { all_.push_back(&claims); }

  bool wants(const Program& program, const Equation& e) const override { return first(program, e) != nullptr; }
  std::vector<const Layout*> operand_layouts(const Program& program, const Equation& e,
                                             std::span<const Layout* const> operands) const override {
    return first(program, e)->operand_layouts(program, e, operands);
  }
  std::vector<const Layout*> result_layouts(const Program& program, const Equation& e,
                                            std::span<const Layout* const> operands) const override {
    return first(program, e)->result_layouts(program, e, operands);
  }
  std::shared_ptr<compile::ClaimedCall> prepare(const Program& program, const Equation& e,
                                                std::span<const Layout* const> operands,
                                                std::span<const Layout* const> results) const override {
    return first(program, e)->prepare(program, e, operands, results);
  }

 private:
  const compile::Claims* first(const Program& program, const Equation& e) const {
    for (const compile::Claims* claims : all_) {
      if (claims->wants(program, e)) return claims;
    }
    return nullptr;
  }

  std::vector<const compile::Claims*> all_;
};

AllClaims& registry() {
  static auto* all = new AllClaims;
  return *all;
}

}  // namespace

void register_claims(const compile::Claims& claims) { registry().add(claims); }

const compile::Claims& all_claims() { return registry(); }

}  // namespace wengert::cpu

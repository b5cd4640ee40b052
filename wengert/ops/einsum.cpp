#include "wengert/ops/einsum.hpp"

#include <algorithm>
#include <cctype>
#include <map>
#include <string>
#include <vector>

#include "wengert/ops/common.hpp"
#include "wengert/ops/diagonal.hpp"
#include "wengert/ops/elementwise.hpp"
#include "wengert/ops/product.hpp"
#include "wengert/ops/reduce.hpp"
#include "wengert/ops/shape.hpp"

namespace wengert {
namespace {

/// Index names: letters as their codes; -1 is the last axis of "...", -2 the one before, so that they align as
/// broadcasting does. While a text is parsed, `dots` stands for all of them.
using Labels = std::vector<int>;
constexpr int dots = 0;

struct Term {
  Array x;
  Labels labels;  // one per axis
};

bool has(const Labels& labels, int label) { return std::find(labels.begin(), labels.end(), label) != labels.end(); }

int place(const Labels& labels, int label) {
  return static_cast<int>(std::find(labels.begin(), labels.end(), label) - labels.begin());
}

std::string quoted(std::string_view subscripts) { return "subscripts \"" + std::string(subscripts) + "\""; }

// The text ------------------------------------------------------------------------------------------------

Labels parse_labels(std::string_view text, std::string_view subscripts) {
  Labels labels;
  for (size_t i = 0; i < text.size(); ++i) {
    const unsigned char c = static_cast<unsigned char>(text[i]);
    if (c == ' ') continue;
    if (std::isalpha(c)) {
      labels.push_back(c);
    } else if (text.substr(i, 3) == "..." && !has(labels, dots)) {
      labels.push_back(dots);
      i += 2;
    } else {
      fail(ErrorKind::value, "einsum-subscripts", "einsum", quoted(subscripts),
           "letters and at most one \"...\" for each operand, as in \"bij,bjk->bik\"");
    }
  }
  return labels;
}

struct Subscripts {
  std::vector<Labels> operands;
  Labels result;
};

/// Without "->": what occurs once.
Labels implied_result(const std::vector<Labels>& operands) {
  std::map<int, int> counts;
  for (const Labels& labels : operands) {
    for (int label : labels) ++counts[label];
  }
  Labels result;
  for (const auto& [label, count] : counts) {
    if (count == 1 || label == dots) result.push_back(label);
  }
  return result;
}

Subscripts parse(std::string_view text, size_t operand_count) {
  Subscripts parsed;
  const size_t arrow = text.find("->");
  std::string_view rest = text.substr(0, arrow);
  for (size_t comma = rest.find(',');; comma = rest.find(',')) {
    parsed.operands.push_back(parse_labels(rest.substr(0, comma), text));
    if (comma == rest.npos) break;
    rest.remove_prefix(comma + 1);
  }
  if (parsed.operands.size() != operand_count) {
    fail(ErrorKind::value, "einsum-operands", "einsum",
         quoted(text) + ", " + std::to_string(operand_count) + (operand_count == 1 ? " operand" : " operands"),
         "as many lists of indices as operands");
  }
  parsed.result = arrow == text.npos ? implied_result(parsed.operands) : parse_labels(text.substr(arrow + 2), text);
  for (size_t i = 0; i < parsed.result.size(); ++i) {
    const int label = parsed.result[i];
    const bool known = label == dots ||
        std::any_of(parsed.operands.begin(), parsed.operands.end(), [&](const Labels& l) { return has(l, label); });
    if (!known || place(parsed.result, label) != static_cast<int>(i)) {
      fail(ErrorKind::value, "einsum-result", "einsum", quoted(text),
           "indices of the operands in the result, each once");
    }
  }
  return parsed;
}

/// "..." as labels of `count` axes.
Labels expanded(const Labels& labels, int count) {
  Labels all;
  for (int label : labels) {
    if (label != dots) all.push_back(label);
    for (int i = count; label == dots && i > 0; --i) all.push_back(-i);
  }
  return all;
}

// One operand ---------------------------------------------------------------------------------------------

/// Takes diagonals until every label stands once.
Term without_repeats(Term term) {
  for (size_t j = 1; j < term.labels.size(); ++j) {
    const int i = place(term.labels, term.labels[j]);
    if (i == static_cast<int>(j)) continue;
    const int label = term.labels[j];
    term.x = diagonal(term.x, i, static_cast<int64_t>(j));
    term.labels.erase(term.labels.begin() + static_cast<int64_t>(j));
    term.labels.erase(term.labels.begin() + i);
    term.labels.push_back(label);
    j = 0;
  }
  return term;
}

/// Without the axes of length 1 that are to broadcast: their label is another operand's.
Term without_ones(Term term, const std::map<int, int64_t>& lengths) {
  Shape shape;
  Labels labels;
  for (size_t i = 0; i < term.labels.size(); ++i) {
    const Dim length = term.x.shape()[static_cast<int>(i)];
    if (length.value() == 1 && lengths.at(term.labels[i]) != 1) continue;
    shape.push_back(length);
    labels.push_back(term.labels[i]);
  }
  return {reshape(term.x, shape), labels};
}

/// Sums over the labels that `keep` refuses.
template <class Keep>
Term summed(Term term, const Keep& keep) {
  Axes axes;
  Labels labels;
  for (size_t i = 0; i < term.labels.size(); ++i) {
    if (keep(term.labels[i])) labels.push_back(term.labels[i]);
    else axes.push_back(static_cast<int64_t>(i));
  }
  if (axes.empty()) return term;
  return {convert(sum(term.x, axes), term.x.dtype()), labels};
}

/// Axes in the order of `labels`, with length 1 where the term lacks one.
Array aligned(const Term& term, const Labels& labels) {
  Axes order;
  Shape shape;
  for (int label : labels) {
    const bool own = has(term.labels, label);
    if (own) order.push_back(place(term.labels, label));
    shape.push_back(own ? term.x.shape()[place(term.labels, label)] : Dim(1));
  }
  const bool sorted = std::is_sorted(order.begin(), order.end());
  return reshape(sorted ? term.x : transpose(term.x, order), shape);
}

// Two operands --------------------------------------------------------------------------------------------

void want_few(std::string_view text, size_t count, const char* what) {
  if (count <= max_rank) return;
  fail(ErrorKind::shape, "einsum-indices", "einsum", quoted(text) + ", " + std::to_string(count) + " indices " + what,
       "at most " + std::to_string(max_rank) + ", as many as an array has axes");
}

/// a times b; `needed` are the labels that come later.
Term multiply(std::string_view text, const Term& given_a, const Term& given_b, const Labels& needed) {
  const Term a = summed(given_a, [&](int label) { return has(needed, label) || has(given_b.labels, label); });
  const Term b = summed(given_b, [&](int label) { return has(needed, label) || has(given_a.labels, label); });
  ProductAxes axes;
  Labels batch, free;
  for (size_t i = 0; i < a.labels.size(); ++i) {
    const int label = a.labels[i];
    if (!has(b.labels, label)) {
      free.push_back(label);
    } else {
      const bool kept = has(needed, label);
      (kept ? axes.lhs_batch : axes.lhs_contract).push_back(static_cast<int64_t>(i));
      (kept ? axes.rhs_batch : axes.rhs_contract).push_back(place(b.labels, label));
      if (kept) batch.push_back(label);
    }
  }
  Labels all = batch;
  all.insert(all.end(), free.begin(), free.end());
  for (int label : b.labels) {
    if (!has(a.labels, label)) all.push_back(label);
  }
  want_few(text, all.size(), "in a product of two operands");
  if (axes.lhs_contract.empty()) return {aligned(a, all) * aligned(b, all), all};
  return {dot_general(a.x, b.x, axes), all};
}

/// The operands as arrays of one dtype with their labels, and the lengths of all labels.
std::vector<Term> make_terms(std::string_view text, const Subscripts& subscripts, std::span<const Operand> operands,
                             std::map<int, int64_t>& lengths, int& most_dots) {
  Dtype dtype = operands[0].dtype();
  bool weak = operands[0].weak();
  for (const Operand& x : operands) {
    dtype = promote(dtype, weak, x.dtype(), x.weak());
    weak &= x.weak();
  }
  std::vector<Term> terms;
  for (size_t i = 0; i < operands.size(); ++i) {
    const Array x = operands[i].is_scalar() ? operands[i].scalar(dtype) : convert(operands[i], dtype);
    const Labels& labels = subscripts.operands[i];
    const bool open = has(labels, dots);
    const int axes = x.rank() - static_cast<int>(labels.size()) + open;
    const std::string got = quoted(text) + ", operand " + std::to_string(i) + " " + describe(x);
    if (is_bool(dtype))
      fail(ErrorKind::dtype, "dtype-numeric", "einsum", got, "a numeric dtype, not bool; convert with astype()");
    if (axes < 0 || (axes > 0 && !open))
      fail(ErrorKind::shape, "einsum-rank", "einsum", got, "as many indices as the operand has axes");
    most_dots = std::max(most_dots, open ? axes : 0);
    terms.push_back({x, expanded(labels, axes)});
    for (size_t d = 0; d < terms[i].labels.size(); ++d) {
      const int label = terms[i].labels[d];
      const int64_t length = x.shape()[static_cast<int>(d)].value();
      const auto [it, added] = lengths.emplace(label, length);
      const bool spreads = label < 0 && (length == 1 || it->second == 1);
      if (!added && it->second != length && !spreads) {
        const std::string name = label < 0 ? "\"...\"" : std::string("index ") + static_cast<char>(label);
        fail(ErrorKind::shape, "einsum-length", "einsum", got,
             name + " of length " + std::to_string(it->second) + " as in an operand before");
      }
      if (it->second == 1) it->second = length;
    }
  }
  return terms;
}

}  // namespace

Array einsum(std::string_view text, std::span<const Operand> operands) try {
  if (operands.empty()) fail(ErrorKind::value, "einsum-operands", "einsum", quoted(text), "at least one operand");
  const CallScope scope(operands[0]);
  const Subscripts subscripts = parse(text, operands.size());
  std::map<int, int64_t> lengths;
  int most_dots = 0;
  std::vector<Term> terms = make_terms(text, subscripts, operands, lengths, most_dots);
  for (Term& term : terms) term = without_ones(without_repeats(std::move(term)), lengths);
  const Labels result = expanded(subscripts.result, most_dots);
  want_few(text, result.size(), "in the result");
  Term product = terms[0];
  for (size_t i = 1; i < terms.size(); ++i) {
    Labels needed = result;
    for (size_t later = i + 1; later < terms.size(); ++later) {
      needed.insert(needed.end(), terms[later].labels.begin(), terms[later].labels.end());
    }
    product = multiply(text, product, terms[i], needed);
  }
  return aligned(summed(product, [&](int label) { return has(result, label); }), result);
} catch (const std::bad_alloc&) {
  throw_no_memory("einsum", operands.empty() ? std::source_location() : operands[0].where());
}

Array einsum(std::string_view subscripts, const Operand& a) { return einsum(subscripts, {&a, 1}); }

Array einsum(std::string_view subscripts, const Operand& a, const Operand& b) {
  const Operand operands[] = {a, b};
  return einsum(subscripts, operands);
}

Array einsum(std::string_view subscripts, const Operand& a, const Operand& b, const Operand& c) {
  const Operand operands[] = {a, b, c};
  return einsum(subscripts, operands);
}

}  // namespace wengert

// Checkpoints: a tree of arrays in a file, so that a run goes on bit for bit where it was when it was saved.
//
// The file is an .npz: every array under its path (`net.layers[3].bias`), for numpy.load to read, and checkpoint.json
// with the tree's static values and the order of arrays in memory. Every entry has a checksum.
#pragma once

#include <source_location>
#include <string>
#include <string_view>

#include "wengert/tree/tree.hpp"

namespace wengert::io {

namespace detail {
void save_checkpoint(const std::string& path, const void* tree, tree::detail::Walk walk, std::source_location where);
std::vector<Array> load_checkpoint(const std::string& path, const void* like, tree::detail::Walk walk,
                                   std::string_view part, std::source_location where);
}  // namespace detail

/// Saves all defined arrays of a tree. The file is replaced as a whole or not at all, whatever happens: a killed
/// process, a full disk. Errors: io (folder, full disk); trace (no values while a program is recorded).
template <class T>
void save_checkpoint(const std::string& path, const T& tree,
                     std::source_location where = std::source_location::current()) {
  detail::save_checkpoint(path, &tree, &tree::detail::walk<T>, where);
}

/// The tree that was saved there: a copy of `like` with other arrays. Arrays of `like` that are defined say which dtype
/// and shape is wanted; those that are not take what the file has there. Static values (numbers, strings, enums) must
/// be those that were saved. With `part`, only what stood below that path is looked at: load_checkpoint(path, net,
/// "net"). Errors, naming file and path: io (missing, corrupt, no checkpoint), shape, dtype, value (an array too many
/// or too few, another static value).
template <class T>
T load_checkpoint(const std::string& path, const T& like, std::string_view part = "",
                  std::source_location where = std::source_location::current()) {
  return tree::detail::with_leaves(like, detail::load_checkpoint(path, &like, &tree::detail::walk<T>, part, where));
}

}  // namespace wengert::io

// Directory chores of the store. Thread rule: free functions, any thread.
#pragma once

#include <string>
#include <vector>

namespace hpcc::store {

std::vector<std::string> list_directory(const std::string& path);  // names without . and ..; empty when unreadable
void remove_tree(const std::string& path);  // follows no symbolic link; what cannot be removed stays

}  // namespace hpcc::store

#include "support/file_operations.h"

namespace pinwarden::test {

const std::vector<Way>& ways()
{
    static const std::vector<Way> all{
        {"truncate", "truncate", {"16384"}},
        {"ftruncate", "truncate", {"16384"}},
        {"open", "truncate", {}},
        {"punch_hole", "punch_hole", {"20480", "4096"}},
        {"zero_range", "zero_range", {"20480", "4096"}},
        {"collapse_range", "collapse_range", {"20480", "4096"}},
        {"insert_range", "insert_range", {"20480", "4096"}},
        {"madv_remove", "madv_remove", {"16384", "8192"}},
    };
    return all;
}

std::vector<std::pair<std::string, Way>> possible_ways()
{
    std::vector<std::pair<std::string, Way>> all;
    for (const std::string filesystem : {"ext4", "xfs", "tmpfs"}) {
        for (const Way& way : ways()) {
            const bool block =
                way.operation == "zero_range" || way.operation == "collapse_range" || way.operation == "insert_range";
            if (filesystem != "tmpfs" || !block) {
                all.emplace_back(filesystem, way);
            }
        }
    }
    return all;
}

std::vector<std::string> words(const Way& way, const std::string& path)
{
    std::vector<std::string> all{way.operation, path};
    all.insert(all.end(), way.arguments.begin(), way.arguments.end());
    return all;
}

}  // namespace pinwarden::test

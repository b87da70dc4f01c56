#include "support/ways.h"

namespace pinwarden::test {

std::vector<Way> ways_on(const std::string& filesystem)
{
    std::vector<Way> all{
        truncate_way(),
        {"ftruncate", "truncate", {"16384"}},
        {"open", "truncate", {}},
        {"punch_hole", "punch_hole", {"20480", "4096"}},
        {"madv_remove", "madv_remove", {"16384", "8192"}},
    };
    if (filesystem != "tmpfs") {
        for (const std::string operation : {"zero_range", "collapse_range", "insert_range"}) {
            all.push_back({operation, operation, {"20480", "4096"}});
        }
    }
    return all;
}

std::vector<std::pair<std::string, Way>> possible_ways()
{
    std::vector<std::pair<std::string, Way>> all;
    for (const std::string filesystem : {"ext4", "xfs", "tmpfs"}) {
        for (Way& way : ways_on(filesystem)) {
            all.emplace_back(filesystem, std::move(way));
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

Way truncate_way()
{
    return {"truncate", "truncate", {"16384"}};
}

}  // namespace pinwarden::test

#include "ledger/file_place.h"

#include <optional>
#include <string_view>
#include <utility>

#include "decode/paths.h"

namespace pinwarden {
namespace {

bool at_or_below(std::string_view path, std::string_view directory)
{
    return path.starts_with(directory) && (path.size() == directory.size() || path[directory.size()] == '/');
}

// Where what was at `path` is now; nothing when it stayed.
std::optional<std::string> renamed(std::string_view path, const RenameEvent& event)
{
    if (at_or_below(path, event.path)) {
        return event.new_path + std::string(path.substr(event.path.size()));
    }
    if (event.exchange && at_or_below(path, event.new_path)) {
        return event.path + std::string(path.substr(event.new_path.size()));
    }
    return std::nullopt;
}

bool makes_sense(const RenameEvent& event)
{
    return event.path.starts_with('/') && event.new_path.starts_with('/');
}

}  // namespace

bool FilePlace::move_part(std::size_t at, const RenameEvent& event)
{
    PathPart& part = parts_[at];
    const auto now = part.device == event.device ? renamed(part.root + part.path, event) : std::nullopt;
    if (!now) {
        return false;
    }
    // The mount goes with a directory above its root: the path through it stays.
    if (auto root = renamed(part.root, event)) {
        part.root = std::move(*root);
    } else if (at_or_below(*now, part.root)) {
        part.path = now->substr(part.root.size());
    } else {
        // Out of the mount: what leads there is not known.
        part.path = *now;
        part.root.clear();
        parts_.resize(at + 1);
        cut_ = true;
    }
    return true;
}

bool FilePlace::is_at(const RenameEvent& event) const
{
    return !parts_.empty() && parts_.front().device == event.device &&
           parts_.front().root + parts_.front().path == event.path;
}

void FilePlace::move(const RenameEvent& event)
{
    if (makes_sense(event)) {
        move_part(0, event);
    }
}

bool FilePlace::move_along(const RenameEvent& event)
{
    bool moved = false;
    for (std::size_t at = 0; makes_sense(event) && at < parts_.size(); ++at) {
        moved = move_part(at, event) || moved;
    }
    return moved;
}

std::string FilePlace::path() const
{
    return path_of(parts_, cut_);
}

}  // namespace pinwarden

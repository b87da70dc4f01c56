// Where a file is, and what becomes of that when it or a directory above it is renamed. Paths are compared within the
// file system they are in, so that neither bind mounts nor file systems mounted below a renamed directory lead astray.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "decode/event.h"

namespace pinwarden {

class FilePlace {
public:
    FilePlace() = default;
    FilePlace(std::vector<PathPart> parts, bool cut) : parts_(std::move(parts)), cut_(cut) {}

    // Whether the file was called what the event renames; a hard link may be called otherwise.
    [[nodiscard]] bool is_at(const RenameEvent& event) const;
    // Follows a rename of the file itself, of which is_at() holds.
    void move(const RenameEvent& event);
    // Follows a directory that was renamed, or two names that were exchanged, if the path leads through them: whether
    // it did.
    bool move_along(const RenameEvent& event);

    // The whole path. Starts with ".../" where the file was moved out of the mount it was seen through.
    [[nodiscard]] std::string path() const;

private:
    bool move_part(std::size_t at, const RenameEvent& event);

    std::vector<PathPart> parts_;  // innermost first
    bool cut_ = false;
};

}  // namespace pinwarden

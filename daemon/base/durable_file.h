// A small file that is there as a whole, the old one or the new one, whatever happens meanwhile.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "base/result.h"

namespace pinwarden {

// The folder that the path is in; "." where it names none.
std::string folder_of(const std::string& path);
// Makes the folder and those above it, with mode 0750. One that is there is left as it is.
Result<void> make_folder(const std::string& folder);
// A file that was made, or renamed, has that name for good only once its folder is on the disk: when this returns.
Result<void> sync_folder(const std::string& folder);
// All of it, also where the kernel takes a part at a time.
Result<void> write_all(int fd, std::string_view text);

// Replaces the file by one with this text, and returns once that is on the disk under its name. Folders that are
// missing are made, with mode 0750. On error the old one is as it was, but for an error at the
// very end, when it is not known whether the new name is on the disk yet.
Result<void> replace_file(const std::string& path, std::string_view text, mode_t mode = 0640);

// The file's text. Error code ENOENT when there is none; EFBIG when it has more than `most` bytes.
Result<std::string> read_small_file(const std::string& path, std::size_t most);

}  // namespace pinwarden

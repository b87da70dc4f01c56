#include "policy/text_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include "base/fd.h"

namespace pinwarden {

Result<std::string> read_text_file(const std::string& path, const std::string& what)
{
    // O_NONBLOCK: opening a FIFO must not wait for its writer.
    const OwnedFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    struct stat status = {};
    if (!fd.valid() || ::fstat(fd.get(), &status) != 0) {
        return std::unexpected(system_error(path + ": cannot open " + what, errno));
    }
    if (!S_ISREG(status.st_mode)) {
        return fail(path + ": is not a regular file; a " + what + " is read from a file", EINVAL);
    }
    // One byte more than may be used tells that there is more.
    constexpr std::size_t kMost = kMaxTextBytes + 1;
    constexpr std::size_t kAtOnce = 16'384;
    std::string text;
    while (text.size() < kMost) {
        const std::size_t size = text.size();
        text.resize(std::min(size + kAtOnce, kMost));
        const ssize_t got = ::read(fd.get(), text.data() + size, text.size() - size);
        text.resize(size + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return std::unexpected(system_error(path + ": cannot read " + what, errno));
        }
        if (got == 0) {
            break;
        }
    }
    return text;
}

Result<std::vector<std::string>> list_yaml_files(const std::string& folder, const std::string& what)
{
    std::error_code error;
    std::vector<std::string> files;
    std::filesystem::directory_iterator entry(folder, error);
    for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
        const std::string name = entry->path().filename().string();
        if (name.starts_with('.')) {
            continue;
        }
        if (name.ends_with(".yml")) {
            return fail(entry->path().string() + ": would be overlooked, only *.yaml is read; rename it to .yaml",
                        EINVAL);
        }
        if (name.ends_with(".yaml")) {
            files.push_back(entry->path().string());
        }
    }
    if (error) {
        return std::unexpected(system_error(folder + ": cannot read " + what + " folder", error.value()));
    }
    std::ranges::sort(files);
    return files;
}

Result<std::vector<std::string>> list_files_at(const std::string& path, const std::string& what)
{
    std::error_code error;
    return std::filesystem::is_directory(path, error) ? list_yaml_files(path, what) : std::vector<std::string>{path};
}

}  // namespace pinwarden

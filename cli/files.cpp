#include "cli/files.h"

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>

#include "cli/text.h"

namespace pinwarden::cli {

std::expected<std::string, std::string> read_file(const std::string& file, std::istream& standard_input)
{
    if (file == "-") {
        return std::string(std::istreambuf_iterator<char>(standard_input), {});
    }
    std::ifstream stream(file, std::ios::binary);
    // Reading is what fails for a folder, not opening.
    if (stream && stream.peek() != std::ifstream::traits_type::eof()) {
        return std::string(std::istreambuf_iterator<char>(stream), {});
    }
    const int error = errno;
    if (stream.is_open() && !stream.bad()) {
        return std::string{};
    }
    return std::unexpected("cannot read " + visible(file) + ": " + std::generic_category().message(error));
}

std::string absolute_name(const std::string& file)
{
    std::error_code error;
    return file.empty() || file.starts_with("memfd:")
               ? file
               : std::filesystem::absolute(file, error).lexically_normal().string();
}

}  // namespace pinwarden::cli

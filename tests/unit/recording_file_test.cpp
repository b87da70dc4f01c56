// Recordings as files: what is written is read, and what is damaged says so.
#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>

#include "support/publish_fixtures.h"
#include "support/recordings.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

std::vector<v1::RecordResponse> some_parts()
{
    RecordedWorld world;
    world.start();
    world.hear(bytes_of(raw_pin()));
    return world.finish();
}

std::string content(const std::string& path)
{
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

void write(const std::string& path, const std::string& bytes)
{
    std::ofstream(path, std::ios::binary) << bytes;
}

// All that can be read, and why not the rest.
std::pair<std::size_t, std::string> read_all(const std::string& path)
{
    auto reader = RecordingReader::open(path);
    if (!reader) {
        return {0, reader.error().message};
    }
    for (std::size_t parts = 1;; ++parts) {
        const auto part = (*reader)->next();
        if (!part) {
            return {parts, part.error().message};
        }
        if (!*part) {
            return {parts, ""};
        }
    }
}

}  // namespace

TEST_CASE("a recording is read as it was written, by nobody else")
{
    const TemporaryFolder folder;
    const std::string path = folder.file("r");
    const auto parts = some_parts();
    write_recording(path, parts);
    struct stat facts{};
    REQUIRE(stat(path.c_str(), &facts) == 0);
    CHECK((facts.st_mode & 0777) == 0600);

    auto reader = RecordingReader::open(path).value();
    CHECK(reader->head().pinwarden_version() == "1.2.3");
    CHECK(reader->head().struct_page_bytes() == 64);
    for (std::size_t i = 1; i < parts.size(); ++i) {
        const auto part = reader->next();
        REQUIRE(part);
        REQUIRE(*part);
        CHECK((*part)->SerializeAsString() == parts[i].SerializeAsString());
    }
    CHECK_FALSE(reader->next().value());
}

TEST_CASE("a file is only replaced when that is asked for")
{
    const TemporaryFolder folder;
    const std::string path = folder.file("r");
    write(path, "mine");
    const auto refused = RecordingWriter::create(path, false);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message.find("--force") != std::string::npos);
    CHECK(content(path) == "mine");
    CHECK(RecordingWriter::create(path, true));
    CHECK_FALSE(RecordingWriter::create(folder.file("no/such/folder"), false));
}

TEST_CASE("a recording that was cut off is read as far as it goes, wherever that is")
{
    const TemporaryFolder folder;
    const std::string path = folder.file("r");
    const auto parts = some_parts();
    write_recording(path, parts);
    const std::string whole = content(path);
    const auto [all, nothing_wrong] = read_all(path);
    CHECK(all == parts.size());
    CHECK(nothing_wrong.empty());
    for (std::size_t length = 0; length < whole.size(); ++length) {
        write(path, whole.substr(0, length));
        const auto [read, why] = read_all(path);
        INFO(length << ": " << why);
        CHECK(read <= parts.size());
        // Behind its last part there is only what gzip says of all of it.
        CHECK((read == parts.size() || !why.empty()));
    }
}

TEST_CASE("what is no recording is refused with the reason")
{
    const TemporaryFolder folder;
    const std::string path = folder.file("r");
    for (const std::string text : {"", "plain text that is not compressed", "\x1f\x8b\x08 and then nothing"}) {
        write(path, text);
        const auto [read, why] = read_all(path);
        CHECK(read == 0);
        CHECK(why.find("no recording of pinwarden") != std::string::npos);
    }
    auto parts = some_parts();
    parts.front().mutable_head()->set_format(2);
    write_recording(path, parts);
    CHECK(read_all(path).second.find("format 2") != std::string::npos);
    parts.erase(parts.begin());
    write_recording(path, parts);
    CHECK(read_all(path).second.find("no recording of pinwarden") != std::string::npos);
    CHECK(read_all(folder.file("none")).second.find("none") != std::string::npos);
}

TEST_CASE("bytes that changed on the way are found")
{
    const TemporaryFolder folder;
    const std::string path = folder.file("r");
    const auto parts = some_parts();
    write_recording(path, parts);
    const std::string whole = content(path);
    // Behind gzip's own head, of which some bytes say nothing.
    constexpr std::size_t kHead = 10;
    for (std::size_t at = kHead; at < whole.size(); ++at) {
        std::string changed = whole;
        changed[at] = static_cast<char>(changed[at] ^ 0x55);
        write(path, changed);
        const auto [read, why] = read_all(path);
        INFO(at);
        CHECK((!why.empty() || read == parts.size()));
    }
}

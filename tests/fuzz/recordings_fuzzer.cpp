// Any bytes as the file of a recording: read to its end or its damage, through the whole pipeline, and asked what
// `pinctl report` and `pinctl --recording` ask. What begins as gzip does is the file; anything else is its content.
#include <fcntl.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/util/delimited_message_util.h>
#include <pinwarden/v1/recording.pb.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "fuzz/ledger_invariants.h"
#include "fuzz/message_mutator.h"
#include "fuzz/readable.h"
#include "fuzz/require.h"
#include "publish/conflict_service.h"
#include "publish/convert.h"
#include "publish/pin_groups.h"
#include "publish/pin_list.h"
#include "replay/replay.h"
#include "replay/replay_pipeline.h"

namespace pinwarden::fuzz {
namespace {

constexpr unsigned char kGzip = 0x1f;
// More than any input lists unless it lies; what lies is to be refused and not to be worked on.
constexpr std::uint64_t kMostPages = 1U << 16U;

template <typename T>
void append(std::string& to, T number)
{
    for (std::size_t i = 0; i < sizeof(number); ++i) {
        to += static_cast<char>(number >> (8 * i));
    }
}

// As gzip has what it cannot make smaller.
std::string packed(std::string_view content)
{
    constexpr std::size_t kMostInBlock = 65535;
    std::string file("\x1f\x8b\x08\0\0\0\0\0\0\xff", 10);
    auto checksum = crc32(0, nullptr, 0);
    const std::size_t size = content.size();
    do {
        const std::string_view block = content.substr(0, kMostInBlock);
        content.remove_prefix(block.size());
        append(file, static_cast<std::uint8_t>(content.empty() ? 1 : 0));
        append(file, static_cast<std::uint16_t>(block.size()));
        append(file, static_cast<std::uint16_t>(~block.size()));
        file += block;
        checksum = crc32(checksum, reinterpret_cast<const Bytef*>(block.data()), static_cast<uInt>(block.size()));
    } while (!content.empty());
    append(file, static_cast<std::uint32_t>(checksum));
    append(file, static_cast<std::uint32_t>(size));
    return file;
}

// A file without a name, which has a path all the same.
class File {
public:
    explicit File(const std::string& content) : fd_(memfd_create("recording", MFD_CLOEXEC))
    {
        require(fd_.valid() && write(fd_.get(), content.data(), content.size()) == static_cast<ssize_t>(content.size()),
                "there is memory for a file");
    }

    [[nodiscard]] std::string path() const { return "/proc/self/fd/" + std::to_string(fd_.get()); }

private:
    OwnedFd fd_;
};

void look_at_pins(ReplayPipeline& pipeline)
{
    const PinSource source = [&](const PinFilter& filter, PinId from) { return pipeline.pins(filter, from); };
    const HolderFinder holders = [&](const auto& kinds) { return pipeline.may_hold(kinds); };
    const auto list = list_pins({}, source, holders);
    require(list.has_value(), "pins are listed");
    require_readable(*list);
    v1::GroupPinsRequest request;
    for (int by = v1::PinGrouping_MIN; by <= v1::PinGrouping_MAX; ++by) {
        if (by == v1::PIN_GROUPING_UNSPECIFIED || !v1::PinGrouping_IsValid(by)) {
            continue;
        }
        request.set_by(static_cast<v1::PinGrouping>(by));
        const auto groups = group_pins(request, source);
        require(groups.has_value(), "pins are summed up");
        require_readable(*groups);
    }
}

void look_at_all(Replay& replay, const v1::RecordingHead& head)
{
    ReplayPipeline pipeline(replay, head);
    look_at_pins(pipeline);
    const Snapshot snapshot = pipeline.snapshot().value();
    require_readable(status_to_proto(snapshot));
    require_readable(policies_to_proto(snapshot));
    require_readable(failures_to_proto(pipeline.failures().value(), {}));
    require_readable(notifiers_to_proto(pipeline.notifiers().value()));
    require_readable(holds_to_proto(pipeline.holds().value()));
    const Clock& clock = replay.clock();
    require_readable(conflicts_to_proto(replay.conflicts().list({}), clock.now(), clock.boot_to_unix()));
}

void try_file(const std::string& content)
{
    const File file(content);
    const auto reader = RecordingReader::open(file.path());
    if (!reader) {
        require(!reader.error().message.empty(), "a refusal has a reason");
        return;
    }
    Replay replay((*reader)->head(), {}, {.most_pages = kMostPages});
    replay.play(**reader, [](const Notice& notice) {
        for (const v1::EventKind kind : event_kinds(notice)) {
            require_readable(event_to_proto(notice, kind));
        }
    });
    check_invariants(replay.engine().ledger());
    look_at_all(replay, (*reader)->head());
}

// ---- changes of inputs

std::vector<v1::RecordResponse> parts_of(std::span<const std::uint8_t> content)
{
    google::protobuf::io::ArrayInputStream in(content.data(), static_cast<int>(content.size()));
    std::vector<v1::RecordResponse> parts;
    for (v1::RecordResponse part; google::protobuf::util::ParseDelimitedFromZeroCopyStream(&part, &in, nullptr);
         part.Clear()) {
        parts.push_back(part);
    }
    return parts;
}

std::string content_of(const std::vector<v1::RecordResponse>& parts)
{
    std::string content;
    google::protobuf::io::StringOutputStream out(&content);
    for (const v1::RecordResponse& part : parts) {
        google::protobuf::util::SerializeDelimitedToZeroCopyStream(part, &out);
    }
    return content;
}

std::vector<std::string> records_of(std::string_view bytes)
{
    std::vector<std::string> records;
    while (bytes.size() >= sizeof(pw_header)) {
        pw_header head{};
        std::memcpy(&head, bytes.data(), sizeof(head));
        const std::size_t size = std::clamp<std::size_t>(head.bytes, sizeof(head), bytes.size());
        records.emplace_back(bytes.substr(0, size));
        bytes.remove_prefix(size);
    }
    return records;
}

// Within a record most is numbers of eight or four bytes at multiples of that.
void mutate_record(std::string& record, Random& random)
{
    const std::size_t width = random() % 2 == 0 ? sizeof(std::uint64_t) : sizeof(std::uint32_t);
    const std::size_t at = random() % (record.size() / width) * width;
    std::uint64_t value = 0;
    std::memcpy(&value, record.data() + at, width);
    value = mutate_number(value, random);
    std::memcpy(record.data() + at, &value, width);
}

void mutate_records(v1::RecordingPiece& piece, Random& random)
{
    std::vector<std::string> records = records_of(piece.records());
    if (records.empty()) {
        return;
    }
    const auto at = records.begin() + static_cast<std::ptrdiff_t>(random() % records.size());
    switch (random() % 8) {
        case 0: records.erase(at); break;
        case 1: records.push_back(*at); break;
        case 2: std::swap(*at, records.back()); break;
        default: mutate_record(*at, random); break;
    }
    piece.clear_records();
    for (const std::string& record : records) {
        piece.mutable_records()->append(record);
    }
}

void mutate(std::vector<v1::RecordResponse>& parts, Random& random)
{
    const auto at = parts.begin() + static_cast<std::ptrdiff_t>(random() % parts.size());
    switch (random() % 16) {
        case 0: parts.erase(at); break;
        case 1: parts.push_back(*at); break;
        case 2: std::swap(*at, parts.back()); break;
        case 3:
        case 4:
        case 5:
        case 6:
        case 7: mutate_message(*at, random); break;
        default:
            if (at->has_piece()) {
                mutate_records(*at->mutable_piece(), random);
            } else {
                mutate_message(*at, random);
            }
            break;
    }
}

}  // namespace
}  // namespace pinwarden::fuzz

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer calls it by this name.
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t most, unsigned seed)
{
    using namespace pinwarden::fuzz;
    Random random(seed);
    auto parts = parts_of({data, size});
    if (!parts.empty() && random() % 8 != 0) {
        mutate(parts, random);
        const std::string content = content_of(parts);
        if (content.size() <= most) {
            std::ranges::copy(content, data);
            return content.size();
        }
    }
    return LLVMFuzzerMutate(data, size, most);
}

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer calls it by this name.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    using namespace pinwarden::fuzz;
    const std::string content(reinterpret_cast<const char*>(data), size);
    try_file(size > 0 && data[0] == kGzip ? content : packed(content));
    return 0;
}

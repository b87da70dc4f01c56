#include "recording/checkpoint.h"

#include <pinwarden/abi.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <type_traits>

#include "recording/start_records.h"

namespace pinwarden {
namespace {

// Then the version, the checksum of all that follows, and the head's fields in their order.
constexpr std::string_view kMagic = "pinwarden pins\n";
constexpr std::size_t kMostPolicies = PW_POLICIES;
constexpr std::size_t kMostText = 4096;

struct RawExtent {
    std::uint64_t pin;
    std::uint64_t position;
    std::uint64_t first;
    std::uint64_t count;
};

std::uint32_t checksum(std::string_view bytes)
{
    return static_cast<std::uint32_t>(crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

template <typename Number>
    requires std::is_trivially_copyable_v<Number>
void put(std::string& out, const Number& number)
{
    out.append(reinterpret_cast<const char*>(&number), sizeof(number));
}

void put_text(std::string& out, std::string_view text)
{
    put(out, std::uint64_t{text.size()});
    out.append(text);
}

// Takes what was put, in the same order; from the first thing on that is not there, nothing.
class Taking {
public:
    explicit Taking(std::string_view from) : left_(from) {}

    template <typename Number>
    Number number()
    {
        Number value{};
        const std::string_view bytes = take(sizeof(value));
        std::memcpy(&value, bytes.data(), bytes.size());
        return value;
    }
    std::string_view text(std::size_t most = std::numeric_limits<std::size_t>::max())
    {
        const auto bytes = number<std::uint64_t>();
        whole_ = whole_ && bytes <= most;
        return take(whole_ ? bytes : 0);
    }
    [[nodiscard]] bool whole() const { return whole_; }
    [[nodiscard]] bool at_end() const { return whole_ && left_.empty(); }
    [[nodiscard]] std::string_view left() const { return left_; }

private:
    std::string_view take(std::size_t bytes)
    {
        whole_ = whole_ && bytes <= left_.size();
        const std::string_view taken = left_.substr(0, whole_ ? bytes : 0);
        left_.remove_prefix(taken.size());
        return taken;
    }

    std::string_view left_;
    bool whole_ = true;
};

void put_extents(std::string& out, const Ledger& ledger)
{
    const std::vector<Extent> extents = extents_of(ledger);
    put(out, std::uint64_t{extents.size() * sizeof(RawExtent)});
    for (const Extent& extent : extents) {
        put(out, RawExtent{extent.pin, extent.position, extent.first, extent.count});
    }
}

// Whether each record is as long as its head says.
bool records_are_whole(std::string_view records)
{
    while (!records.empty()) {
        pw_header header{};
        if (records.size() < sizeof(header)) {
            return false;
        }
        std::memcpy(&header, records.data(), sizeof(header));
        if (header.bytes < sizeof(header) || header.bytes > records.size()) {
            return false;
        }
        records.remove_prefix(header.bytes);
    }
    return true;
}

// The positions of a pin and the numbers of pages that the ledger can tell apart.
bool makes_sense(const RawExtent& extent)
{
    constexpr std::uint64_t kPositions = 1ULL << 32U;
    constexpr std::uint64_t kPages = 1ULL << 40U;
    return extent.count > 0 && extent.count <= kPositions && extent.position <= kPositions - extent.count &&
           extent.first <= kPages && extent.count <= kPages - extent.first;
}

bool extents_make_sense(std::string_view extents)
{
    if (extents.size() % sizeof(RawExtent) != 0) {
        return false;
    }
    for (Taking taking(extents); !taking.at_end();) {
        if (!makes_sense(taking.number<RawExtent>())) {
            return false;
        }
    }
    return true;
}

}  // namespace

std::string checkpoint_of(const CheckpointHead& head, const Ledger& ledger)
{
    std::string body;
    put_text(body, head.boot_id);
    put(body, head.taken);
    put(body, head.set);
    put(body, head.ring);
    put(body, head.position);
    put(body, head.losses);
    put(body, static_cast<std::uint8_t>(head.certain));
    put(body, head.geometry.vmemmap_base);
    put(body, head.geometry.struct_page_bytes);
    put(body, head.generation);
    put(body, std::uint64_t{head.policies.size()});
    for (const std::string& name : head.policies) {
        put_text(body, name);
    }
    std::string records;
    tell_pins(ledger, [&records](std::span<const std::byte> record) {
        records.append(reinterpret_cast<const char*>(record.data()), record.size());
    });
    put_text(body, records);
    put_extents(body, ledger);

    std::string text(kMagic);
    put(text, kRecordLayout);
    put(text, checksum(body));
    return text + body;
}

Result<Checkpoint> Checkpoint::parse(std::string text)
{
    if (!std::string_view(text).starts_with(kMagic)) {
        return fail("it is no file of pins", EINVAL);
    }
    Taking taking(std::string_view(text).substr(kMagic.size()));
    const auto layout = taking.number<std::uint32_t>();
    if (taking.whole() && layout != kRecordLayout) {
        return fail("it is another version's: layout " + std::to_string(layout) + ", and this one reads " +
                        std::to_string(kRecordLayout),
                    EPROTONOSUPPORT);
    }
    const auto sum = taking.number<std::uint32_t>();
    if (!taking.whole() || checksum(taking.left()) != sum) {
        return fail("it is damaged: its checksum is another than it says", EILSEQ);
    }
    CheckpointHead head;
    head.boot_id = taking.text(kMostText);
    head.taken = taking.number<Nanoseconds>();
    head.set = taking.number<std::uint64_t>();
    head.ring = taking.number<std::uint32_t>();
    head.position = taking.number<std::uint64_t>();
    head.losses = taking.number<std::uint64_t>();
    head.certain = taking.number<std::uint8_t>() != 0;
    head.geometry.vmemmap_base = taking.number<std::uint64_t>();
    head.geometry.struct_page_bytes = taking.number<std::uint64_t>();
    head.generation = taking.number<std::uint32_t>();
    const auto policies = taking.number<std::uint64_t>();
    for (std::uint64_t i = 0; i < std::min<std::uint64_t>(policies, kMostPolicies); ++i) {
        head.policies.emplace_back(taking.text(kMostText));
    }
    const std::string_view records = taking.text();
    const std::string_view extents = taking.text();
    if (!taking.at_end() || policies > kMostPolicies || head.geometry.struct_page_bytes == 0 ||
        !records_are_whole(records) || !extents_make_sense(extents)) {
        return fail("it is damaged: what is in it does not hold together", EILSEQ);
    }
    Checkpoint checkpoint;
    checkpoint.head_ = std::move(head);
    const auto records_at = static_cast<std::size_t>(records.data() - text.data());
    const auto extents_at = static_cast<std::size_t>(extents.data() - text.data());
    checkpoint.text_ = std::make_unique<const std::string>(std::move(text));
    checkpoint.records_ = std::string_view(*checkpoint.text_).substr(records_at, records.size());
    checkpoint.extents_ = std::string_view(*checkpoint.text_).substr(extents_at, extents.size());
    return checkpoint;
}

void Checkpoint::replay(const Told& told) const
{
    for (std::string_view left = records_; !left.empty();) {
        pw_header header{};
        std::memcpy(&header, left.data(), sizeof(header));
        told.record(std::as_bytes(std::span(left.substr(0, header.bytes))));
        left.remove_prefix(header.bytes);
    }
    for (Taking taking(extents_); !taking.at_end();) {
        const auto raw = taking.number<RawExtent>();
        told.pages({.time = 0, .pin = raw.pin, .first = raw.position, .runs = {{raw.first, raw.count}}});
    }
}

}  // namespace pinwarden

// Any bytes as one record: the decoder refuses them with a reason, or makes an event within its bounds.
#include <cstddef>
#include <cstdint>
#include <span>

#include "decode/decoder.h"
#include "fuzz/event_bounds.h"
#include "fuzz/require.h"
#include "support/records.h"

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer calls it by this name.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    static const pinwarden::Decoder decoder(pinwarden::test::kGeometry);
    const auto event = decoder.decode(std::as_bytes(std::span(data, size)));
    if (event) {
        pinwarden::fuzz::check_bounds(*event);
    } else {
        pinwarden::fuzz::require(!event.error().message.empty(), "a refusal has a reason");
    }
    return 0;
}

// What is pinned already when a recording begins, told as the kernel would have told it.
#pragma once

#include <pinwarden/v1/recording.pb.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "base/result.h"
#include "decode/decoder.h"
#include "ledger/ledger.h"

namespace pinwarden {

// Calls `record` for what names and describes each pin: its owner's program, its files, itself, its ranges of files,
// its owner's exit. Page addresses and code are the kernel's own, as in any record. Addresses of user space that pins
// had lost since are told as if they were mapped still.
void tell_pins(const Ledger& ledger, const std::function<void(std::span<const std::byte>)>& record);

// All extents, in order of pin and position.
std::vector<Extent> extents_of(const Ledger& ledger);

// Which pages the pins hold, in order of pin and position. Takes some hundred nanoseconds for each extent.
std::vector<v1::RecordingPages> tell_pages(const Ledger& ledger);

// How many pages they are. Error EILSEQ: no daemon has told them: half a run, an empty one, one beyond all memory, or
// more than a pin can have.
Result<std::uint64_t> count_pages(const v1::RecordingPages& pages);

// What count_pages() has counted as records of page lists, to be given to a pipeline whose pages are read with
// `geometry`. Takes time for every page.
void pages_as_records(const v1::RecordingPages& pages, const PageGeometry& geometry,
                      const std::function<void(std::span<const std::byte>)>& record);

}  // namespace pinwarden

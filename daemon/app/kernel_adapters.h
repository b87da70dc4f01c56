// The real kernel behind the pipeline's interfaces.
#pragma once

#include <absl/container/flat_hash_map.h>

#include "act/verdict_sink.h"
#include "decode/decoder.h"
#include "kernel/kallsyms.h"
#include "kernel/verdict_maps.h"
#include "ledger/driver.h"

namespace pinwarden {

class KernelVerdicts final : public VerdictSink {
public:
    // `maps` must outlive this.
    KernelVerdicts(VerdictMaps& maps, PageGeometry geometry) : maps_(maps), geometry_(geometry) {}

    Result<void> install(const CompiledPolicies& policies, std::uint32_t generation) override;
    Result<void> acknowledge(const FileKey& file, const FileState& state, std::uint64_t policies,
                             std::uint32_t generation) override;
    Result<void> set_pin_verdict(const FileKey& file, std::uint32_t slot, std::uint32_t generation,
                                 const FileState& state) override;
    Result<void> clear_pin_verdict(const FileKey& file, std::uint32_t slot, std::uint32_t generation) override;
    void untrack(const std::vector<PageRun>& pages) override;

private:
    VerdictMaps& maps_;
    PageGeometry geometry_;
};

class KernelNames final : public StackNamer {
public:
    Frame name(std::uint64_t address) override;
    // Whether the kernel shows its addresses to this process.
    [[nodiscard]] static bool available() { return Kallsyms::available(); }
    void invalidate() { symbols_.invalidate(); }

private:
    Kallsyms symbols_;
};

}  // namespace pinwarden

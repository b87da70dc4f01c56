#include <google/protobuf/util/time_util.h>

#include "publish/convert.h"
#include "publish/convert_parts.h"

namespace pinwarden {
namespace {

google::protobuf::Duration duration(Nanoseconds time)
{
    return google::protobuf::util::TimeUtil::NanosecondsToDuration(static_cast<std::int64_t>(time));
}

FileName name_of(const AuditView& view, const FileKey& file)
{
    const auto found = view.files.find(file);
    return found == view.files.end() ? FileName{} : found->second;
}

void add_difference(const AuditView& view, const AuditDifference& difference, v1::RunAuditResponse& out)
{
    const Times times{view.report.started, view.boot_to_unix};
    const PageState& state = difference.state;
    v1::AuditDifference& added = *out.add_differences();
    added.set_backing(state.anonymous ? "anonymous" : "none");
    if (state.file) {
        added.set_backing("file");
        set_file(*state.file, name_of(view, *state.file), *added.mutable_file());
        added.set_first_page(state.file_page - (state.page - state.folio));
    }
    added.set_pages(state.folio_pages * difference.folios);
    added.set_folio_pages(state.folio_pages);
    added.set_ledger_pins(difference.ledger_pins);
    added.set_kernel_pins(state.pins);
    for (const PinId id : difference.holders) {
        v1::AuditHolder& holder = *added.add_holders();
        holder.set_pin(id);
        if (const auto known = view.holders.find(id); known != view.holders.end()) {
            set_process(known->second.owner, false, times, *holder.mutable_owner());
            holder.set_driver(valid_utf8(known->second.driver));
        }
    }
}

void set_entry(const std::string& backing, const PinnedMemory& memory, v1::CensusEntry& out)
{
    out.set_backing(backing);
    out.set_folios(memory.folios);
    out.set_bytes(memory.pages * page_bytes());
    out.set_pins(memory.pins);
    out.set_ledger_pins(memory.ledger_pins);
}

void add(PinnedMemory& total, const PinnedMemory& part)
{
    total.folios += part.folios;
    total.pages += part.pages;
    total.pins += part.pins;
    total.ledger_pins += part.ledger_pins;
}

}  // namespace

v1::AuditProgress progress_to_proto(const AuditProgress& progress)
{
    v1::AuditProgress out;
    switch (progress.phase) {
        case AuditPhase::kWaiting: out.set_phase(v1::AUDIT_PHASE_WAITING); break;
        case AuditPhase::kLedger: out.set_phase(v1::AUDIT_PHASE_LEDGER); break;
        case AuditPhase::kMemory: out.set_phase(v1::AUDIT_PHASE_MEMORY); break;
        case AuditPhase::kSettling: out.set_phase(v1::AUDIT_PHASE_SETTLING); break;
        case AuditPhase::kOwners: out.set_phase(v1::AUDIT_PHASE_OWNERS); break;
        case AuditPhase::kRepair: out.set_phase(v1::AUDIT_PHASE_REPAIR); break;
    }
    out.set_done(progress.done);
    out.set_total(progress.total);
    return out;
}

v1::RunAuditResponse audit_to_proto(const AuditView& view)
{
    const AuditReport& report = view.report;
    v1::RunAuditResponse out;
    out.set_exact(report.exact);
    out.set_differing_folios(report.differing_folios);
    out.set_unsettled_folios(report.unsettled_folios);
    out.set_missing_pins(report.missing_pins);
    out.set_surplus_pins(report.surplus_pins);
    out.set_adopted_pins(report.adopted_pins);
    out.set_dropped_pins(report.dropped_pins);
    out.set_ledger_pages(report.ledger_pages);
    out.set_scanned_pages(report.scanned_pages);
    *out.mutable_duration() = duration(report.took);
    out.set_ledger_certain(view.certain);
    for (const AuditDifference& difference : report.differences) {
        add_difference(view, difference, out);
    }
    return out;
}

v1::RunCensusResponse census_to_proto(const AuditView& view)
{
    const AuditReport& report = view.report;
    v1::RunCensusResponse out;
    PinnedMemory total;
    for (const auto& [key, memory] : report.files) {
        v1::CensusEntry& entry = *out.add_entries();
        set_entry("file", memory, entry);
        set_file(key, name_of(view, key), *entry.mutable_file());
        add(total, memory);
    }
    set_entry("anonymous", report.anonymous, *out.add_entries());
    set_entry("none", report.unbacked, *out.add_entries());
    add(total, report.anonymous);
    add(total, report.unbacked);
    set_entry("all", total, *out.mutable_total());
    out.set_missing_pins(report.missing_pins);
    out.set_adopted_pins(report.adopted_pins);
    out.set_inferred_pins(report.inferred_pins);
    out.set_scanned_pages(report.scanned_pages);
    out.set_kernel_pins_acquired(view.kernel_pins.acquired);
    out.set_kernel_pins_released(view.kernel_pins.released);
    *out.mutable_duration() = duration(report.took);
    out.set_ledger_certain(view.certain);
    return out;
}

}  // namespace pinwarden

#include "replay/recorded_machine.h"

#include <cerrno>

namespace pinwarden {
namespace {

std::unexpected<Error> no_kernel()
{
    return fail("there is no kernel to ask: this is a recording", ENOTSUP);
}

}  // namespace

void RecordedNames::learn(const v1::RecordingSymbol& symbol)
{
    frames_[symbol.number()] = {symbol.symbol(), symbol.module(), symbol.offset()};
}

Frame RecordedNames::name(std::uint64_t address)
{
    const auto known = frames_.find(address);
    return known == frames_.end() ? Frame{} : known->second;
}

std::string RecordedCgroups::path(std::uint64_t id)
{
    const auto known = paths_.find(id);
    return known == paths_.end() ? std::string() : known->second;
}

Result<void> RecordedHolds::release(std::uint64_t /*id*/, Outcome /*outcome*/)
{
    return no_kernel();
}

Result<SignalOutcome> RecordedSignals::send(const ProcessId& /*process*/, int /*signal*/)
{
    return SignalOutcome{SignalOutcome::Kind::kRefused, "this is a recording: nobody is signalled"};
}

Result<ProcessFacts> RecordedSignals::facts(const ProcessId& process)
{
    return fail("process " + std::to_string(process.pid) + " is one of a recording", ESRCH);
}

Result<std::vector<PageState>> RecordedTruth::read(std::span<const PageNumber> /*pages*/)
{
    return no_kernel();
}

Result<PageTruth::Scan> RecordedTruth::scan(PageNumber /*first*/, std::uint64_t /*pages*/)
{
    return no_kernel();
}

Result<std::uint64_t> RecordedTruth::adopt(std::span<const PageNumber> /*pages*/, bool /*folio*/)
{
    return no_kernel();
}

Result<std::vector<std::uint64_t>> RecordedTruth::live_objects()
{
    return no_kernel();
}

Result<std::vector<CallUnderWay>> RecordedTruth::calls_under_way()
{
    return no_kernel();
}

}  // namespace pinwarden

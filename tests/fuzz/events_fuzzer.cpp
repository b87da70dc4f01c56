// Any sequence of records that the decoder accepts, and of what else is done to a ledger: after each step it is
// consistent, and it can always be emptied.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "decode/decoder.h"
#include "fuzz/event_bounds.h"
#include "fuzz/event_script.h"
#include "fuzz/ledger_invariants.h"
#include "fuzz/require.h"
#include "ledger/ledger.h"
#include "ledger/owner_search.h"

namespace pinwarden::fuzz {
namespace {

constexpr int kSteps = 100;

std::uint64_t pages_of(const std::vector<PageRun>& runs)
{
    std::uint64_t pages = 0;
    for (const PageRun& run : runs) {
        pages += run.count;
    }
    return pages;
}

class Story {
public:
    explicit Story(EventScript& script) : script_(script) {}

    void step()
    {
        switch (script_.below(32)) {
            case 0: ledger_.lost_events(); break;
            case 1: ledger_.drop_unlisted(static_cast<Nanoseconds>(script_.byte())); break;
            case 2: ledger_.verified(); break;
            case 3: ledger_.resync({1 + script_.below(3), 8U << 20U | 1U, 9}, script_.below(16)); break;
            case 4: take_changed(); break;
            case 5: repair(); break;
            case 6: ledger_.take_long_lived(static_cast<Nanoseconds>(script_.below(128))); break;
            case 7: ledger_.take_leaks(static_cast<Nanoseconds>(script_.below(128))); break;
            default: feed(script_.record()); break;
        }
        check_invariants(ledger_);
    }

    // What a repair does to a ledger that has pins the kernel has not.
    void empty()
    {
        if (const std::uint64_t held = ledger_.held(kAll); held > 0) {
            ReleaseEvent gone;
            gone.runs = {{0, held}};
            gone.span = kAll.count;
            gone.repair = true;
            apply(gone);
            require(ledger_.held(kAll) == 0, "a repair takes all that it is told to");
        }
        ledger_.drop_unlisted(INT64_MAX);
        check_invariants(ledger_);
        require(ledger_.pins().empty() && ledger_.pinned_bytes() == 0, "an emptied ledger is empty");
    }

private:
    static constexpr PageRun kAll{0, 1ULL << 41U};

    void feed(const test::Bytes& record)
    {
        const auto event = decoder_.decode(record);
        require(event.has_value(),
                event ? "a record is valid" : ("a record is valid: " + event.error().message).c_str());
        check_bounds(*event);
        std::visit([this](auto& one) { apply(one); }, *event);
    }

    void take_changed()
    {
        for (const FileKey& file : ledger_.take_changed_files()) {
            require(ledger_.find_file(file) != nullptr, "a changed file is known");
        }
    }

    void repair()
    {
        ReleaseEvent gone;
        gone.span = 1ULL << script_.below(8);
        gone.runs = {{script_.byte() / gone.span * gone.span, 1 + script_.below(gone.span)}};
        gone.repair = true;
        apply(gone);
    }

    void apply(const PinEvent& event) { ledger_.pin(event, "driver"); }
    void apply(const RangeEvent& event) { ledger_.range(event); }
    void apply(const PagesEvent& event) { ledger_.pages(event); }
    void apply(UserStackEvent& event) { ledger_.user_stack(event); }
    void apply(const FileEvent& event) { ledger_.file(event); }

    // Not the ledger's business.
    template <typename T>
    void apply(const T& /*event*/)
    {
    }

    void apply(const ExitEvent& event)
    {
        // An owner that was inferred has a start time that is cut.
        ProcessId inferred = event.process;
        inferred.start_time -= inferred.start_time % kInferredGrain;
        std::vector<PinId> owned;
        for (const auto& [id, pin] : ledger_.pins()) {
            const bool is_owner = pin.owner.process == event.process || pin.owner.process == inferred;
            if (is_owner && !pin.owner_exited && pin.shown()) {
                owned.push_back(id);
            }
        }
        std::vector<PinId> orphaned = ledger_.exit(event);
        std::sort(orphaned.begin(), orphaned.end());
        require(orphaned == owned, "an exit orphans all pins of the process");
        for (const auto& [id, pin] : ledger_.pins()) {
            require(pin.owner.process != event.process || pin.owner_exited,
                    "pins of a process that exited are orphans");
        }
    }

    void apply(const ReleaseEvent& event)
    {
        const std::uint64_t held = ledger_.held(kAll);
        const std::uint64_t unmatched = ledger_.unmatched_releases();
        const std::set<PinId> unfollowed = pins_without_an_object();
        const std::vector<PinId> of_object = pins_of(event.scope.object);
        const ReleaseOutcome outcome = ledger_.release(event);
        std::uint64_t released = 0;
        std::uint64_t counted = 0;
        for (const Released& part : outcome.released) {
            require(part.pages > 0 || event.whole, "a pin that is released from gives pages");
            require(part.fully == (ledger_.find(part.pin) == nullptr), "a pin is gone when it is fully released");
            released += part.pages;
            counted += unfollowed.contains(part.pin) ? part.pages : 0;
        }
        require(counted == pages_of(outcome.let_go), "each page let go is that of a pin without an object");
        if (event.whole) {
            require(outcome.released.size() == of_object.size() && outcome.unmatched_pages == 0,
                    "an object's release takes its pins and no others");
            require(pins_of(event.scope.object).empty(), "an object that was released has no pins");
        } else {
            require(released + outcome.unmatched_pages == pages_of(event.runs), "each page is let go or unmatched");
        }
        require(ledger_.unmatched_releases() == unmatched + outcome.unmatched_pages, "unmatched pages are counted");
        require(ledger_.held(kAll) == held - released, "what was let go is held no more");
    }

    [[nodiscard]] std::set<PinId> pins_without_an_object() const
    {
        std::set<PinId> pins;
        for (const auto& [id, pin] : ledger_.pins()) {
            if (pin.scope.object == 0) {
                pins.insert(id);
            }
        }
        return pins;
    }

    [[nodiscard]] std::vector<PinId> pins_of(std::uint64_t object) const
    {
        std::vector<PinId> of_object;
        for (const auto& [id, pin] : ledger_.pins()) {
            if (object != 0 && pin.scope.object == object) {
                of_object.push_back(id);
            }
        }
        return of_object;
    }

    EventScript& script_;
    Decoder decoder_{test::kGeometry};
    Ledger ledger_;
};

}  // namespace
}  // namespace pinwarden::fuzz

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer calls it by this name.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    pinwarden::fuzz::EventScript script(std::span(data, size));
    pinwarden::fuzz::Story story(script);
    for (int steps = 0; steps < pinwarden::fuzz::kSteps && !script.done(); ++steps) {
        story.step();
    }
    story.empty();
    return 0;
}

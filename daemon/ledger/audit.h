// Comparing the ledger with the kernel's own pin counts, and mending it. A job in small steps, so that the pipeline
// goes on handling records in between; it has to: a comparison means nothing while records wait that were sent before
// it.
//
// Pins and releases under way make the two differ for moments. A folio that differs is looked at again until both
// numbers agree, or stand still long enough to be called a difference.
#pragma once

#include <absl/container/btree_map.h>
#include <absl/container/flat_hash_set.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "ledger/former_pins.h"
#include "ledger/ledger.h"
#include "ledger/owner_search.h"
#include "ledger/page_truth.h"

namespace pinwarden {

struct AuditOptions {
    bool whole_memory = true;  // also look for pinned pages that the ledger does not have
    bool soon = false;         // with repair: do not wait long for calls that may be under way
    bool repair = false;       // drop what is not pinned, adopt what is not in the ledger
    bool lost = false;         // with repair: events were lost, so only a pin's object vouches for its owner
    bool unheard = false;      // with repair: what is gone is rather a pin of no object, whose release was not heard
    std::uint64_t sample = 0;  // look at the pages of about as many blocks of the ledger only; 0: at all
};

struct AuditDifference {
    PageState state;                // of the first folio
    std::uint64_t folios = 1;       // consecutive ones of the same file, that all differ in the same way
    std::uint64_t ledger_pins = 0;  // on each
    std::vector<PinId> holders;     // pins the ledger has there
};

// What is pinned, as the kernel has it.
struct PinnedMemory {
    std::uint64_t folios = 0;
    std::uint64_t pages = 0;  // of those folios
    std::uint64_t pins = 0;
    std::uint64_t ledger_pins = 0;
};

struct AuditReport {
    static constexpr std::size_t kListed = 256;

    Nanoseconds started = 0;
    Nanoseconds took = 0;
    bool whole_memory = false;
    std::uint64_t ledger_pages = 0;            // pages of the ledger that were compared
    std::uint64_t scanned_pages = 0;           // pages of memory that were looked at
    std::uint64_t differing_folios = 0;        // that stayed different
    std::uint64_t unsettled_folios = 0;        // that changed as often as they were looked at
    std::uint64_t missing_pins = 0;            // the kernel has, the ledger had not
    std::uint64_t surplus_pins = 0;            // the ledger had, the kernel has not
    std::uint64_t adopted_pins = 0;            // of the missing, now in the ledger
    std::uint64_t inferred_pins = 0;           // of the adopted, with an owner that was found
    std::uint64_t former_pins = 0;             // of the adopted, known from the daemon before
    std::uint64_t dropped_pins = 0;            // of the surplus, no longer in the ledger
    bool ambiguous = false;                    // with unheard: it cannot be said whose pins are gone; they were left
    bool vague = false;                        // of a large folio: which of its pages were dropped is a guess
    bool exact = false;                        // the ledger now equals the kernel's counts, as far as was looked
    std::vector<AuditDifference> differences;  // the first kListed
    // Only with whole_memory.
    PinnedMemory anonymous;
    PinnedMemory unbacked;  // pages of no file any more, and the kernel's own
    std::map<FileKey, PinnedMemory> files;
};

// What is done, in this order; what follows a repair is kSettling again.
enum class AuditPhase {
    kWaiting,   // another audit runs first; counts audits
    kLedger,    // blocks of the ledger
    kMemory,    // pages
    kSettling,  // folios that differ; done are those that stand still
    kOwners,    // processes
    kRepair,    // pins to be adopted
};

// How far an audit is, in what its phase counts.
struct AuditProgress {
    AuditPhase phase = AuditPhase::kWaiting;
    std::uint64_t done = 0;
    std::uint64_t total = 0;  // 0: not known

    friend bool operator==(const AuditProgress&, const AuditProgress&) = default;
};

class Audit {
public:
    struct Parts {
        Ledger& ledger;
        PageTruth& truth;
        const Clock& clock;
        std::function<void(const ReleaseEvent&)> release;  // takes a pin the kernel has not out of the ledger
        OwnerSearch* owners = nullptr;                     // finds whose pins are adopted; without it nobody's
        // Told of a pin that is adopted for that owner; its records are still on their way.
        std::function<void(PinId, const Task&)> inferred = {};
        FormerPins* former = nullptr;  // what the daemon before knew; without it nothing
        // Told of a pin that is adopted as (a part of) that one; its records are still on their way.
        std::function<void(PinId, const PinRecord&)> taken_over = {};
    };

    // All parts must outlive the audit.
    Audit(Parts parts, AuditOptions options);

    // Does a bounded part of the work. To be called when everything that was in the ring has been handled, until it
    // returns nothing; else the time (of the clock) before which the next call is of no use.
    Result<std::optional<Nanoseconds>> step();

    [[nodiscard]] AuditProgress progress() const;
    // Whether it can be given up now: half a repair would leave the ledger wrong.
    [[nodiscard]] bool may_be_dropped() const { return !options_.repair || phase_ == Phase::kObjects; }

    // Complete when step() has returned nothing.
    [[nodiscard]] const AuditReport& report() const { return report_; }

private:
    enum class Phase { kObjects, kLedger, kMemory, kSettling, kOwners, kRepair, kDone };

    using Calls = std::shared_ptr<const std::vector<CallUnderWay>>;

    struct Suspect {
        PageState state;
        std::uint64_t ledger_pins = 0;
        Nanoseconds since = 0;  // when one of the two numbers last changed
        Calls calls = nullptr;  // that were under way then, once it was looked
    };

    // What the kernel and the ledger said of a folio, one right after the other.
    struct Look {
        PageNumber folio = 0;  // by which it is known as a suspect
        PageState state;
        std::uint64_t ledger_pins = 0;
    };

    Result<void> drop_gone();
    Result<void> look_at_ledger();
    Result<void> look_at_memory();
    Result<void> look_again();
    Result<void> read_calls();
    Result<bool> adopt_next();
    void compare(const PageState& state);
    void judge(Nanoseconds now);
    [[nodiscard]] bool any_goes_on(const Calls& calls, Nanoseconds now) const;
    [[nodiscard]] bool all_steady(Nanoseconds now) const;
    void tally(const PageState& state);
    [[nodiscard]] Nanoseconds patience() const;
    [[nodiscard]] bool steady(const Suspect& suspect, Nanoseconds now) const;
    void settled();
    bool look_for_owners(const std::vector<Suspect>& differing);
    [[nodiscard]] std::vector<FormerPins::Holding> former_holdings(const Suspect& suspect) const;
    void drop_surplus(const Suspect& suspect);
    void note(const Suspect& suspect);
    [[nodiscard]] bool is_clear_who(const Suspect& suspect) const;
    // Pages of former pins, by pin and by their position in it.
    using Former = std::map<PinId, std::pair<std::shared_ptr<const PinRecord>, std::map<std::uint64_t, PageNumber>>>;
    std::uint64_t plan_taking_over(const Suspect& suspect, Former& former);
    void plan_repair(const std::vector<Suspect>& differing);
    void finish();

    Parts parts_;
    AuditOptions options_;
    AuditReport report_;
    Phase phase_ = Phase::kObjects;
    std::vector<std::uint64_t> blocks_;  // of the ledger's index, still to be looked at
    std::uint64_t all_blocks_ = 0;       // at the beginning
    PageNumber next_page_ = 0;
    absl::flat_hash_set<PageNumber> large_seen_;
    absl::btree_map<PageNumber, Suspect> suspects_;  // by first page of the folio
    std::vector<Look> looked_at_;                    // in this step
    Nanoseconds settling_since_ = 0;
    bool looked_again_ = false;
    Calls under_way_;      // calls, when it was last looked
    Calls during_repair_;  // calls that were under way when the repair was done
    bool waits_ = false;   // for calls that may have pinned what is missing, or may let go what was adopted
    int repairs_ = 0;
    // Of each page that is missing from the ledger, once they were looked for.
    std::optional<std::map<PageNumber, Task>> owners_;
    struct Adoption {
        std::vector<PageNumber> pages;
        bool folio = false;
        std::optional<Task> owner = {};
        std::shared_ptr<const PinRecord> former = {};
    };
    std::vector<Adoption> to_adopt_;
    std::uint64_t all_adoptions_ = 0;  // of this repair
    std::vector<std::pair<FileKey, std::uint64_t>> sequences_;
};

}  // namespace pinwarden

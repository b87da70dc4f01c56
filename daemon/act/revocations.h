// Signals under way. Owners of pins that are in the way of held operations are asked to let go, and made to; and what
// policies send about operations that went ahead.
//
// One for each policy and file (for an umount: file system), however many callers wait for it: an owner is asked once.
// It lasts as long as an operation of its own is held. One about an operation that went ahead lasts to its end, or that
// of its policy.
#pragma once

#include <absl/container/btree_map.h>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "act/enforcer.h"
#include "act/hold_sink.h"
#include "act/revoker.h"
#include "ledger/ledger.h"

namespace pinwarden {

struct EndedRevocation {
    Revocation revocation;
    std::map<ProcessId, ProcessFacts> known;  // what the acts told of its victims
};

// What a step did.
struct RevocationNews {
    std::vector<Revocation> begun;  // of owners
    std::vector<std::pair<RevocationOrder, ActReport>> acts;
    std::vector<EndedRevocation> ended;
    std::vector<std::string> limited;  // policies that sent too many signals: they are to go to monitor mode
};

// What the policy wants done about the owners of the pins that are in the operation's way; nothing when it wants
// nothing done, or there are none.
std::optional<RevocationOrder> revocation_order(const OperationEvent& operation, const Policy& policy,
                                                const Ledger& ledger, const std::function<std::string()>& path,
                                                Nanoseconds now);

// The same for a policy that signals about an operation that went ahead.
RevocationOrder signal_order(const Policy& policy, std::uint32_t generation, MetOperation operation,
                             const std::vector<const PinRecord*>& pins);

// Owned by the pipeline thread.
class Revocations {
public:
    // `revoker` must outlive this.
    explicit Revocations(Revoker& revoker) : revoker_(revoker) {}

    // Takes up what the held operation's policy wants, unless that is under way; `path` is asked for the file's, where
    // it is not. To be called for every operation that is held, then step().
    void want(const HeldOperation& held, const Policy& policy, const Ledger& ledger,
              const std::function<std::string()>& path, Nanoseconds now);
    // Takes up what a policy that signals wants done about an operation that went ahead, unless that is under way.
    // `file`: where the operation is about one. `pins` are those in its way.
    void signal(const Policy& policy, std::uint32_t generation, MetOperation operation, const FileKey& file,
                const std::vector<const PinRecord*>& pins);
    // The process `pid` says what it is going to do about a revocation of owners; what is sent to it stays the same.
    // Returns what is to be recorded; nothing when it said the same before. Error ENOENT: there is no such revocation,
    // or it has ended; EPERM: it asks nothing of that process; EUSERS: it has changed its mind too often.
    Result<std::optional<AcknowledgementEntry>> acknowledge(std::uint64_t id, std::uint32_t pid,
                                                            RevocationIntent intent, Nanoseconds now);
    // Sends nothing more for the policy about operations that went ahead: it is another now, or none.
    void drop_signals(const std::string& policy);
    // Sends what is due. What nobody wanted since the last step is looked at a last time, and dropped.
    RevocationNews step(const Ledger& ledger, Nanoseconds now);
    [[nodiscard]] std::optional<Nanoseconds> next() const;
    [[nodiscard]] bool empty() const { return all_.empty(); }

private:
    struct Key {
        std::string policy;
        FileKey file;
        ProcessId caller = {};  // where it is about him, or no file

        friend auto operator<=>(const Key&, const Key&) = default;
    };
    struct UnderWay {
        Revocation revocation;
        bool went_ahead = false;  // the operation did: nobody waits
        bool wanted = true;       // by somebody who waits
        bool told = false;        // that it ended
        std::map<ProcessId, ProcessFacts> known = {};
    };

    [[nodiscard]] bool still_concerned(const UnderWay& one, const Ledger& ledger, const ProcessId& process) const;
    void send(const Key& key, UnderWay& one, const Revocation::StillPinning& still, RevocationNews& news);

    Revoker& revoker_;
    absl::btree_map<Key, UnderWay> all_;
    std::uint64_t last_id_ = 0;
};

}  // namespace pinwarden

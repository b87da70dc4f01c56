// What a revocation would do if nobody let go: it is played through, without sending anything.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "act/revocation.h"
#include "act/revoker.h"

namespace pinwarden {

struct PreviewedSignal {
    int signal = 0;
    Nanoseconds after = 0;  // from the beginning
    std::string rule;       // part of the policy it comes from
};

// One process that has pins in the way.
struct PreviewedOwner {
    SignalVictim who;
    std::optional<ProcessFacts> known = {};  // if anything is
    std::vector<PreviewedSignal> signals = {};
    std::optional<ActOutcome> spared = {};  // why it is not signalled
    std::string reason = {};                // the same in words
};

struct RevocationPreview {
    std::vector<PreviewedOwner> owners;  // in order of their ids, each once
    bool too_many = false;               // so that none is signalled
};

// What is in the way of one signal, if anything: see Revoker::look_at. How many signals were sent lately does not
// count.
using LookAt = std::function<ActReport(const Act&)>;

// `lasts`: how long the operation is held; what comes later is not sent.
RevocationPreview preview(RevocationOrder order, Nanoseconds lasts, const LookAt& look_at,
                          const RevocationLimits& limits = {});

}  // namespace pinwarden

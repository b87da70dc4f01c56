// Events as lines of JSON for whoever ships logs: the names are those of the Elastic Common Schema, 8.11, and what it
// has no name for is below "pinwarden". docs/events.md explains each to people.
#pragma once

#include <pinwarden/v1/pinwarden.pb.h>

#include <cstdint>
#include <optional>
#include <string>

#include "publish/snapshot.h"

namespace pinwarden {

struct EventLine {
    std::string json;       // without its end
    std::string message;    // one sentence
    bool is_alert = false;  // something was lost, endangered, or done to somebody
    std::string dataset;  // pinwarden.conflict, pinwarden.hold, pinwarden.signal, pinwarden.revocation, pinwarden.leak
};

// Nothing for what is no conflict and no decision: pins that come and go, orphans, failures. `lost`: so many events are
// missing before this one.
std::optional<EventLine> event_line(const Notice& notice, std::uint64_t lost, const std::string& host);

}  // namespace pinwarden

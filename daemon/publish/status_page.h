// The page for who has no Grafana at hand: what is pinned, what collided, what waits, and how far to trust it.
//
// It looks at most once a second, whoever looks at it: a hundred viewers cost the pipeline what one does.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "publish/conflict_history.h"
#include "publish/http_server.h"
#include "publish/snapshot.h"

namespace pinwarden {

// A file of the page, as it was built in.
struct PageFile {
    std::string_view path;  // "/", "/page.css", ...
    std::string_view type;
    std::string_view content;
};
// nullptr: there is none of that path.
const PageFile* find_page_file(std::string_view path);

class StatusPage {
public:
    // All must outlive it. Without `conflicts` there are none. `clock` tells when conflicts were.
    StatusPage(Pipeline& pipeline, const ConflictHistory* conflicts, const Clock& clock)
        : pipeline_(pipeline), conflicts_(conflicts), clock_(clock)
    {
    }

    // /page.json: with names of files and processes, or without. 503 while the pipeline does not answer. Any thread.
    HttpAnswer json(bool details);

private:
    struct Content;
    std::shared_ptr<const Content> content();
    void look_at_pins(Content& next);
    void write(const Snapshot& snapshot, const HoldsView& held, Content& next) const;

    Pipeline& pipeline_;
    const ConflictHistory* conflicts_;
    const Clock& clock_;
    std::mutex looking_;  // by one at a time
    std::mutex mutex_;    // of what follows
    std::shared_ptr<const Content> last_;
};

}  // namespace pinwarden

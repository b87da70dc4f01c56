#include "app/audit_call.h"

#include <cerrno>
#include <string>
#include <utility>

namespace pinwarden {
namespace {

// How often progress is told, and it is seen that nobody waits any more. The first time sooner: most take no longer.
constexpr std::chrono::milliseconds kLookEvery{100};
constexpr std::chrono::milliseconds kFirstLook{20};

}  // namespace

AuditWatch AuditCall::watch()
{
    return {.progress =
                [self = shared_from_this()](const AuditProgress& progress) {
                    const std::scoped_lock lock(self->mutex_);
                    self->progress_ = progress;
                },
            .wanted = [self = shared_from_this()] { return self->wanted_.load(); }};
}

std::function<void(const Result<AuditView>&)> AuditCall::done()
{
    return [self = shared_from_this()](const Result<AuditView>& view) { self->answer_.set_value(view); };
}

std::optional<AuditProgress> AuditCall::take_progress()
{
    const std::scoped_lock lock(mutex_);
    return std::exchange(progress_, std::nullopt);
}

Result<AuditView> AuditCall::wait(const AuditWatch& watch, std::chrono::seconds longest,
                                  const std::atomic<bool>& stopping)
{
    auto future = answer_.get_future();
    const auto until = std::chrono::steady_clock::now() + longest;
    std::optional<AuditProgress> told;
    const auto tell_news = [&] {
        const auto progress = take_progress();
        if (progress && progress != told && watch.progress) {
            watch.progress(*progress);
            told = progress;
        }
    };
    for (auto pause = kFirstLook; future.wait_for(pause) != std::future_status::ready; pause = kLookEvery) {
        const auto give_up = [this](std::string why, int code) -> Result<AuditView> {
            wanted_ = false;
            return fail(std::move(why), code);
        };
        if (stopping) {
            return give_up("the daemon is stopping", ESHUTDOWN);
        }
        if (watch.wanted && !watch.wanted()) {
            return give_up("nobody waits for the audit any more", ECANCELED);
        }
        if (std::chrono::steady_clock::now() >= until) {
            return give_up("the audit did not end within " + std::to_string(longest.count()) + " seconds", ETIMEDOUT);
        }
        tell_news();
    }
    // One that was over before the next look has told nothing yet.
    tell_news();
    return future.get();
}

}  // namespace pinwarden

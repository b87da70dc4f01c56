#include "app/pin_keeper.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "base/durable_file.h"
#include "kernel/kept_links.h"

namespace pinwarden {
namespace {

constexpr Nanoseconds kAtLatest = 60'000'000'000;
// While the engine writes down what it has, nothing else is done.
constexpr std::chrono::seconds kEngineWithin{10};
constexpr std::size_t kLargestFile = std::size_t{2} << 30U;
constexpr mode_t kOnlyRoot = 0600;

// One that another thread makes.
struct Text {
    std::mutex mutex;
    std::condition_variable ready;
    std::optional<std::string> text;
    std::uint64_t position = 0;
};

std::string boot_id()
{
    return read_small_file("/proc/sys/kernel/random/boot_id", 64).value_or("");
}

}  // namespace

PinKeeper::PinKeeper(const std::string& folder, Parts parts)
    : path_(folder + "/pins"), boot_id_(boot_id()), parts_(std::move(parts))
{
}

Result<std::unique_ptr<FormerLedger>> PinKeeper::former(CgroupNamer& cgroups, FormerLedger::Gone gone) const
{
    auto text = read_small_file(path_, kLargestFile);
    if (!text) {
        return std::unexpected(text.error());
    }
    auto checkpoint = Checkpoint::parse(std::move(*text));
    if (!checkpoint) {
        return std::unexpected(checkpoint.error().within(path_));
    }
    const CheckpointHead& head = checkpoint->head();
    if (head.boot_id != boot_id_) {
        return fail(path_ + " is of an earlier start of the machine", ENOENT);
    }
    auto kept = open_kept_maps(head.set);
    const bool same = kept && kept->ring_id == head.ring;
    return std::make_unique<FormerLedger>(std::move(*checkpoint), same ? std::optional(std::move(*kept)) : std::nullopt,
                                          cgroups, std::move(gone));
}

// So that what was reported since is in the ring still, as far as that can be said beforehand.
bool PinKeeper::is_due() const
{
    const std::uint64_t position = parts_.ring.consumed();
    if (!kept_position_) {
        return true;
    }
    const std::uint64_t since = position - *kept_position_;
    return since > parts_.ring.size() / 4 || (since > 0 && parts_.clock.now() >= kept_at_ + kAtLatest);
}

CheckpointHead PinKeeper::head(const Engine& engine) const
{
    std::vector<std::string> policies = engine.policy_names();
    policies.resize(std::min<std::size_t>(policies.size(), PW_POLICIES));
    return {.boot_id = boot_id_,
            .taken = parts_.clock.now(),
            .set = static_cast<std::uint64_t>(getpid()),
            .ring = parts_.programs.ring_id(),
            .position = parts_.ring.consumed(),
            .losses = engine.kernel_losses(),
            .certain = engine.ledger().complete(),
            .geometry = parts_.geometry,
            .generation = static_cast<std::uint32_t>(engine.policy_generation()),
            .policies = std::move(policies)};
}

Result<void> PinKeeper::look()
{
    if (!is_due()) {
        return {};
    }
    // Shared with the engine's thread: it may come to it after this one has given up.
    const auto made = std::make_shared<Text>();
    parts_.on_engine([this, made](Engine& engine) {
        std::string text = checkpoint_of(head(engine), engine.ledger());
        const std::scoped_lock lock(made->mutex);
        made->text = std::move(text);
        made->position = parts_.ring.consumed();
        made->ready.notify_one();
    });
    std::unique_lock lock(made->mutex);
    if (!made->ready.wait_for(lock, kEngineWithin, [&] { return made->text.has_value(); })) {
        return fail("the pipeline did not answer within " + std::to_string(kEngineWithin.count()) + " seconds",
                    ETIMEDOUT);
    }
    kept_position_ = made->position;
    return write(*made->text);
}

Result<void> PinKeeper::end(Engine& engine)
{
    return write(checkpoint_of(head(engine), engine.ledger()));
}

Result<void> PinKeeper::write(const std::string& text)
{
    kept_at_ = parts_.clock.now();
    return replace_file(path_, text, kOnlyRoot);
}

}  // namespace pinwarden

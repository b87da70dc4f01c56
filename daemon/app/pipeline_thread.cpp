#include "app/pipeline_thread.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <future>
#include <limits>
#include <utility>

#include "app/audit_call.h"
#include "publish/pin_filter.h"

namespace pinwarden {
namespace {

// Records handled before the kernel is told what they changed and others get their turn.
constexpr std::size_t kBatch = 4096;
// How often the ring is looked at while records come.
constexpr Nanoseconds kLookEvery = 1'000'000;
constexpr Nanoseconds kTickEvery = 300'000'000;
constexpr std::chrono::seconds kAnswerWithin{5};
constexpr std::chrono::seconds kAuditWithin{600};
constexpr std::chrono::milliseconds kLetGoWithin{3000};

Result<void> watch(int epoll, int fd, std::uint32_t events)
{
    epoll_event event{};
    event.events = events;
    event.data.fd = fd;
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
        return std::unexpected(system_error("watch a file descriptor", errno));
    }
    return {};
}

Nanoseconds now()
{
    return SystemClock().now();
}

}  // namespace

Result<std::unique_ptr<PipelineThread>> PipelineThread::start(Engine& engine, RingReader& ring, HolderSearch& holders,
                                                              HealthReader& health, HostRoot root)
{
    auto self = std::unique_ptr<PipelineThread>(new PipelineThread(engine, ring, holders, health, std::move(root)));
    self->epoll_ = OwnedFd(epoll_create1(EPOLL_CLOEXEC));
    self->wake_ = OwnedFd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    // The kernel reports POLLPRI on this file when a mount comes or goes.
    self->mounts_ = OwnedFd(open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC));
    if (!self->epoll_.valid() || !self->wake_.valid() || !self->mounts_.valid()) {
        return std::unexpected(system_error("set up the pipeline", errno));
    }
    for (const auto& [fd, events] : {std::pair{ring.poll_fd(), static_cast<std::uint32_t>(EPOLLIN)},
                                     std::pair{self->wake_.get(), static_cast<std::uint32_t>(EPOLLIN)},
                                     std::pair{self->mounts_.get(), static_cast<std::uint32_t>(EPOLLPRI)}}) {
        if (auto watched = watch(self->epoll_.get(), fd, events); !watched) {
            return std::unexpected(watched.error());
        }
    }
    self->thread_ = std::thread([raw = self.get()] { raw->run(); });
    return self;
}

PipelineThread::~PipelineThread()
{
    stop();
}

void PipelineThread::stop()
{
    {
        const std::scoped_lock lock(mutex_);
        accepting_ = false;
    }
    stopping_ = true;
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = write(wake_.get(), &one, sizeof(one));
    if (thread_.joinable()) {
        thread_.join();
    }
}

bool PipelineThread::post(std::function<void()> task)
{
    {
        const std::scoped_lock lock(mutex_);
        if (!accepting_) {
            return false;
        }
        tasks_.push_back(std::move(task));
    }
    const std::uint64_t one = 1;
    return write(wake_.get(), &one, sizeof(one)) == sizeof(one);
}

template <typename T>
Result<T> PipelineThread::ask(std::function<Result<T>()> question)
{
    // Shared with the task: it may run after the asker has given up.
    auto answer = std::make_shared<std::promise<Result<T>>>();
    auto future = answer->get_future();
    if (!post([answer, question = std::move(question)] { answer->set_value(question()); })) {
        return fail("the daemon is stopping", ESHUTDOWN);
    }
    if (future.wait_for(kAnswerWithin) != std::future_status::ready) {
        return fail("the pipeline did not answer within " + std::to_string(kAnswerWithin.count()) + " seconds",
                    ETIMEDOUT);
    }
    return future.get();
}

bool PipelineThread::stop_holding()
{
    constexpr std::chrono::milliseconds kStep{10};
    for (auto left = kLetGoWithin; left > kStep; left -= kStep) {
        const auto nobody_left = ask<bool>([this]() -> Result<bool> { return engine_.stop_holding(); });
        if (nobody_left.value_or(true)) {
            return nobody_left.has_value();
        }
        std::this_thread::sleep_for(kStep);
    }
    return false;
}

void PipelineThread::follow()
{
    post([this] { engine_.follow(); });
}

void PipelineThread::on_engine(std::function<void(Engine&)> act)
{
    post([this, act = std::move(act)] { act(engine_); });
}

Result<Snapshot> PipelineThread::snapshot()
{
    return ask<Snapshot>([this]() -> Result<Snapshot> {
        engine_.tick(health_.read());
        return engine_.snapshot();
    });
}

Result<PinBatch> PipelineThread::pins(const PinFilter& filter, PinId from)
{
    // By value: it may run after the asker has given up.
    return ask<PinBatch>([this, filter, from]() -> Result<PinBatch> { return engine_.pins(filter, from); });
}

Result<MetricsSnapshot> PipelineThread::metrics()
{
    return ask<MetricsSnapshot>([this]() -> Result<MetricsSnapshot> {
        engine_.tick(health_.read());
        return engine_.metrics();
    });
}

Result<FailureList> PipelineThread::failures()
{
    return ask<FailureList>([this]() -> Result<FailureList> { return engine_.failures(); });
}

Result<NotifiersView> PipelineThread::notifiers()
{
    return ask<NotifiersView>([this]() -> Result<NotifiersView> { return engine_.notifiers(); });
}

Result<HoldsView> PipelineThread::holds()
{
    return ask<HoldsView>([this]() -> Result<HoldsView> { return engine_.holds(); });
}

Result<void> PipelineThread::release_hold(std::uint64_t id, Outcome outcome, const Requester& asked_by)
{
    return ask<void>([this, id, outcome, asked_by] { return engine_.release_hold(id, outcome, asked_by); });
}

Result<void> PipelineThread::acknowledge(std::uint64_t revocation, RevocationIntent intent, const Requester& asked_by)
{
    return ask<void>(
        [this, revocation, intent, asked_by] { return engine_.acknowledge(revocation, intent, asked_by); });
}

Result<AuditView> PipelineThread::audit(const AuditOptions& options, const AuditWatch& watch)
{
    const auto call = AuditCall::make();
    if (!post([this, options, call] {
            engine_.tick(health_.read());
            engine_.audit(options, call->done(), call->watch());
        })) {
        return fail("the daemon is stopping", ESHUTDOWN);
    }
    return call->wait(watch, kAuditWithin, stopping_);
}

Result<std::uint64_t> PipelineThread::apply(std::vector<Policy> policies, bool validate_only, const Requester& asked_by,
                                            std::optional<std::uint64_t> if_generation)
{
    return ask<std::uint64_t>([this, policies = std::move(policies), validate_only, asked_by, if_generation] {
        return engine_.apply(policies, validate_only, asked_by, if_generation);
    });
}

Result<std::uint64_t> PipelineThread::remove(std::string name, const Requester& asked_by,
                                             std::optional<std::uint64_t> if_generation)
{
    return ask<std::uint64_t>([this, name = std::move(name), asked_by, if_generation] {
        return engine_.remove(name, asked_by, if_generation);
    });
}

Result<std::uint64_t> PipelineThread::set_mode(std::string name, Mode mode, const Requester& asked_by,
                                               std::optional<std::uint64_t> if_generation)
{
    return ask<std::uint64_t>([this, name = std::move(name), mode, asked_by, if_generation] {
        return engine_.set_mode(name, mode, asked_by, if_generation);
    });
}

Result<DryRunView> PipelineThread::test(DryRunQuestion question)
{
    // On the serving thread: a file system may take long to answer.
    if (!question.path.empty()) {
        auto found = find_file(root_, question.path);
        if (!found) {
            return std::unexpected(found.error());
        }
        question.found = std::move(*found);
    }
    return ask<DryRunView>([this, question = std::move(question)] { return engine_.test(question); });
}

void PipelineThread::drain_ring()
{
    // What is in the ring now was there before whatever is asked next: a request sees everything that came before it.
    // Not what comes meanwhile: who never stops could keep everybody waiting.
    const std::uint64_t end = ring_.consumed() + ring_.used();
    std::size_t handled = 0;
    do {
        handled = take_records();
        engine_.flush();
    } while (handled == kBatch && ring_.consumed() < end);
}

std::size_t PipelineThread::take_records()
{
    engine_.reads(ring_.used(), ring_.size());
    const std::size_t handled = ring_.consume(kBatch).value_or(0);
    records_come_ = records_come_ || handled > 0;
    return handled;
}

void PipelineThread::run_tasks()
{
    std::vector<std::function<void()>> tasks;
    {
        const std::scoped_lock lock(mutex_);
        tasks.swap(tasks_);
    }
    if (tasks.empty()) {
        return;
    }
    drain_ring();
    for (const auto& task : tasks) {
        task();
    }
}

int PipelineThread::wait_milliseconds(Nanoseconds next_regular) const
{
    constexpr Nanoseconds kMillisecond = 1'000'000;
    const Nanoseconds due =
        std::min({next_regular, engine_.next_tick().value_or(next_regular),
                  engine_.next_audit_step().value_or(next_regular), engine_.next_hold_step().value_or(next_regular)});
    const Nanoseconds at = now();
    return due <= at ? 0 : static_cast<int>((due - at + kMillisecond - 1) / kMillisecond);
}

// When the ring is to be looked at again, asked before each wait. Being woken for each record would cost those who pin
// more than all else: while records come nobody wakes this thread, but for what cannot wait.
Nanoseconds PipelineThread::next_look()
{
    if (!std::exchange(records_come_, false) && ring_.wait_for_next()) {
        return std::numeric_limits<Nanoseconds>::max();
    }
    return now() + kLookEvery;
}

void PipelineThread::tick()
{
    // What a policy names may appear, or be another by now, without any mount.
    engine_.mounts_changed();
    // An audit tells the kernel's own counts of pins with what it found.
    if (health_.lost_more() || engine_.next_audit_step()) {
        engine_.tick(health_.read());
    } else {
        engine_.tick();
    }
    if (engine_.wants_room()) {
        drain_ring();
        engine_.make_room();
    }
}

void PipelineThread::run()
{
    prctl(PR_SET_NAME, "pw-pipeline");  // for whoever looks at threads
    Nanoseconds next_regular = now();
    bool more = true;
    while (!stopping_) {
        std::array<epoll_event, 4> events{};
        const Nanoseconds look = more ? 0 : next_look();
        const int count = epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()),
                                     wait_milliseconds(std::min(next_regular, look)));
        for (int i = 0; i < count; ++i) {
            const int fd = events.at(static_cast<std::size_t>(i)).data.fd;
            if (fd == wake_.get()) {
                std::uint64_t wakes = 0;
                [[maybe_unused]] const ssize_t got = read(wake_.get(), &wakes, sizeof(wakes));
            } else if (fd == mounts_.get()) {
                engine_.mounts_changed();
            }
        }
        const std::size_t handled = take_records();
        more = handled == kBatch;
        if (handled > 0) {
            engine_.flush();
        }
        run_tasks();
        engine_.attend();
        if (engine_.next_hold_step().value_or(next_regular) <= now()) {
            engine_.step_holds();
        }
        if (engine_.next_audit_step().value_or(next_regular) <= now()) {
            drain_ring();
            engine_.step_audit();
        }
        const Nanoseconds at = now();
        if (at >= next_regular || at >= engine_.next_tick().value_or(next_regular)) {
            tick();
            next_regular = at + kTickEvery;
        }
    }
    drain_ring();
    run_tasks();
}

}  // namespace pinwarden

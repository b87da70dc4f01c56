// A process that listens for what concerns its own pins, and lets go when it is asked.
#include <fcntl.h>
#include <liburing.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "support/api_stubs.h"
#include "support/caller.h"
#include "support/daemon.h"
#include "support/error_details.h"
#include "support/machine.h"
#include "support/pinned_file.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

// Pins of this process itself, on the first pages of a file in memory: those io_uring takes on every kernel.
class OwnPins {
public:
    explicit OwnPins(const std::string& path)
    {
        const OwnedFd fd(open(path.c_str(), O_RDWR | O_CLOEXEC));
        REQUIRE(fd.valid());
        buffer_ = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
        REQUIRE(buffer_ != MAP_FAILED);
        REQUIRE(io_uring_queue_init(2, &ring_, 0) == 0);
        const iovec vector{.iov_base = buffer_, .iov_len = kBytes};
        REQUIRE(io_uring_register_buffers(&ring_, &vector, 1) == 0);
    }
    OwnPins(const OwnPins&) = delete;
    OwnPins& operator=(const OwnPins&) = delete;
    ~OwnPins()
    {
        io_uring_queue_exit(&ring_);
        munmap(buffer_, kBytes);
    }

    void let_go() { REQUIRE(io_uring_unregister_buffers(&ring_) == 0); }

private:
    static constexpr std::size_t kBytes = 16384;

    io_uring ring_{};
    void* buffer_ = MAP_FAILED;
};

// What this process says about a revocation.
grpc::Status acknowledge(Daemon& daemon, std::uint64_t id, v1::RevocationIntent intent)
{
    v1::AcknowledgeRevocationRequest request;
    request.set_id(id);
    request.set_intent(intent);
    v1::AcknowledgeRevocationResponse response;
    grpc::ClientContext context;
    return daemon.api().stubs().pins->AcknowledgeRevocation(&context, request, &response);
}

// What the audit log says that this process said.
std::vector<std::string> answers_on_record(Daemon& daemon, std::uint64_t id)
{
    std::vector<std::string> answers;
    for (const v1::AuditRecord& record : daemon.api().audit_log("asks-listeners")) {
        if (record.kind() == "acknowledgement" && record.revocation() == id) {
            CHECK(record.victim().pid() == static_cast<unsigned>(getpid()));
            CHECK(record.asked_by().pid() == static_cast<unsigned>(getpid()));
            answers.push_back(record.action());
        }
    }
    return answers;
}

}  // namespace

TEST_CASE("an owner that listens for its own pins hears that it is asked, and nothing of others", "[own_pins]")
{
    Daemon& daemon = Daemon::shared();
    PinnedFile others("tmpfs");
    const std::string path = Machine::instance().folder("tmpfs") + "/own";
    make_file(path, 65536);
    EventWatch watch(daemon.api(), {}, true);
    OwnPins own(path);
    const auto pinned = watch.wait_for("the pin", [](const auto& event) { return event.kind() == v1::EVENT_KIND_PIN; });
    CHECK(pinned.pin().owner().pid() == static_cast<unsigned>(getpid()));
    // The daemon's parent is never signalled: this process can only let go because it hears of it. Before the grace is
    // over nothing is due, and it is not seen that nothing ever will be.
    const AppliedPolicy policy(daemon.api(), {.name = "asks-listeners",
                                              .action = "hold: {timeout: 1m, revoke: {grace: 40s, then: [SIGUSR1]}}"});
    CHECK(call({"truncate", others.path, "65535"}) == "ok");
    Caller caller({"truncate", path, "0"});
    const auto asked = watch.wait_for("that it is asked", [](const auto& event) {
        return event.kind() == v1::EVENT_KIND_REVOCATION && event.revocation().end() == "begun";
    });
    CHECK(asked.revocation().policy() == "asks-listeners");
    CHECK(asked.revocation().file().path() == path);
    const std::uint64_t id = asked.revocation().id();
    CHECK(acknowledge(daemon, id, v1::REVOCATION_INTENT_CANNOT).ok());
    // Whatever it says, the operation waits for the pins.
    CHECK(acknowledge(daemon, id, v1::REVOCATION_INTENT_LETTING_GO).ok());
    CHECK(daemon.api().holds().size() == 1);
    const auto unknown = acknowledge(daemon, id + 100, v1::REVOCATION_INTENT_LETTING_GO);
    CHECK(unknown.error_code() == grpc::StatusCode::NOT_FOUND);
    CHECK(detail_of<google::rpc::ResourceInfo>(unknown).resource_name() == std::to_string(id + 100));
    own.let_go();
    CHECK(caller.result() == "ok");
    CHECK(size_of(path) == 0);
    const auto ended = watch.wait_for("the end", [&](const auto& event) {
        return event.kind() == v1::EVENT_KIND_REVOCATION && event.revocation().id() == id &&
               event.revocation().end() != "begun";
    });
    REQUIRE(ended.revocation().victims_size() == 1);
    CHECK(ended.revocation().end() == "answered");
    CHECK(ended.revocation().victims(0).intent() == v1::REVOCATION_INTENT_LETTING_GO);
    CHECK(acknowledge(daemon, id, v1::REVOCATION_INTENT_CANNOT).error_code() == grpc::StatusCode::NOT_FOUND);
    CHECK(answers_on_record(daemon, id) == std::vector<std::string>{"cannot", "letting_go"});
    for (const auto& event : watch.so_far()) {
        CHECK(event.conflict().file().path() != others.path);
        CHECK((event.kind() != v1::EVENT_KIND_PIN || event.pin().owner().pid() == static_cast<unsigned>(getpid())));
    }
}

// The API among clients that do not read, or talk nonsense, while there is much to tell.
#include <google/rpc/error_details.pb.h>
#include <google/rpc/status.pb.h>
#include <pinwarden/v1/config.pb.h>
#include <pinwarden/v1/conflicts.pb.h>
#include <pinwarden/v1/pinctl.pb.h>
#include <pinwarden/v1/recording.pb.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <deque>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <random>
#include <string>

#include "support/daemon.h"
#include "support/pinned_file.h"
#include "support/stuck_client.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

constexpr std::size_t kStuck = 25;
constexpr std::size_t kSlow = 25;
constexpr std::uint64_t kTruncates = 6000;  // more than a subscriber's queue and its connection take
constexpr std::chrono::seconds kPatience{300};

// What the process holds now.
struct Held {
    explicit Held(pid_t pid)
    {
        const std::filesystem::path process = "/proc/" + std::to_string(pid);
        for ([[maybe_unused]] const auto& fd : std::filesystem::directory_iterator(process / "fd")) {
            ++descriptors;
        }
        std::ifstream status(process / "status");
        for (std::string word; status >> word;) {
            if (word == "VmRSS:") {
                status >> kibibytes;
            }
        }
    }

    std::size_t descriptors = 0;
    std::uint64_t kibibytes = 0;
};

// Subscribes at once, and reads nothing until it is told to.
class Subscriber {
public:
    explicit Subscriber(const std::string& socket) : pins_(v1::PinService::NewStub(own_channel(socket)))
    {
        reader_ = pins_->WatchEvents(&context_, {});
        reader_->WaitForInitialMetadata();
    }
    Subscriber(const Subscriber&) = delete;
    Subscriber& operator=(const Subscriber&) = delete;
    ~Subscriber()
    {
        context_.TryCancel();
        reader_->Finish();
    }

    struct Told {
        std::uint64_t events = 0;
        std::uint64_t lost = 0;
    };
    // Everything that was to be told up to the pin of that process.
    Told until_pin_of(pid_t pid)
    {
        Told told;
        v1::WatchEventsResponse event;
        while (reader_->Read(&event)) {
            told.lost += event.lost_before();
            if (event.kind() == v1::EVENT_KIND_PIN && event.pin().owner().pid() == static_cast<unsigned>(pid)) {
                return told;
            }
            // The verdict on a conflict comes with it, from the same report.
            told.events += event.kind() == v1::EVENT_KIND_VERDICT ? 0U : 1U;
        }
        throw std::runtime_error("the stream ended: " + reader_->Finish().error_message());
    }

private:
    std::unique_ptr<v1::PinService::Stub> pins_;
    grpc::ClientContext context_;
    std::unique_ptr<grpc::ClientReader<v1::WatchEventsResponse>> reader_;
};

// Else the linker leaves out files of the API that nothing here uses, and their methods would not be called.
void link_all_of_the_api()
{
    using google::protobuf::LinkMessageReflection;
    LinkMessageReflection<v1::GetConfigRequest>();
    LinkMessageReflection<v1::ListConflictsRequest>();
    LinkMessageReflection<v1::RecordRequest>();
    LinkMessageReflection<v1::RecordingReport>();
    LinkMessageReflection<google::rpc::ErrorInfo>();
    LinkMessageReflection<google::rpc::Status>();
}

void wait_for_descriptors(Daemon& daemon, std::size_t most)
{
    const auto until = std::chrono::steady_clock::now() + kPatience;
    while (Held(daemon.pid()).descriptors > most) {
        if (std::chrono::steady_clock::now() > until) {
            FAIL("the daemon has " << Held(daemon.pid()).descriptors << " descriptors still, and had " << most);
        }
    }
}

}  // namespace

TEST_CASE("fifty subscribers that are stuck or slow keep nobody waiting, and each is told what it lost", "[hostile]")
{
    Daemon::stop_shared();
    Daemon daemon;
    PinnedFile file("tmpfs");
    const AppliedPolicy policy(daemon.api());
    const Held before(daemon.pid());
    {
        std::deque<StuckClient> stuck;
        std::deque<Subscriber> slow;
        for (std::size_t i = 0; i < kStuck; ++i) {
            stuck.emplace_back(daemon.socket()).ask("/pinwarden.v1.PinService/WatchEvents");
        }
        for (std::size_t i = 0; i < kSlow; ++i) {
            slow.emplace_back(daemon.socket());
        }
        Process storm({"storm", file.path, "16384", "4", "0", std::to_string(kTruncates)});
        CHECK(storm.read_line(kPatience) == "ready");
        storm.write_line("begin");
        while (storm.running()) {
            CHECK(daemon.api().status().hooks_size() > 0);
        }
        CHECK_THAT(storm.read_line(), Catch::Contains("EBUSY=" + std::to_string(kTruncates) + " "));
        CHECK(file.whole());

        const Held during(daemon.pid());
        std::cout << "hostile clients: " << before.kibibytes << " KiB and " << before.descriptors
                  << " descriptors before, " << during.kibibytes << " and " << during.descriptors << " with "
                  << kStuck + kSlow << " subscribers\n";
        CHECK(during.kibibytes < before.kibibytes + (48U << 10U));
        // A second one for each connection, to see it end.
        CHECK(during.descriptors <= before.descriptors + 2 * (kStuck + kSlow));

        Pinner marker;
        marker.ok("anon 4096");
        marker.ok("pin uring");
        for (Subscriber& subscriber : slow) {
            const auto told = subscriber.until_pin_of(marker.pid());
            CHECK(told.lost > 0);
            CHECK(told.events + told.lost == kTruncates);
        }
    }
    wait_for_descriptors(daemon, before.descriptors);
    CHECK(daemon.api().status().ledger_certain());
    CHECK(daemon.api().audit().missing_pins() + daemon.api().audit().surplus_pins() == 0);
}

TEST_CASE("answers nobody takes, half-open connections and nonsense leave the daemon as it was", "[hostile]")
{
    link_all_of_the_api();
    Daemon& daemon = Daemon::shared();
    const auto seed = std::random_device()();
    std::cout << "hostile clients: seed " << seed << '\n';
    std::mt19937_64 random(seed);
    const Held before(daemon.pid());
    {
        StuckClient stuck(daemon.socket());
        for (int i = 0; i < 60; ++i) {
            stuck.ask("/pinwarden.v1.StatusService/GetStatus");
        }
        std::deque<RawConnection> half_open;
        for (int i = 0; i < 40; ++i) {
            half_open.emplace_back(daemon.socket()).send(kPreface.substr(0, 9));
        }
        throw_bytes(daemon.socket(), random, 200);
        throw_requests(own_channel(daemon.socket()), random, 300);
        CHECK(daemon.api().status().hooks_size() > 0);
        CHECK(stuck.given_up(60, kPatience) == 60);
        const Held during(daemon.pid());
        CHECK(during.kibibytes < before.kibibytes + (48U << 10U));
    }
    // One or two stay with a client that asks again.
    wait_for_descriptors(daemon, before.descriptors + 4);
    daemon.expect_nothing_pinned();
}

#include "publish/health.h"

#include <catch2/catch.hpp>
#include <cerrno>
#include <memory>
#include <string>

#include "publish/api_server.h"
#include "support/health_call.h"
#include "support/publish_fixtures.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

Snapshot with_hooks(const std::vector<HookState>& hooks)
{
    Snapshot snapshot;
    snapshot.hooks = hooks;
    return snapshot;
}

const HookState kAttached{"pin_user_pages", "acquire", true, "", 0};
const HookState kMissing{"memfd_pin_folios", "acquire", false, "this kernel has no function memfd_pin_folios", 0};
const HookState kOnDemand{"security_file_permission", "operation", false, "no policy needs it", 0, false};

// Waits until the server says so.
void becomes(const std::string& socket, const std::string& service, Serving wanted)
{
    HealthWatch(socket, service).wait_for(wanted);
}

}  // namespace

TEST_CASE("nothing is wrong with hooks that the kernel lacks, or that nothing needs", "[health]")
{
    HealthJudge judge;
    CHECK(judge.judge(with_hooks({kMissing, kOnDemand})).hooks == "none is attached yet");
    CHECK(judge.judge(with_hooks({kAttached, kMissing, kOnDemand})).none());
    HookState needed = kOnDemand;
    needed.attached = true;
    needed.needed = true;
    CHECK(judge.judge(with_hooks({kAttached, kMissing, needed})).none());
    CHECK(judge.judge(with_hooks({kAttached, kMissing, kOnDemand})).none());
}

TEST_CASE("a hook that was attached and is not any more is named, until it is again", "[health]")
{
    HealthJudge judge;
    CHECK(judge.judge(with_hooks({kAttached})).none());
    HookState lost = kAttached;
    lost.attached = false;
    lost.reason = "it is gone";
    CHECK(judge.judge(with_hooks({lost})).hooks == "pin_user_pages");
    CHECK(judge.judge(with_hooks({kAttached})).none());
}

TEST_CASE("a pipeline that does not answer is what is wrong", "[health]")
{
    HealthJudge judge;
    CHECK(judge.judge(std::unexpected(Error{"no answer within 5 s", ETIMEDOUT})).pipeline == "no answer within 5 s");
}

TEST_CASE("each service's health follows what it needs", "[health][grpc]")
{
    const TemporaryFolder folder;
    const std::string socket = folder.file("reader.sock");
    FakePipeline pipeline;
    Fanout fanout(4, 16);
    const auto server =
        ApiServer::start({.operators = {folder.file("operator.sock")}, .readers = ApiSocket{socket}}, pipeline, fanout)
            .value();
    const std::string pins = "pinwarden.v1.PinService";
    CHECK(health_of(socket, "") == Serving::kNotServing);
    CHECK(health_of(socket, pins) == Serving::kNotServing);
    CHECK(health_of(socket, "pinwarden.v1.AuditLogService") == Serving::kServing);
    CHECK(health_of(socket, "pinwarden.v1.NoSuchService") == Serving::kUnknownService);

    const auto now = [&pipeline](const std::vector<HookState>& hooks, std::optional<Error> fails) {
        const std::scoped_lock lock(pipeline.mutex);
        pipeline.answer.hooks = hooks;
        pipeline.fails = std::move(fails);
    };
    now({kAttached}, {});
    for (const char* const service :
         {"", "pinwarden.v1.StatusService", "pinwarden.v1.PinService", "pinwarden.v1.PolicyService",
          "pinwarden.v1.HoldService", "pinwarden.v1.ConflictService", "pinwarden.v1.AuditService",
          "pinwarden.v1.AuditLogService", "pinwarden.v1.ConfigService"}) {
        INFO(service);
        CHECK_NOTHROW(becomes(socket, service, Serving::kServing));
        CHECK_NOTHROW(becomes(folder.file("operator.sock"), service, Serving::kServing));
    }
    HookState lost = kAttached;
    lost.attached = false;
    now({lost}, {});
    CHECK_NOTHROW(becomes(socket, "", Serving::kNotServing));
    CHECK_NOTHROW(becomes(socket, pins, Serving::kNotServing));
    CHECK(health_of(socket, "pinwarden.v1.StatusService") == Serving::kServing);
    now({kAttached}, Error{"it stands still", ETIMEDOUT});
    CHECK_NOTHROW(becomes(socket, "pinwarden.v1.StatusService", Serving::kNotServing));
    CHECK(health_of(socket, "pinwarden.v1.AuditLogService") == Serving::kServing);
    now({kAttached}, {});
    CHECK_NOTHROW(becomes(socket, pins, Serving::kServing));
}

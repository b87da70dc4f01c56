// What pinctl prints of answers that no recording has: of a real daemon, see tests/data/README.md.
#include <google/protobuf/util/json_util.h>
#include <grpcpp/grpcpp.h>
#include <pinwarden/v1/pinwarden.grpc.pb.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "publish/api_server.h"
#include "publish/audit_history.h"
#include "support/audit_desk.h"
#include "support/golden.h"
#include "support/publish_fixtures.h"
#include "support/rendering.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

namespace fs = std::filesystem;

const fs::path kAnswers = kTestData / "answers" / "6.12";
const fs::path kGolden = kTestData / "golden" / "answers-6.12";

// Answers as the daemon did.
class Answers final : public v1::AuditService::Service {
public:
    Answers()
    {
        grpc::ServerBuilder builder;
        builder.AddListeningPort("unix:" + socket(), grpc::InsecureServerCredentials());
        builder.RegisterService(this);
        server_ = builder.BuildAndStart();
        REQUIRE(server_ != nullptr);
    }

    [[nodiscard]] std::string socket() const { return folder_.file("s"); }

    grpc::Status RunAudit(grpc::ServerContext* /*context*/, const v1::RunAuditRequest* /*request*/,
                          v1::RunAuditResponse* answer) override
    {
        return read("audit.json", *answer);
    }
    grpc::Status RunCensus(grpc::ServerContext* /*context*/, const v1::RunCensusRequest* /*request*/,
                           v1::RunCensusResponse* answer) override
    {
        return read("census.json", *answer);
    }

private:
    static grpc::Status read(const std::string& name, google::protobuf::Message& answer)
    {
        const auto parsed = google::protobuf::util::JsonStringToMessage(content(kAnswers / name), &answer);
        return parsed.ok() ? grpc::Status::OK
                           : grpc::Status(grpc::StatusCode::DATA_LOSS, name + ": " + parsed.ToString());
    }

    TemporaryFolder folder_;
    std::unique_ptr<grpc::Server> server_;
};

// A daemon's own service, with the lines of a daemon's audit log.
struct Log {
    Log()
    {
        fs::copy_file(kAnswers / "audit-log.jsonl", desk.path());
        file = std::make_unique<AuditFile>(desk.path(), AuditFileLimits());
        source = std::make_unique<AuditLogSource>(*file, tail);
        server = ApiServer::start({.operators = {socket}}, pipeline, fanout, {.audit_log = source.get()}).value();
    }

    AuditDesk desk;
    TemporaryFolder folder;
    std::string socket = folder.file("s");
    FakePipeline pipeline;
    Fanout fanout{4, 16};
    AuditTail tail{kMaxAuditReaders, 16, kTooManyAuditReaders};
    std::unique_ptr<AuditFile> file;
    std::unique_ptr<AuditLogSource> source;
    std::unique_ptr<ApiServer> server;
};

void compare_all_widths(const std::string& name, const std::vector<std::string>& words)
{
    compare(kGolden / (name + ".txt"), printed(words));
    compare(kGolden / (name + "-at-80-columns.txt"), printed(words, kNarrow));
    compare(kGolden / (name + "-at-200-columns.txt"), printed(words, kBroad));
}

}  // namespace

TEST_CASE("pinctl prints what a daemon's audit and census found", "[golden][grpc]")
{
    const Answers daemon;
    compare_all_widths("audit", {"--socket", daemon.socket(), "audit"});
    compare_all_widths("census", {"--socket", daemon.socket(), "census"});
    // As JSON it is what the daemon said.
    CHECK(printed({"--socket", daemon.socket(), "audit", "--json"}) ==
          content(kAnswers / "audit.json") + "--- status 3\n");
    CHECK(printed({"--socket", daemon.socket(), "census", "--json"}) ==
          content(kAnswers / "census.json") + "--- status 0\n");
}

TEST_CASE("pinctl prints a daemon's audit log", "[golden][grpc]")
{
    const Utc utc;
    const Log daemon;
    compare_all_widths("audit-log", {"--socket", daemon.socket, "audit-log"});
    compare_all_widths("audit-log-of-a-policy", {"--socket", daemon.socket, "audit-log", "--policy", "holds"});
    CHECK(printed({"--socket", daemon.socket, "audit-log", "--json"}) ==
          content(kAnswers / "audit-log.jsonl") + "--- status 0\n");
}

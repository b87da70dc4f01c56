#include "cli/support.h"

#include <sys/stat.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

#include "cli/client.h"
#include "cli/doctor.h"
#include "cli/redact.h"
#include "publish/api_server.h"
#include "publish/convert.h"
#include "support/publish_fixtures.h"

using namespace pinwarden;
using namespace pinwarden::cli;
using namespace pinwarden::test;

namespace {

const SupportFile& file_of(const std::vector<SupportFile>& files, const std::string& name)
{
    const auto file = std::ranges::find(files, name, &SupportFile::name);
    REQUIRE(file != files.end());
    return *file;
}

std::string content(const std::string& path)
{
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

// One of everything that names somebody.
SupportFacts telling()
{
    PinView pin = file_pin(1, 0, 16);
    pin.pin.owner.comm = "secret-comm";
    pin.pin.owner.names = std::make_shared<TaskNames>(TaskNames{.executable = "/opt/secret/bin",
                                                                .executable_deleted = false,
                                                                .cgroup = "/secret.slice",
                                                                .container = "secretcontainer"});
    pin.files[kShownFile].path = "/mnt/secret/file";
    SupportFacts facts;
    facts.pins = listed({pin});
    facts.pins.mutable_pins(0)->add_stack("ib_umem_get+0x2d2 [ib_uverbs]");
    v1::Holder& holder = *facts.pins.mutable_pins(0)->add_may_be_held_by();
    holder.set_comm("secret-holder");
    holder.set_file("/dev/secret");
    v1::PolicyStatus& policy = *facts.policies.add_policies();
    policy.set_source("/etc/secret.yaml");
    policy.set_reason("waits for /mnt/secret/file, and /srv/unheard-of");
    policy.mutable_policy()->set_name("datasets");
    policy.mutable_policy()->mutable_match()->mutable_file()->add_path_prefixes("/srv/secret");
    policy.mutable_policy()->mutable_match()->mutable_owner()->add_comms("secret-comm");
    facts.policies.add_policies()->set_source("grpc");
    facts.log = "12:00 warning: process secret-comm on /var/unheard-of: it died\n";
    facts.metrics = "pinwarden_pins 1\n";
    facts.left_out.emplace_back("what /secret/path says");
    facts.diagnosis.add_findings()->set_state("cannot reach pinwardend at /run/secret.sock: gone");
    return facts;
}

}  // namespace

TEST_CASE("nothing in the archive names a file, a process, a cgroup or a container")
{
    const std::vector<SupportFile> files = support_files(telling());
    for (const SupportFile& file : files) {
        INFO(file.name << "\n" << file.text);
        CHECK(file.text.find("secret") == std::string::npos);
        CHECK(file.text.find("unheard-of") == std::string::npos);
        CHECK(file.text.find("139637976727552") == std::string::npos);  // 0x7f0000000000
    }
    // What is left still tells something: the same name is the same everywhere, and what names nobody stays.
    const std::string pins = file_of(files, "pins.json").text;
    for (const char* const kept : {"path-", "process-1", "cgroup-1", "container-1", "rdma_rxe", "ib_umem_get", "812"}) {
        INFO(kept);
        CHECK(pins.find(kept) != std::string::npos);
    }
    const std::string policies = file_of(files, "policies.json").text;
    CHECK_THAT(policies, Catch::Contains("datasets") && Catch::Contains("grpc") && Catch::Contains("process-1") &&
                             Catch::Contains(", and [path]"));
    CHECK(file_of(files, "log.txt").text == "12:00 warning: process process-1 on [path]: it died\n");
    CHECK(file_of(files, "metrics.txt").text == "pinwarden_pins 1\n");
    CHECK_THAT(file_of(files, "README.txt").text, Catch::Contains("Not here: what [path] says"));
}

TEST_CASE("sentences keep what is the kernel's, and words that only contain a name")
{
    v1::Process process;
    process.set_comm("sh");
    process.set_executable("/bin/sh");
    Redactor redactor;
    redactor.learn(process);
    CHECK(redactor.redact_text("") == "");
    CHECK(redactor.redact_text("sh shows /bin/sh, sh. push sh") == "process-1 shows path-1, process-1. push process-1");
    CHECK(redactor.redact_text("/sys/kernel/btf/vmlinux and/or 3/4 \"/srv/me\" (/x) nfs:/export") ==
          "/sys/kernel/btf/vmlinux and/or 3/4 \"[path]\" ([path]) nfs:[path]");
    CHECK(redactor.redact_text("http://127.0.0.1:9877/metrics") == "http://127.0.0.1:9877/metrics");
}

TEST_CASE("the archive is for its owner alone, and writes over nothing")
{
    const TemporaryFolder folder;
    const std::string path = folder.file("a.tar.gz");
    REQUIRE(write_archive(path, {{"status.json", "{}\n"}, {"README.txt", "x\n"}}));
    struct stat status{};
    REQUIRE(stat(path.c_str(), &status) == 0);
    CHECK((status.st_mode & 0777U) == 0600);
    REQUIRE(std::system(("tar -C " + folder.file("") + " -xzf " + path).c_str()) == 0);  // NOLINT: one thread here
    CHECK(content(folder.file("pinwarden-support/status.json")) == "{}\n");
    const auto again = write_archive(path, {});
    REQUIRE_FALSE(again);
    CHECK_THAT(again.error(),
               Catch::Contains(path) && Catch::Contains("there is one already; name another with --output"));
    CHECK_FALSE(write_archive(folder.file("no/such/folder.tar.gz"), {}));
}

TEST_CASE("pinctl support writes what it gets, with and without a daemon, and says what it left out", "[grpc]")
{
    const TemporaryFolder folder;
    const std::string socket = folder.file("s");
    std::istringstream in;
    std::ostringstream out;
    std::ostringstream err;
    const auto support = [&](const std::string& name) {
        out.str("");
        const SupportCommand command{.output = folder.file(name), .metrics_address = "127.0.0.1:1", .log = {}};
        return run({.socket = socket, .socket_given = true, .json = false, .command = command}, {in, out, err}, {});
    };
    CHECK(support("without.tar.gz") == 0);
    CHECK_THAT(out.str(), Catch::Contains("Wrote ") && Catch::Contains("doctor.txt") &&
                              Catch::Contains("Left out: all that only pinwardend knows") &&
                              Catch::Contains("Left out: metrics") && Catch::Contains("Left out: the log"));

    FakePipeline pipeline;
    pipeline.pinned = {file_pin(1, 0, 16)};
    pipeline.answer = snapshot_with(pipeline.pinned);
    Fanout fanout{4, 16};
    const auto server = ApiServer::start({.operators = {socket}}, pipeline, fanout);
    REQUIRE(server);
    CHECK(support("with.tar.gz") == 0);
    CHECK(out.str().find("Left out: all that") == std::string::npos);
    REQUIRE(std::system(("tar -C " + folder.file("") + " -xzf " + folder.file("with.tar.gz")).c_str()) ==  // NOLINT
            0);
    CHECK_THAT(content(folder.file("pinwarden-support/pins.json")), Catch::Contains("rdma_rxe"));
    CHECK(support("with.tar.gz") == 1);
    CHECK_THAT(err.str(), Catch::Contains("there is one already; name another with --output"));
}

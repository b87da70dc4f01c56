#include "cli/explain.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <sstream>
#include <string>

#include "cli/client.h"
#include "publish/api_server.h"
#include "publish/conflict_service.h"
#include "publish/convert.h"
#include "support/publish_fixtures.h"
#include "support/rendering.h"

using namespace pinwarden;
using namespace pinwarden::cli;
using namespace pinwarden::test;

namespace {

constexpr std::int64_t kNow = 1'700'000'130;

v1::Explanation answered()
{
    v1::Explanation explanation;
    explanation.set_ledger_certain(true);
    explanation.set_daemon_pid(77);
    explanation.mutable_daemon_start_time()->set_seconds(1'700'000'005);
    return explanation;
}

v1::Explanation pinned_file()
{
    v1::Explanation explanation = answered();
    v1::ExplainedFile& file = *explanation.mutable_file();
    file.set_name("/mnt/data/x");
    file.set_path("/mnt/data/x");
    file.set_kind("file");
    file.set_mountpoint("/mnt");
    v1::File& identity = *file.mutable_identity();
    identity.set_device_major(253);
    identity.set_device_minor(1);
    identity.set_inode(12);
    identity.set_filesystem("ext4");
    return explanation;
}

void add_pins(std::vector<PinView> pins, v1::Explanation& explanation)
{
    v1::ListPinsResponse list = listed(std::move(pins));
    for (v1::Pin& pin : *list.mutable_pins()) {
        *explanation.add_pins() = std::move(pin);
    }
}

void add_conflict(Notice notice, v1::Explanation& explanation)
{
    PastConflict past{.time = notice.time};
    ConflictView view = std::get<ConflictNotice>(std::move(notice.what)).conflict;
    remember_owners(view.conflict.pins, past);
    view.conflict.pins.clear();
    past.what = std::move(view);
    ConflictHistory history;
    history.add(std::move(past));
    *explanation.add_conflicts() =
        conflicts_to_proto(history.list({}), 80 * kSecond, 1'700'000'000 * kSecond).conflicts(0);
}

v1::ForetoldOperation& foretell(const std::string& operation, pw_verdict verdict, v1::Explanation& explanation)
{
    v1::ForetoldOperation& foretold = *explanation.add_operations();
    foretold.set_operation(operation);
    const Notice notice = conflict_notice(verdict, verdict == PW_VERDICT_ALLOW ? "" : "keep");
    *foretold.mutable_answer()->mutable_conflict() = event_to_proto(notice, v1::EVENT_KIND_CONFLICT).conflict();
    return foretold;
}

std::string told(v1::Explanation explanation)
{
    put_into_sentences(explanation, kNow);
    std::string text;
    for (const std::string& sentence : explanation.sentences()) {
        text += sentence + "\n";
    }
    return text;
}

struct Daemon {
    Daemon()
    {
        pipeline.answer = snapshot_with({});
        server = ApiServer::start({.operators = {socket}, .readers = ApiSocket{.path = reader, .group = getgid()}},
                                  pipeline, fanout, {.conflicts = &conflicts})
                     .value();
    }

    // Of a file that is there.
    PinView pin_of(const std::string& path)
    {
        const v1::File identity = find_subject(path).file().identity();
        PinView view = file_pin(1, 0, 16);
        const FileKey key{.inode = identity.inode(),
                          .device = identity.device_major() << 20U | identity.device_minor(),
                          .generation = 3};
        view.pin.ranges.front().file = key;
        view.files = {{key, {.path = path, .filesystem = "tmpfs", .deleted = false}}};
        return view;
    }

    int explain(const std::string& subject, bool json = false, bool as_reader = false)
    {
        std::istringstream in;
        out.str("");
        err.str("");
        return run({.socket = as_reader ? reader : socket,
                    .socket_given = true,
                    .json = json,
                    .command = ExplainCommand{subject}},
                   {in, out, err}, {});
    }

    TemporaryFolder folder;
    std::string socket = folder.file("operator.sock");
    std::string reader = folder.file("reader.sock");
    FakePipeline pipeline;
    Fanout fanout{4, 16};
    ConflictHistory conflicts;
    std::unique_ptr<ApiServer> server;
    std::ostringstream out;
    std::ostringstream err;
};

}  // namespace

TEST_CASE("a pinned file is explained")
{
    v1::Explanation explanation = pinned_file();
    add_pins({file_pin(1, 0, 16)}, explanation);
    foretell("truncate:0", PW_VERDICT_DENY, explanation);
    foretell("punch_hole:0+65536", PW_VERDICT_ALLOW, explanation);
    foretell("umount", PW_VERDICT_HOLD, explanation);
    add_conflict(conflict_notice(PW_VERDICT_DENY, "keep"), explanation);
    explanation.set_conflicts_forgotten(3);
    CHECK(
        told(explanation) ==
        "/mnt/data/x is a file of the ext4 at /mnt (253:1:12).\n"
        "There is 1 pin of 64.0 KiB by one process.\n"
        "rdma-demo[812], uid 1000, pinned 64.0 KiB for writing through rdma_rxe 2m00s ago: pages 0-15; long-term.\n"
        "A truncate to nothing now would meet 1 pin and be denied with EBUSY by policy keep: 1 pin is in the way.\n"
        "A hole punched where it is pinned first now would meet 1 pin and go ahead, and take pages away that a device "
        "uses: no policy decides about it.\n"
        "An umount of /mnt now would meet 1 pin and be held by policy keep: 1 pin is in the way.\n"
        "1 conflict is remembered; 3 older ones, of whatever kind, are remembered no longer.\n"
        "1m00s ago: truncate of /mnt/data/x by truncate[900] met 1 pin: deny EBUSY, policy keep.\n");
}

TEST_CASE("a file without pins is explained, and what would make it otherwise")
{
    CHECK(
        told(pinned_file()) ==
        "/mnt/data/x is a file of the ext4 at /mnt (253:1:12).\n"
        "Nothing of it is pinned, as far as pinwardend knows.\n"
        "A truncate or a punched hole would go ahead now: nothing is in its way.\n"
        "An umount of /mnt would meet no pins now.\n"
        "No conflict with it is remembered.\n"
        "The ledger is certain. pinwardend has run for 2m05s; what was pinned before is known as its census found it, "
        "`pinctl census` looks again. Pins without FOLL_LONGTERM are shown once they are held for long.\n");
    v1::Explanation uncertain = pinned_file();
    uncertain.set_ledger_certain(false);
    CHECK_THAT(told(uncertain),
               Catch::EndsWith("The ledger is uncertain since events were lost: pins may be missing here, "
                               "or be gone already.\n"));
}

TEST_CASE("symbolic links, folders, what is not there and numbers are told apart")
{
    v1::Explanation link = pinned_file();
    link.mutable_file()->set_name("l");
    CHECK_THAT(told(link), Catch::StartsWith("l is /mnt/data/x, which is a file of the ext4 at /mnt (253:1:12).\n"));

    v1::Explanation folder = pinned_file();
    folder.mutable_file()->set_kind("directory");
    add_pins({file_pin(1, 0, 16)}, folder);
    CHECK_THAT(told(folder), Catch::Contains("is a directory of the ext4") &&
                                 Catch::Contains("Below it there is 1 pin") &&
                                 Catch::Contains("pages 0-15 of /mnt/data/x"));

    v1::Explanation missing = pinned_file();
    missing.mutable_file()->set_kind("missing");
    missing.mutable_file()->set_problem("No such file or directory");
    CHECK_THAT(told(missing), Catch::StartsWith("/mnt/data/x is not found here (No such file or directory); "));

    v1::Explanation inode = pinned_file();
    inode.mutable_file()->set_kind("inode");
    CHECK_THAT(told(inode), Catch::StartsWith("This is about inode 12 of device 253:1.\n"));

    v1::Explanation replaced = pinned_file();
    replaced.mutable_file()->set_by_name(true);
    CHECK_THAT(told(replaced), Catch::Contains("No pin is on this very file"));
}

TEST_CASE("orphans, leaks, adopted and inferred pins are told as such")
{
    PinView orphan = file_pin(1, 0, 16);
    orphan.pin.owner_exited = true;
    orphan.pin.orphaned = 100 * kSecond;
    PinView leak = file_pin(2, 100, 16);
    leak.pin.owner_exited = true;
    leak.pin.leak = true;
    leak.pin.orphaned = 70 * kSecond;
    PinView adopted = file_pin(3, 200, 16);
    adopted.pin.function = PW_ADOPTED;
    adopted.pin.inferred = true;
    PinView nobodys = file_pin(4, 300, 16);
    nobodys.pin.owner = {};
    nobodys.pin.function = PW_ADOPTED;
    v1::Explanation explanation = pinned_file();
    add_pins({orphan, leak, adopted, nobodys}, explanation);
    const std::string text = told(explanation);
    INFO(text);
    CHECK_THAT(text, Catch::Contains("4 pins") && Catch::Contains("2 of them without a living owner"));
    CHECK_THAT(text,
               Catch::Contains("an orphan: its owner exited 30s ago; no process is known that may still hold it"));
    CHECK_THAT(text, Catch::Contains("a leak: its owner exited 1m00s ago"));
    CHECK_THAT(text, Catch::Contains("(inferred: it alone maps the pages)"));
    CHECK_THAT(text, Catch::Contains("A process nobody saw pinned 64.0 KiB"));
    CHECK_THAT(text, Catch::Contains("found pinned by a census or audit"));
}

TEST_CASE("what would happen is told with the verdict, or why it is not told")
{
    const std::pair<pw_verdict, const char*> rows[] = {
        {PW_VERDICT_DENY, "be denied with EBUSY by policy keep"},
        {PW_VERDICT_HOLD, "be held by policy keep"},
        {PW_VERDICT_ALLOW, "go ahead, and take pages away that a device uses"},
        {PW_VERDICT_WOULD_DENY, "go ahead, as policy keep only monitors; else it would deny it"},
        {PW_VERDICT_SIGNAL, "go ahead, and signals be sent by policy keep"},
    };
    for (const auto& [verdict, expected] : rows) {
        v1::Explanation explanation = pinned_file();
        add_pins({file_pin(1, 0, 16)}, explanation);
        foretell("truncate:0", verdict, explanation);
        CHECK_THAT(told(explanation),
                   Catch::Contains("A truncate to nothing now would meet 1 pin and " + std::string(expected)));
    }
    v1::Explanation reader = pinned_file();
    add_pins({file_pin(1, 0, 16)}, reader);
    reader.set_operations_untold("TestPolicies is for operators, who ask at /o");
    CHECK_THAT(told(reader),
               Catch::Contains("is told to operators only: TestPolicies is for operators, who ask at /o."));
}

TEST_CASE("a process is explained")
{
    v1::Explanation explanation = answered();
    explanation.mutable_process()->set_pid(812);
    explanation.mutable_process()->set_comm("rdma-demo");
    explanation.mutable_process()->set_runs(true);
    add_pins({file_pin(1, 0, 16)}, explanation);
    add_conflict(conflict_notice(PW_VERDICT_ALLOW, ""), explanation);
    v1::Notifier& notifier = *explanation.add_notifiers();
    notifier.set_driver("mlx5_ib");
    notifier.set_on_demand(true);
    notifier.set_length(kMiB);
    *explanation.add_failures() = failures_to_proto({.failures = {failed_pin(EFAULT)},
                                                     .total = 1,
                                                     .taken = 30 * kSecond,
                                                     .boot_to_unix = 1'700'000'000 * kSecond},
                                                    {})
                                      .failures(0);
    CHECK(
        told(explanation) ==
        "Process 812 is rdma-demo.\n"
        "It pins through rdma_rxe, on /mnt/data/x.\n"
        "It has 1 pin of 64.0 KiB.\n"
        "rdma-demo[812], uid 1000, pinned 64.0 KiB for writing through rdma_rxe 2m00s ago: pages 0-15 of /mnt/data/x; "
        "long-term.\n"
        "Through mmu notifiers mlx5_ib follows its memory, with 1 on-demand range of 1.0 MiB: these pin nothing.\n"
        "1 call of it could not pin, the last 10s ago through rdma_rxe with EFAULT.\n"
        "1 conflict is remembered.\n"
        "1m00s ago: truncate of /mnt/data/x by truncate[900] met 1 pin: allow.\n");

    v1::Explanation gone = answered();
    gone.mutable_process()->set_pid(4711);
    CHECK_THAT(told(gone), Catch::StartsWith("No process 4711 runs here;") && Catch::Contains("It has nothing pinned"));
    CHECK_FALSE(is_known(gone));
    v1::Explanation init = answered();
    init.mutable_process()->set_pid(1);
    init.mutable_process()->set_spared("it is the machine's init");
    CHECK_THAT(told(init), Catch::Contains("pinwardend never signals it: it is the machine's init."));
}

TEST_CASE("what is to be explained is found by number, inode or path")
{
    CHECK(find_subject("4711").process().pid() == 4711);
    CHECK(find_subject(std::to_string(getpid())).process().runs());
    CHECK(find_subject("1").process().spared() == "it is the machine's init");
    const v1::Explanation inode = find_subject("253:1:12");
    CHECK(inode.file().kind() == "inode");
    CHECK(inode.file().identity().device_major() == 253);
    CHECK(inode.file().identity().inode() == 12);
    for (const char* const path : {"253:1:0", "1:2", "a:b:c", "1:2:3:4", "99999999999", "-5"}) {
        CHECK(find_subject(path).file().kind() == "missing");
    }

    const TemporaryFolder folder;
    std::ofstream(folder.file("x")) << "x";
    std::filesystem::create_symlink("x", folder.file("link"));
    const v1::Explanation file = find_subject(folder.file("x"));
    CHECK(file.file().kind() == "file");
    CHECK(file.file().identity().inode() != 0);
    CHECK_FALSE(file.file().mountpoint().empty());
    const v1::Explanation link = find_subject(folder.file("link"));
    CHECK(link.file().path() == file.file().path());
    CHECK(link.file().identity().inode() == file.file().identity().inode());
    CHECK(find_subject(folder.file("")).file().kind() == "directory");
    const v1::Explanation missing = find_subject(folder.file("no"));
    CHECK(missing.file().kind() == "missing");
    CHECK(missing.file().problem() == "No such file or directory");
    CHECK(find_subject("relative").file().path() == std::filesystem::current_path() / "relative");
}

TEST_CASE("pinctl explain finds a file by its inode, whatever it is called", "[grpc]")
{
    Daemon daemon;
    const std::string path = daemon.folder.file("x");
    std::ofstream(path) << "x";
    daemon.pipeline.pinned = {daemon.pin_of(path)};
    daemon.pipeline.answer = snapshot_with(daemon.pipeline.pinned);
    std::filesystem::create_hard_link(path, daemon.folder.file("other"));
    CHECK(daemon.explain(daemon.folder.file("other")) == 0);
    CHECK_THAT(daemon.out.str(),
               Catch::Contains("rdma-demo[812], uid 1000, pinned 64.0 KiB for writing through rdma_rxe"));

    CHECK_THAT(daemon.out.str(), Catch::Contains("A truncate to nothing now would meet 0 pins"));
    CHECK(daemon.pipeline.tested.operation.operation == PW_OPERATION_UMOUNT);

    const v1::File identity = find_subject(path).file().identity();
    CHECK(daemon.explain(std::to_string(identity.device_major()) + ":" + std::to_string(identity.device_minor()) + ":" +
                         std::to_string(identity.inode())) == 0);
    CHECK_THAT(daemon.out.str(), Catch::Contains("rdma-demo[812]"));
    CHECK(daemon.pipeline.tested.inode == identity.inode());
    CHECK(daemon.explain(path, true) == 0);
    CHECK_THAT(daemon.out.str(), Catch::Contains(R"("sentences": [)") && Catch::Contains(R"("kind": "file")"));

    // Its name leads to another now.
    std::filesystem::remove(path);
    std::ofstream(daemon.folder.file("new")) << "y";
    std::filesystem::rename(daemon.folder.file("new"), path);
    CHECK(daemon.explain(path) == 0);
    CHECK_THAT(daemon.out.str(), Catch::Contains("No pin is on this very file"));
    CHECK(daemon.explain(daemon.folder.file("")) == 0);
    CHECK_THAT(daemon.out.str(), Catch::Contains("Below it there"));
}

TEST_CASE("pinctl explain says to a reader what is for operators", "[grpc]")
{
    Daemon daemon;
    const std::string path = daemon.folder.file("x");
    std::ofstream(path) << "x";
    daemon.pipeline.pinned = {daemon.pin_of(path)};
    daemon.pipeline.answer = snapshot_with(daemon.pipeline.pinned);
    CHECK(daemon.explain(path, false, true) == 0);
    CHECK_THAT(daemon.out.str(), Catch::Contains("is told to operators only") && Catch::Contains(daemon.socket));
}

TEST_CASE("pinctl explain has status 1 for what nobody knows, and without a daemon", "[grpc]")
{
    Daemon daemon;
    CHECK(daemon.explain("/no/such/file") == 1);
    CHECK_THAT(daemon.out.str(), Catch::Contains("/no/such/file is not found here"));
    CHECK(daemon.explain("812") == 1);
    daemon.pipeline.pinned = {file_pin(1, 0, 16)};
    daemon.pipeline.answer = snapshot_with(daemon.pipeline.pinned);
    CHECK(daemon.explain("812") == 0);
    CHECK_THAT(daemon.out.str(), Catch::Contains("It pins through rdma_rxe, on /mnt/data/x."));
    daemon.server.reset();
    CHECK(daemon.explain("812") == 1);
    CHECK_THAT(daemon.err.str(), Catch::Contains("cannot reach pinwardend"));
}

#include "cli/support.h"

#include <fcntl.h>
#include <netdb.h>
#include <pinwarden/v1/conflicts.grpc.pb.h>
#include <pinwarden/v1/pinwarden.grpc.pb.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <system_error>

#include "cli/pin_list.h"
#include "cli/text.h"

namespace pinwarden::cli {
namespace {

constexpr std::chrono::seconds kDeadline{10};
constexpr std::size_t kMostMetrics = 4U << 20U;
constexpr std::streamoff kMostLog = 256 << 10;
constexpr const char* kFolder = "pinwarden-support";

template <typename Call, typename Response>
void ask(const std::string& what, Response& response, SupportFacts& facts, Call call)
{
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kDeadline);
    if (const grpc::Status status = call(&context, &response); !status.ok()) {
        facts.left_out.push_back(what + ": pinwardend did not tell: " + status.error_message());
    }
}

std::unique_ptr<grpc::ClientContext> with_deadline()
{
    auto context = std::make_unique<grpc::ClientContext>();
    context->set_deadline(std::chrono::system_clock::now() + kDeadline);
    return context;
}

// "127.0.0.1:9877" → a connected socket, or -1.
int connect_to(const std::string& address)
{
    const auto colon = address.rfind(':');
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    if (colon == std::string::npos ||
        getaddrinfo(address.substr(0, colon).c_str(), address.substr(colon + 1).c_str(), &hints, &found) != 0) {
        return -1;
    }
    const int fd = ::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const timeval patience{.tv_sec = kDeadline.count(), .tv_usec = 0};
    const bool connected = fd >= 0 && ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == 0 &&
                           ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) == 0 &&
                           ::connect(fd, found->ai_addr, found->ai_addrlen) == 0;
    freeaddrinfo(found);
    if (!connected && fd >= 0) {
        ::close(fd);
    }
    return connected ? fd : -1;
}

// The body of http://ADDRESS/metrics, or nothing.
std::string get_metrics(const std::string& address)
{
    const int fd = connect_to(address);
    if (fd < 0) {
        return {};
    }
    const std::string request = "GET /metrics HTTP/1.0\r\nHost: " + address + "\r\n\r\n";
    std::string answer;
    if (::send(fd, request.data(), request.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(request.size())) {
        std::array<char, 65536> block{};
        ssize_t got = 0;
        while (answer.size() < kMostMetrics && (got = ::recv(fd, block.data(), block.size(), 0)) > 0) {
            answer.append(block.data(), static_cast<std::size_t>(got));
        }
    }
    ::close(fd);
    const auto body = answer.find("\r\n\r\n");
    const bool good = answer.starts_with("HTTP/") && answer.find(" 200 ") < answer.find("\r\n");
    return good && body != std::string::npos ? answer.substr(body + 4) : std::string();
}

// The end of a file, from the beginning of a line on.
std::string end_of(const std::string& path)
{
    std::ifstream file(path, std::ios::binary);
    file.seekg(0, std::ios::end);
    const std::streamoff size = file.tellg();
    file.seekg(std::max<std::streamoff>(0, size - kMostLog));
    std::string text(std::istreambuf_iterator<char>(file), {});
    return size > kMostLog ? text.substr(text.find('\n') + 1) : text;
}

// A folder of our own, gone with all in it.
class Folder {
public:
    Folder()
    {
        std::error_code error;
        std::string pattern = (std::filesystem::temp_directory_path(error) / "pinctl-XXXXXX").string();
        if (mkdtemp(pattern.data()) != nullptr) {
            path_ = pattern;
        }
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    ~Folder()
    {
        std::error_code ignored;
        if (!path_.empty()) {
            std::filesystem::remove_all(path_, ignored);
        }
    }

    // Empty: it could not be made.
    [[nodiscard]] const std::filesystem::path& path() const { return path_; }

private:
    std::filesystem::path path_;
};

bool run_tar(const std::string& archive, const std::string& folder)
{
    std::array<std::string, 8> words{
        "tar", "--create", "--gzip", "--owner=0", "--group=0", "--file=" + archive, "--directory=" + folder, kFolder};
    std::array<char*, words.size() + 1> arguments{};
    for (std::size_t i = 0; i < words.size(); ++i) {
        arguments.at(i) = words.at(i).data();
    }
    pid_t pid = 0;
    int status = 0;
    return ::posix_spawnp(&pid, "tar", nullptr, nullptr, arguments.data(), environ) == 0 &&
           ::waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace

void ask_for_support(const SupportCommand& command, const std::shared_ptr<grpc::Channel>& channel, SupportFacts& facts)
{
    if (channel) {
        const auto pins = v1::PinService::NewStub(channel);
        // An archive is sent by mail.
        constexpr std::uint64_t kMostPins = 10'000;
        PinsCommand with_stacks;
        with_stacks.stack = true;
        with_stacks.limit = kMostPins;
        v1::ListFailuresRequest failures_with_stacks;
        failures_with_stacks.set_include_stack(true);
        ask("status", facts.status, facts, [&](auto* context, auto* response) {
            return v1::StatusService::NewStub(channel)->GetStatus(context, {}, response);
        });
        ask("pins", facts.pins, facts, [&](auto* /*context*/, auto* response) {
            return list_pins(*pins, with_stacks, false, with_deadline, *response);
        });
        ask("policies", facts.policies, facts, [&](auto* context, auto* response) {
            return v1::PolicyService::NewStub(channel)->ListPolicies(context, {}, response);
        });
        ask("conflicts", facts.conflicts, facts, [&](auto* context, auto* response) {
            return v1::ConflictService::NewStub(channel)->ListConflicts(context, {}, response);
        });
        ask("holds", facts.holds, facts, [&](auto* context, auto* response) {
            return v1::HoldService::NewStub(channel)->ListHolds(context, {}, response);
        });
        ask("failures", facts.failures, facts,
            [&](auto* context, auto* response) { return pins->ListFailures(context, failures_with_stacks, response); });
        ask("notifiers", facts.notifiers, facts,
            [&](auto* context, auto* response) { return pins->ListNotifiers(context, {}, response); });
    } else {
        facts.left_out.emplace_back("all that only pinwardend knows: it was not reached, see doctor.txt");
    }
    facts.metrics = get_metrics(command.metrics_address);
    if (facts.metrics.empty()) {
        facts.left_out.push_back("metrics: nothing was got from http://" + command.metrics_address +
                                 "/metrics; --metrics-address says where they are");
    }
    if (command.log.empty()) {
        facts.left_out.emplace_back(
            "the log: it names files and processes; give it with --log, such as of `journalctl -u pinwardend`");
    } else {
        facts.log = end_of(command.log);
        if (facts.log.empty()) {
            facts.left_out.push_back("the log: " + command.log + " is empty, or cannot be read");
        }
    }
}

std::expected<void, std::string> write_archive(const std::string& path, const std::vector<SupportFile>& files)
{
    const std::string cannot = "cannot write " + visible(path) + ": ";
    const Folder folder;
    std::error_code error;
    if (folder.path().empty() || !std::filesystem::create_directory(folder.path() / kFolder, error)) {
        return std::unexpected(cannot + "no folder can be made for its files in " +
                               std::filesystem::temp_directory_path(error).string() + "; set TMPDIR to another");
    }
    for (const SupportFile& file : files) {
        std::ofstream out(folder.path() / kFolder / file.name, std::ios::binary);
        out << file.text << std::flush;
        if (!out) {
            return std::unexpected(cannot + "no room for its files in " + folder.path().parent_path().string() +
                                   "; set TMPDIR to another folder");
        }
    }
    // Before tar has it, so that nobody else may read it, and nothing is written over.
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        const int reason = errno;
        return std::unexpected(
            cannot + (reason == EEXIST ? "there is one already; name another with --output"
                                       : std::generic_category().message(reason) + "; --output names another place"));
    }
    ::close(fd);
    if (!run_tar(path, folder.path().string())) {
        std::filesystem::remove(path, error);
        return std::unexpected(cannot + "tar failed; is it installed, and is there room?");
    }
    return {};
}

}  // namespace pinwarden::cli

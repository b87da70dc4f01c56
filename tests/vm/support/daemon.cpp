#include "support/daemon.h"

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace pinwarden::test {
namespace {

std::unique_ptr<Daemon>& shared_daemon()
{
    static std::unique_ptr<Daemon> daemon;
    return daemon;
}

std::vector<std::string>& shared_options()
{
    static std::vector<std::string> options;
    return options;
}

}  // namespace

Daemon::Daemon(const std::vector<std::string>& options) : socket_(folder_.file("run/operator.sock"))
{
    std::vector<std::string> command{"pinwardend", "--socket", socket_};
    command.insert(command.end(), options.begin(), options.end());
    if (std::ranges::find(options, "--audit-log") == options.end()) {
        command.insert(command.end(), {"--audit-log", audit_log()});
    }
    const auto keeps = [](const std::string& option) { return option == "--state-dir" || option == "--no-state"; };
    if (std::ranges::none_of(options, keeps)) {
        command.insert(command.end(), {"--state-dir", folder_.file("state")});
    }
    process_.emplace(command, folder_.file("messages"));
    eventually(
        "pinwardend is ready",
        [this] {
            if (!process_->running()) {
                throw std::runtime_error("pinwardend did not start: " + messages());
            }
            return messages().find("pinwardend ready") != std::string::npos;
        },
        kStart);
    api_.emplace(socket_);
}

Daemon& Daemon::shared(const std::vector<std::string>& options)
{
    auto& daemon = shared_daemon();
    if (options != shared_options()) {
        stop_shared();
        shared_options() = options;
    }
    // What an earlier test left, and failed for, must not fail this one.
    if (daemon && daemon->api().status().pins() != 0) {
        daemon.reset();
    }
    if (!daemon) {
        daemon = std::make_unique<Daemon>(options);
    }
    return *daemon;
}

void Daemon::stop_shared()
{
    if (auto& daemon = shared_daemon()) {
        daemon->stop();
        daemon.reset();
    }
}

std::string Daemon::messages() const
{
    const std::ifstream file(folder_.file("messages"));
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

Metrics Daemon::metrics()
{
    const Outcome scrape = run({"curl", "-fsS", kMetricsUrl});
    if (scrape.status != 0) {
        throw std::runtime_error("scrape: " + scrape.err);
    }
    return Metrics(scrape.out);
}

Outcome Daemon::pinctl(const std::string& arguments) const
{
    return shell("pinctl --socket " + socket_ + " " + arguments);
}

void Daemon::wait_for_census()
{
    eventually("what was pinned before is known", [&] { return api_->status().pins() > 0; });
}

std::string Daemon::followed(const std::string& target, const std::string& hook)
{
    eventually(hook + " are followed", [&] {
        const auto status = api_->status();
        return std::ranges::any_of(status.hooks(),
                                   [&](const auto& one) { return one.name() == hook && one.attached(); });
    });
    return target;
}

void Daemon::expect_nothing_pinned()
{
    const auto status = api_->status();
    if (status.pins() != 0 || status.pinned_bytes() != 0) {
        throw std::runtime_error("something is still pinned:\n" + pinctl("status").out + pinctl("pins").out);
    }
}

void Daemon::stop()
{
    process_->signal(SIGTERM);
    const int status = process_->wait();
    if (status != 0) {
        throw std::runtime_error("pinwardend ended with status " + std::to_string(status) + ": " + messages());
    }
    if (std::filesystem::exists(socket_)) {
        throw std::runtime_error("pinwardend left its socket behind");
    }
}

}  // namespace pinwarden::test

// pinctl: asks pinwardend what is pinned and tells it what to do about it.
#include <google/protobuf/stubs/logging.h>
#include <grpc/support/log.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include "cli/client.h"
#include "cli/terminal.h"

namespace {

std::string environment(const char* name)
{
    const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): no thread has been started yet
    return value == nullptr ? "" : value;
}

}  // namespace

int main(int argc, char** argv)
{
    using namespace pinwarden::cli;  // NOLINT: this file is nothing else
    // `pinctl watch | head` ends quietly, even when started by a program that ignores SIGPIPE. SIGINT keeps its
    // default: every line is flushed, and the shell sees the usual 130.
    static_cast<void>(std::signal(SIGPIPE, SIG_DFL));
    // What they would say to standard error comes a second time, in our words.
    google::protobuf::SetLogHandler(nullptr);
    if (environment("GRPC_VERBOSITY").empty()) {
        gpr_set_log_function([](gpr_log_func_args* /*message*/) {});
    }
    const auto parsed = parse_arguments({argv + 1, argv + argc}, environment("PINWARDEN_SOCKET"),
                                        {.address = environment("PINWARDEN_ADDRESS"),
                                         .ca = environment("PINWARDEN_TLS_CA"),
                                         .certificate = environment("PINWARDEN_TLS_CERTIFICATE"),
                                         .key = environment("PINWARDEN_TLS_KEY")});
    if (const auto* early = std::get_if<Early>(&parsed)) {
        (early->exit_code == 0 ? std::cout : std::cerr) << early->text;
        return early->exit_code;
    }
    const bool terminal = ::isatty(STDOUT_FILENO) == 1 && environment("TERM") != "dumb";
    const auto columns = [told = environment("COLUMNS")] { return terminal_columns(STDOUT_FILENO, told); };
    const Style style{.colours = terminal && environment("NO_COLOR").empty(),
                      .terminal = terminal,
                      .columns = columns(),
                      .ellipsis = ellipsis_of_locale()};
    // Not where the answer goes through a pipe: what reads it may be on the same terminal.
    const bool progress = terminal && ::isatty(STDERR_FILENO) == 1;
    return run(std::get<Arguments>(parsed), {std::cin, std::cout, std::cerr, progress, columns}, style);
}

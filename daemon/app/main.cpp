#include <cstdio>

#include "app/daemon.h"
#include "app/options.h"
#include "app/service_notify.h"

namespace {

pinwarden::Result<void> run(const pinwarden::Options& options)
{
    if (options.probe) {
        return pinwarden::probe();
    }
    if (options.release_holds) {
        return pinwarden::release_holds();
    }
    if (options.release_kept) {
        return pinwarden::release_kept();
    }
    return pinwarden::run_daemon(options);
}

}  // namespace

int main(int count, char** arguments)
{
    const auto options = pinwarden::parse_options(count, arguments);
    if (!options) {
        std::fputs(options.error().text.c_str(), options.error().status == 0 ? stdout : stderr);
        return options.error().status;
    }
    const auto result = run(*options);
    if (!result) {
        // The journal takes <3> for the level of an error.
        std::fprintf(stderr, "%spinwardend: %s\n", pinwarden::stderr_is_journal() ? "<3>" : "",
                     result.error().message.c_str());
        return 1;
    }
    return 0;
}

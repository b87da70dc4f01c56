#include <cstdio>

#include "app/daemon.h"
#include "app/options.h"

int main(int count, char** arguments)
{
    const auto options = pinwarden::parse_options(count, arguments);
    if (!options) {
        std::fputs(options.error().text.c_str(), options.error().status == 0 ? stdout : stderr);
        return options.error().status;
    }
    const auto result = options->probe           ? pinwarden::probe()
                        : options->release_holds ? pinwarden::release_holds()
                        : options->release_kept  ? pinwarden::release_kept()
                                                 : pinwarden::run_daemon(*options);
    if (!result) {
        std::fprintf(stderr, "pinwardend: %s\n", result.error().message.c_str());
        return 1;
    }
    return 0;
}

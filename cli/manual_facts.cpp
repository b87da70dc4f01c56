#include "cli/manual_facts.h"

namespace pinwarden::cli {

ManualFacts pinctl_manual()
{
    return {
        .section = 1,
        .version = PINWARDEN_VERSION,
        .summary = "ask pinwardend what is pinned, and tell it what to do about it",
        .sections = {{"Exit status",
                      "0: done. 1: it failed, and standard error says why; for doctor: something is bad. 2: the "
                      "command line is "
                      "not understood. 3: an audit found that the daemon and the kernel differ."},
                     {"Environment",
                      "PINWARDEN_SOCKET: the daemon's socket, in place of the usual one.\n\n"
                      "NO_COLOR: set to anything, there are no colours, which there are on a terminal only.\n\n"
                      "COLUMNS: how wide the terminal is, in place of what it says itself; what is printed fits it, "
                      "unless --wide is given. Pipes and files always get everything.\n\n"
                      "LC_ALL, LC_CTYPE, LANG: whether an ellipsis is one character or three dots."},
                     {"Files",
                      "/run/pinwarden/operator.sock: where everything can be done; for members of the group "
                      "pinwarden-admin.\n\n"
                      "/run/pinwarden/reader.sock: where nothing can be changed; for members of the group pinwarden."}},
        .see_also = {"pinwardend(8)"}};
}

}  // namespace pinwarden::cli

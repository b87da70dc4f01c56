// What became of signals and of revocations, in one line each.
#pragma once

#include <pinwarden/v1/pinwarden.pb.h>

#include <string>

namespace pinwarden::cli {

// "SIGTERM sent to trainer[812] uid 1000 for truncate of /mnt/data/x, policy keep: revoke.then[0]"
std::string signal_text(const v1::Signal& signal);
// "1 owner let go for truncate of /mnt/data/x, policy keep: trainer[812] uid 1000 3.2s after SIGTERM"
std::string revocation_text(const v1::Revocation& revocation);

}  // namespace pinwarden::cli

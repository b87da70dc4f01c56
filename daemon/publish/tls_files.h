// The daemon's certificate, its key and the authority of its clients, read again when their files change.
#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <string>

#include "base/result.h"
#include "publish/role.h"

namespace pinwarden {

// What the files hold, as PEM.
struct TlsMaterial {
    std::string certificate;
    std::string key;
    std::string client_ca;

    bool operator==(const TlsMaterial&) const = default;
};

// Error: a file that cannot be read or holds something else; a key that is not the certificate's, wants a passphrase,
// or can be read by everybody. Whether a certificate has expired is for those to judge who are shown it.
Result<TlsMaterial> load_tls(const TlsFiles& files);

// Thread-safe.
class TlsReloader {
public:
    // `warn` gets one sentence for each state of the files that cannot be used.
    TlsReloader(TlsFiles files, std::function<void(const std::string&)> warn)
        : files_(std::move(files)), warn_(std::move(warn))
    {
    }

    // What the files hold, when that is something else than the last time; all three of it or nothing. Nothing also
    // when it cannot be used: what was answered before stays good.
    std::optional<TlsMaterial> news();

private:
    const TlsFiles files_;
    const std::function<void(const std::string&)> warn_;
    std::mutex mutex_;
    std::string seen_;  // which files, of which time, were read last
    std::optional<TlsMaterial> last_;
};

}  // namespace pinwarden

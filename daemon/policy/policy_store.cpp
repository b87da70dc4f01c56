#include "policy/policy_store.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>

#include "base/durable_file.h"
#include "policy/text_file.h"

namespace pinwarden {
namespace {

// PW_POLICIES of them are far below.
constexpr std::size_t kMaxStoreBytes = 64 * kMaxTextBytes;
constexpr int kMostPutAside = 1000;

bool exists(const std::string& path)
{
    struct stat there{};
    return lstat(path.c_str(), &there) == 0;
}

}  // namespace

PolicyStore::Loaded FilePolicyStore::load()
{
    const auto text = read_small_file(path_, kMaxStoreBytes);
    if (!text && (text.error().code == ENOENT || text.error().code == ENOTDIR)) {
        return {};
    }
    if (!text && text.error().code != EFBIG) {
        blocked_ = "what it held before could not be read (" + text.error().message + ")";
        return {.kept = {},
                .problem = "the policies that were kept are not in force: " + text.error().message +
                           "; make it readable and restart the daemon. Until then no change of policies is kept"};
    }
    auto kept = text ? parse_kept(*text) : std::unexpected(text.error());
    if (!kept) {
        return {.kept = {}, .problem = put_aside(kept.error().message)};
    }
    return {.kept = std::move(*kept), .problem = ""};
}

std::string FilePolicyStore::put_aside(const std::string& why)
{
    std::string aside = path_ + ".damaged";
    for (int number = 2; exists(aside) && number < kMostPutAside; ++number) {
        aside = path_ + ".damaged." + std::to_string(number);
    }
    const std::string damaged = "the policies that were kept are not in force: " + path_ + " is damaged: " + why;
    if (exists(aside) || std::rename(path_.c_str(), aside.c_str()) != 0) {
        blocked_ = "it is damaged and could not be moved aside";
        return damaged + "; it could not be moved aside, and no change of policies is kept until it is gone";
    }
    return damaged + "; it is now " + aside + ": mend it and apply it with `pinctl policy apply`";
}

Result<void> FilePolicyStore::save(const KeptPolicies& kept)
{
    if (!blocked_.empty()) {
        return fail("write " + path_ + ": " + blocked_, EIO);
    }
    return replace_file(path_, to_text(kept));
}

}  // namespace pinwarden

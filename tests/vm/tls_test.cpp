// The real daemon over TCP.
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <string>

#include "support/certificates.h"
#include "support/daemon.h"
#include "support/machine.h"

using namespace pinwarden;
using namespace pinwarden::test;

namespace {

constexpr const char* kAddress = "127.0.0.1:9878";

void write(const std::string& path, const std::string& text)
{
    std::ofstream(path) << text;
    std::filesystem::permissions(path, std::filesystem::perms{0600});
}

}  // namespace

TEST_CASE("over TCP a certificate's name is what counts, and is on record", "[tls]")
{
    Daemon::stop_shared();
    CHECK(shell("ss -Hltn 'sport = :9878'").out.empty());
    const TemporaryFolder folder;
    const Authority authority;
    const auto keep = [&](const std::string& name, const Identity& identity) {
        write(folder.file(name + ".pem"), identity.certificate);
        write(folder.file(name + ".key"), identity.key);
    };
    write(folder.file("ca.pem"), authority.certificate());
    keep("daemon", authority.issue("pinwardend", "IP:127.0.0.1"));
    keep("ops", authority.issue("x", "DNS:ops.example"));
    keep("looks", authority.issue("x", "DNS:dashboards.example"));
    keep("stranger", authority.issue("x", "DNS:else.example"));
    keep("expired", authority.issue("x", "DNS:ops.example", -1));
    write(folder.file("policy.yaml"), to_yaml({.name = "keep"}));

    Daemon daemon({"--tls-address", kAddress, "--tls-certificate", folder.file("daemon.pem"), "--tls-key",
                   folder.file("daemon.key"), "--tls-client-ca", folder.file("ca.pem"), "--tls-operator", "ops.example",
                   "--tls-reader", "dashboards.example", "--no-census"});
    CHECK(daemon.messages().find(kAddress) != std::string::npos);
    const auto pinctl = [&](const std::string& who, const std::string& words) {
        return shell("pinctl --address " + std::string(kAddress) + " --tls-ca " + folder.file("ca.pem") +
                     " --tls-certificate " + folder.file(who + ".pem") + " --tls-key " + folder.file(who + ".key") +
                     " " + words);
    };
    const std::string apply = "policy apply " + folder.file("policy.yaml");

    CHECK(pinctl("looks", "status").status == 0);
    CHECK(pinctl("looks", apply).status == 1);
    CHECK_THAT(pinctl("stranger", "status").err, Catch::Contains("no role belongs to this certificate"));
    CHECK(pinctl("expired", "status").status == 1);
    CHECK(daemon.api().policies().empty());
    const Outcome applied = pinctl("ops", apply);
    INFO(applied.err);
    CHECK(applied.status == 0);
    CHECK(daemon.api().policies().size() == 1);
    const auto records = daemon.api().audit_log("keep");
    REQUIRE_FALSE(records.empty());
    CHECK(records.front().asked_by().certificate() == "ops.example");
    CHECK(records.front().asked_by().address().starts_with("127.0.0.1:"));
    CHECK_THAT(pinctl("ops", "audit-log").out, Catch::Contains("asked by ops.example from 127.0.0.1:"));

    // Renewed without a restart; what is renewed wrongly is told, and changes nothing.
    const Authority next("next authority");
    keep("daemon", next.issue("pinwardend", "IP:127.0.0.1"));
    CHECK(pinctl("looks", "status").status == 1);
    write(folder.file("ca.pem"), next.certificate() + authority.certificate());
    CHECK(pinctl("looks", "status").status == 0);
    write(folder.file("daemon.key"), authority.issue("other").key);
    CHECK(pinctl("looks", "status").status == 0);
    CHECK_THAT(daemon.messages(), Catch::Contains("is not the key of the certificate"));
    daemon.api().remove("keep");
    daemon.stop();
}

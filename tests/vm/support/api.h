// The daemon's API and metrics, as a client sees them. A call that fails throws, with the daemon's message.
// Without gRPC's headers, which take longer to read than most tests to compile; api_stubs.h has them.
#pragma once

#include <pinwarden/v1/pinwarden.pb.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace pinwarden::test {

struct ApiStubs;

class Api {
public:
    explicit Api(const std::string& socket);
    Api(const Api&) = delete;
    Api& operator=(const Api&) = delete;
    Api(Api&& other) noexcept;
    Api& operator=(Api&& other) noexcept;
    ~Api();

    v1::GetStatusResponse status();
    std::vector<v1::Pin> pins();
    std::vector<v1::Notifier> notifiers();
    v1::ListPinsResponse list_pins(const v1::ListPinsRequest& request);
    v1::GroupPinsResponse group_pins(const v1::GroupPinsRequest& request);
    v1::ListFailuresResponse failures();

    // Answers with the generation in force.
    std::uint64_t apply(const std::string& yaml);
    // The message with which it was refused.
    std::string refuse(const std::string& yaml);
    std::uint64_t remove(const std::string& name);
    std::uint64_t set_mode(const std::string& name, v1::Mode mode);
    // What would become of the operation ("truncate:0") on the file; with a policy as YAML besides those in force.
    v1::TestPoliciesResponse test(const std::string& path, const std::string& operation, const std::string& yaml = "");
    std::vector<v1::PolicyStatus> policies();
    v1::PolicyStatus policy(const std::string& name);
    // "NAME STATE" of each, in the order of evaluation.
    std::vector<std::string> policy_states();
    // Whether a notice of the status says so.
    bool noticed(const std::string& what);

    std::vector<v1::HeldOperation> holds();

    v1::RunAuditResponse audit(const v1::RunAuditRequest& request = {});
    v1::RunCensusResponse census();
    // The same census as a stream: what it tells, in order.
    std::vector<v1::StreamCensusResponse> stream_census();

    // What the audit log's files have, of one policy unless empty.
    std::vector<v1::AuditRecord> audit_log(const std::string& policy = "");

    [[nodiscard]] ApiStubs& stubs() { return *stubs_; }

private:
    std::unique_ptr<ApiStubs> stubs_;
};

// A policy, as YAML.
struct PolicyText {
    std::string name = "test";
    std::string mode = "enforce";
    std::string operations = "truncate";
    std::string match = {};  // what else must match: "pin: {drivers: [vfio]}"
    std::string error = "EBUSY";
    std::string unresolved = "deny";
    std::string when_unattended = "release";
    std::string action = {};  // in place of a denial: "hold: {}"
};
std::string to_yaml(const PolicyText& policy);

// A policy that is in force as long as the object lives.
class AppliedPolicy {
public:
    explicit AppliedPolicy(Api& api, const PolicyText& policy = {}) : api_(api), name_(policy.name)
    {
        api_.apply(to_yaml(policy));
    }
    AppliedPolicy(const AppliedPolicy&) = delete;
    AppliedPolicy& operator=(const AppliedPolicy&) = delete;
    ~AppliedPolicy();

    [[nodiscard]] v1::PolicyStatus status() const { return api_.policy(name_); }

private:
    Api& api_;
    std::string name_;
};

// Everything that happens from the construction on.
class EventWatch {
public:
    explicit EventWatch(Api& api, const std::vector<v1::EventKind>& kinds = {}, bool own_pins = false);
    EventWatch(const EventWatch&) = delete;
    EventWatch& operator=(const EventWatch&) = delete;
    ~EventWatch();

    // The first event, also of the past, for which `wanted` holds; waits for it.
    v1::WatchEventsResponse wait_for(const std::string& what,
                                     const std::function<bool(const v1::WatchEventsResponse&)>& wanted);
    std::vector<v1::WatchEventsResponse> so_far();

private:
    struct Stream;

    std::unique_ptr<Stream> stream_;
};

// One scrape of /metrics.
class Metrics {
public:
    using Labels = std::map<std::string, std::string>;

    explicit Metrics(std::string text);

    // Sum over all series of that name whose labels include these; 0 when there is none.
    [[nodiscard]] double sum(const std::string& name, const Labels& labels = {}) const;
    [[nodiscard]] bool has(const std::string& name, const Labels& labels = {}) const;
    [[nodiscard]] const std::string& text() const { return text_; }

private:
    struct Series {
        std::string name;
        Labels labels;
        double value = 0;
    };
    std::string text_;
    std::vector<Series> series_;
};

}  // namespace pinwarden::test

#include "support/api.h"

#include <algorithm>
#include <climits>
#include <condition_variable>
#include <mutex>
#include <sstream>
#include <stdexcept>
#include <thread>
#include <utility>

#include "support/api_stubs.h"
#include "support/process.h"

namespace pinwarden::test {
namespace {

void expect_ok(const grpc::Status& status, const std::string& what)
{
    if (!status.ok()) {
        throw std::runtime_error(what + ": " + status.error_message());
    }
}

std::shared_ptr<grpc::Channel> connect(const std::string& socket)
{
    grpc::ChannelArguments arguments;
    arguments.SetMaxReceiveMessageSize(INT_MAX);
    return grpc::CreateCustomChannel("unix:" + socket, grpc::InsecureChannelCredentials(), arguments);
}

// A call that hangs is a failure as well.
struct Context : grpc::ClientContext {
    Context() { set_deadline(std::chrono::system_clock::now() + kDeadline); }
};

// A host that runs several emulated machines at once may keep one of them from its work for seconds. That a pipeline
// answers is another test's to ask.
template <class Call>
void ask_pipeline(const std::string& what, const Call& call)
{
    const auto end = std::chrono::steady_clock::now() + kDeadline;
    grpc::Status status = call();
    while (status.error_message().find("the pipeline did not answer") != std::string::npos &&
           std::chrono::steady_clock::now() < end) {
        status = call();
    }
    expect_ok(status, what);
}

bool includes(const Metrics::Labels& all, const Metrics::Labels& wanted)
{
    return std::ranges::all_of(wanted, [&](const auto& label) {
        const auto found = all.find(label.first);
        return found != all.end() && found->second == label.second;
    });
}

// name="value",name="value": no value of ours has a quote or a comma in it.
Metrics::Labels parse_labels(const std::string& text)
{
    Metrics::Labels labels;
    std::istringstream parts(text);
    for (std::string part; std::getline(parts, part, ',');) {
        const auto equals = part.find('=');
        if (equals != std::string::npos) {
            labels[part.substr(0, equals)] = part.substr(equals + 2, part.size() - equals - 3);
        }
    }
    return labels;
}

grpc::Status try_apply(ApiStubs& stubs, const std::string& yaml, v1::ApplyPolicyResponse& response)
{
    Context context;
    v1::ApplyPolicyRequest request;
    request.set_yaml(yaml);
    request.set_source("test.yaml");
    return stubs.policies->ApplyPolicy(&context, request, &response);
}

}  // namespace

Api::Api(const std::string& socket) : stubs_(std::make_unique<ApiStubs>(connect(socket))) {}

Api::Api(Api&& other) noexcept = default;
Api& Api::operator=(Api&& other) noexcept = default;
Api::~Api() = default;

v1::GetStatusResponse Api::status()
{
    Context context;
    v1::GetStatusResponse response;
    expect_ok(stubs_->status->GetStatus(&context, {}, &response), "GetStatus");
    return response;
}

std::vector<v1::HeldOperation> Api::holds()
{
    v1::ListHoldsResponse response;
    ask_pipeline("ListHolds", [&] {
        Context context;
        return stubs_->holds->ListHolds(&context, {}, &response);
    });
    return {response.holds().begin(), response.holds().end()};
}

v1::RunAuditResponse Api::audit(const v1::RunAuditRequest& request)
{
    Context context;
    v1::RunAuditResponse response;
    expect_ok(stubs_->audits->RunAudit(&context, request, &response), "RunAudit");
    return response;
}

std::vector<v1::AuditRecord> Api::audit_log(const std::string& policy)
{
    v1::WatchAuditLogRequest request;
    request.set_policy(policy);
    Context context;
    const auto reader = stubs_->audit_log->WatchAuditLog(&context, request);
    std::vector<v1::AuditRecord> records;
    v1::WatchAuditLogResponse response;
    while (reader->Read(&response)) {
        if (response.has_record()) {
            records.push_back(response.record());
        }
    }
    expect_ok(reader->Finish(), "read the audit log");
    return records;
}

std::vector<std::string> Api::policy_states()
{
    std::vector<std::string> all;
    for (const auto& one : policies()) {
        all.push_back(one.policy().name() + " " + one.state());
    }
    return all;
}

bool Api::noticed(const std::string& what)
{
    const auto now = status();
    return std::ranges::any_of(now.notices(),
                               [&](const auto& notice) { return notice.find(what) != std::string::npos; });
}

std::vector<v1::StreamCensusResponse> Api::stream_census()
{
    Context context;
    const auto reader = stubs_->audits->StreamCensus(&context, {});
    std::vector<v1::StreamCensusResponse> steps;
    v1::StreamCensusResponse step;
    while (reader->Read(&step)) {
        steps.push_back(step);
    }
    expect_ok(reader->Finish(), "StreamCensus");
    return steps;
}

v1::RunCensusResponse Api::census()
{
    Context context;
    v1::RunCensusResponse response;
    expect_ok(stubs_->audits->RunCensus(&context, {}, &response), "RunCensus");
    return response;
}

std::vector<v1::Notifier> Api::notifiers()
{
    v1::ListNotifiersResponse response;
    ask_pipeline("ListNotifiers", [&] {
        Context context;
        return stubs_->pins->ListNotifiers(&context, {}, &response);
    });
    return {response.notifiers().begin(), response.notifiers().end()};
}

v1::ListPinsResponse Api::list_pins(const v1::ListPinsRequest& request)
{
    v1::ListPinsResponse response;
    ask_pipeline("ListPins", [&] {
        Context context;
        return stubs_->pins->ListPins(&context, request, &response);
    });
    return response;
}

v1::GroupPinsResponse Api::group_pins(const v1::GroupPinsRequest& request)
{
    v1::GroupPinsResponse response;
    ask_pipeline("GroupPins", [&] {
        Context context;
        return stubs_->pins->GroupPins(&context, request, &response);
    });
    return response;
}

v1::ListFailuresResponse Api::failures()
{
    v1::ListFailuresResponse response;
    ask_pipeline("ListFailures", [&] {
        Context context;
        return stubs_->pins->ListFailures(&context, {}, &response);
    });
    return response;
}

std::vector<v1::Pin> Api::pins()
{
    std::vector<v1::Pin> pins;
    v1::ListPinsRequest request;
    do {
        const auto page = list_pins(request);
        pins.insert(pins.end(), page.pins().begin(), page.pins().end());
        request.set_page_token(page.next_page_token());
    } while (!request.page_token().empty());
    return pins;
}

std::uint64_t Api::apply(const std::string& yaml)
{
    v1::ApplyPolicyResponse response;
    expect_ok(try_apply(*stubs_, yaml, response), "ApplyPolicy");
    return response.generation();
}

std::string Api::refuse(const std::string& yaml)
{
    v1::ApplyPolicyResponse response;
    const auto status = try_apply(*stubs_, yaml, response);
    if (status.ok()) {
        throw std::runtime_error("this policy was to be refused:\n" + yaml);
    }
    return status.error_message();
}

std::uint64_t Api::remove(const std::string& name)
{
    Context context;
    v1::DeletePolicyRequest request;
    request.set_name(name);
    v1::DeletePolicyResponse response;
    expect_ok(stubs_->policies->DeletePolicy(&context, request, &response), "DeletePolicy");
    return response.generation();
}

std::uint64_t Api::set_mode(const std::string& name, v1::Mode mode)
{
    Context context;
    v1::SetPolicyModeRequest request;
    request.set_name(name);
    request.set_mode(mode);
    v1::SetPolicyModeResponse response;
    expect_ok(stubs_->policies->SetPolicyMode(&context, request, &response), "SetPolicyMode");
    return response.generation();
}

v1::TestPoliciesResponse Api::test(const std::string& path, const std::string& operation, const std::string& yaml)
{
    Context context;
    v1::TestPoliciesRequest request;
    request.set_path(path);
    request.set_operation(operation);
    if (!yaml.empty()) {
        request.add_texts()->set_yaml(yaml);
    }
    v1::TestPoliciesResponse response;
    expect_ok(stubs_->policies->TestPolicies(&context, request, &response), "TestPolicies");
    return response;
}

std::vector<v1::PolicyStatus> Api::policies()
{
    v1::ListPoliciesResponse response;
    ask_pipeline("ListPolicies", [&] {
        Context context;
        return stubs_->policies->ListPolicies(&context, {}, &response);
    });
    return {response.policies().begin(), response.policies().end()};
}

v1::PolicyStatus Api::policy(const std::string& name)
{
    for (const auto& status : policies()) {
        if (status.policy().name() == name) {
            return status;
        }
    }
    throw std::runtime_error("there is no policy " + name);
}

std::string to_yaml(const PolicyText& policy)
{
    const std::string action = policy.action.empty() ? "deny: {errno: " + policy.error + "}" : policy.action;
    return "name: " + policy.name + "\nmode: " + policy.mode + "\nmatch: {operations: [" + policy.operations + "]" +
           (policy.match.empty() ? "" : ", " + policy.match) + "}\naction: {" + action +
           "}\nunresolved: " + policy.unresolved + "\nwhen_unattended: " + policy.when_unattended + "\n";
}

AppliedPolicy::~AppliedPolicy()
{
    try {
        api_.remove(name_);
    } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch): the test took it away itself
    }
}

struct EventWatch::Stream {
    grpc::ClientContext context;
    std::unique_ptr<grpc::ClientReader<v1::WatchEventsResponse>> reader;
    std::mutex mutex;
    std::condition_variable arrived;
    std::vector<v1::WatchEventsResponse> events;
    std::thread thread;

    void read()
    {
        v1::WatchEventsResponse event;
        while (reader->Read(&event)) {
            const std::scoped_lock lock(mutex);
            events.push_back(event);
            arrived.notify_all();
        }
    }
};

EventWatch::EventWatch(Api& api, const std::vector<v1::EventKind>& kinds, bool own_pins)
    : stream_(std::make_unique<Stream>())
{
    v1::WatchEventsRequest request;
    request.set_own_pins(own_pins);
    for (const auto kind : kinds) {
        request.add_kinds(kind);
    }
    stream_->reader = api.stubs().pins->WatchEvents(&stream_->context, request);
    // The daemon's word that nothing is missed from here on.
    stream_->reader->WaitForInitialMetadata();
    stream_->thread = std::thread([stream = stream_.get()] { stream->read(); });
}

EventWatch::~EventWatch()
{
    stream_->context.TryCancel();
    stream_->thread.join();
    [[maybe_unused]] const auto cancelled = stream_->reader->Finish();
}

v1::WatchEventsResponse EventWatch::wait_for(const std::string& what,
                                             const std::function<bool(const v1::WatchEventsResponse&)>& wanted)
{
    std::unique_lock lock(stream_->mutex);
    auto found = stream_->events.end();
    const bool there = stream_->arrived.wait_for(lock, kDeadline, [&] {
        found = std::ranges::find_if(stream_->events, wanted);
        return found != stream_->events.end();
    });
    if (!there) {
        throw std::runtime_error("no such event: " + what);
    }
    return *found;
}

std::vector<v1::WatchEventsResponse> EventWatch::so_far()
{
    const std::scoped_lock lock(stream_->mutex);
    return stream_->events;
}

Metrics::Metrics(std::string text) : text_(std::move(text))
{
    std::istringstream lines(text_);
    for (std::string line; std::getline(lines, line);) {
        if (line.empty() || line.starts_with('#')) {
            continue;
        }
        const auto value_at = line.rfind(' ');
        const auto brace = line.find('{');
        Series series;
        series.name = line.substr(0, std::min(brace, value_at));
        if (brace != std::string::npos) {
            series.labels = parse_labels(line.substr(brace + 1, line.rfind('}') - brace - 1));
        }
        series.value = std::stod(line.substr(value_at));
        series_.push_back(std::move(series));
    }
}

double Metrics::sum(const std::string& name, const Labels& labels) const
{
    double total = 0;
    for (const Series& series : series_) {
        total += series.name == name && includes(series.labels, labels) ? series.value : 0;
    }
    return total;
}

bool Metrics::has(const std::string& name, const Labels& labels) const
{
    return std::ranges::any_of(
        series_, [&](const Series& series) { return series.name == name && includes(series.labels, labels); });
}

}  // namespace pinwarden::test

#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/time_util.h>

#include <cmath>
#include <cstdint>
#include <string>

#include "publish/convert.h"

namespace pinwarden {
namespace {

using google::protobuf::Struct;
using google::protobuf::Value;
using google::protobuf::util::TimeUtil;

const Value* find(const Struct& json, const std::string& field)
{
    const auto found = json.fields().find(field);
    return found == json.fields().end() ? nullptr : &found->second;
}

std::string text(const Struct& json, const std::string& field)
{
    const Value* value = find(json, field);
    return value == nullptr ? std::string() : value->string_value();
}

std::optional<std::uint64_t> number(const Struct& json, const std::string& field)
{
    constexpr double kBeyond = 18446744073709551616.0;
    const Value* value = find(json, field);
    if (value == nullptr || value->kind_case() != Value::kNumberValue || !(value->number_value() >= 0) ||
        value->number_value() >= kBeyond) {
        return std::nullopt;
    }
    return static_cast<std::uint64_t>(value->number_value());
}

std::uint64_t number_or_zero(const Struct& json, const std::string& field)
{
    return number(json, field).value_or(0);
}

std::uint32_t small_number(const Struct& json, const std::string& field)
{
    return static_cast<std::uint32_t>(number_or_zero(json, field));
}

// Empty where it is absent, or no object.
const Struct& object(const Struct& json, const std::string& field)
{
    const Value* value = find(json, field);
    return value == nullptr ? Struct::default_instance() : value->struct_value();
}

bool has_object(const Struct& json, const std::string& field)
{
    const Value* value = find(json, field);
    return value != nullptr && value->has_struct_value();
}

void set_process(const Struct& json, v1::Process& out)
{
    out.set_pid(small_number(json, "pid"));
    if (const auto uid = number(json, "uid")) {
        out.set_uid(static_cast<std::uint32_t>(*uid));
    }
    out.set_comm(text(json, "comm"));
    out.set_executable(text(json, "executable"));
    out.set_cgroup_path(text(json, "cgroup"));
}

void set_evidence(const Struct& json, v1::AuditRecord& out)
{
    out.set_operation(text(json, "operation"));
    out.set_file(text(json, "file"));
    const Struct& range = object(json, "range");
    out.set_first_page(number_or_zero(range, "first_page"));
    out.set_end_page(number_or_zero(range, "end_page"));
    set_process(object(json, "caller"), *out.mutable_caller());
    out.set_pin_count(number_or_zero(json, "pin_count"));
    out.set_pinned_bytes(number_or_zero(json, "bytes"));
}

void set_action(const Struct& json, v1::AuditRecord& out)
{
    // Of a signal it is more than a word.
    out.set_action(has_object(json, "action") ? text(object(json, "action"), "signal") : text(json, "action"));
    if (has_object(json, "asked_by")) {
        const Struct& requester = object(json, "asked_by");
        out.mutable_asked_by()->set_uid(small_number(requester, "uid"));
        out.mutable_asked_by()->set_pid(small_number(requester, "pid"));
        out.mutable_asked_by()->set_certificate(text(requester, "certificate"));
        out.mutable_asked_by()->set_address(text(requester, "address"));
    }
}

void set_policies(const Struct& json, v1::AuditRecord& out)
{
    const Value* policies = find(json, "policies");
    if (policies == nullptr) {
        return;
    }
    for (const Value& value : policies->list_value().values()) {
        const Struct& policy = value.struct_value();
        v1::AuditPolicyChange& change = *out.add_policies();
        change.set_name(text(policy, "name"));
        change.set_mode_before(text(policy, "mode_before"));
        change.set_mode(text(policy, "mode"));
        change.set_source(text(policy, "source"));
    }
}

}  // namespace

std::optional<v1::AuditRecord> audit_record_from_line(const std::string& line)
{
    Struct json;
    v1::AuditRecord out;
    if (!line.starts_with('{') || !google::protobuf::util::JsonStringToMessage(line, &json).ok() ||
        !TimeUtil::FromString(text(json, "time"), out.mutable_time()) || !number(json, "id") ||
        text(json, "phase").empty()) {
        return std::nullopt;
    }
    out.set_id(*number(json, "id"));
    // At first there were signals only, and no word for it.
    out.set_kind(find(json, "kind") == nullptr ? "signal" : text(json, "kind"));
    out.set_phase(text(json, "phase"));
    out.set_policy(text(json, "policy"));
    out.set_rule(text(json, "rule"));
    out.set_generation(number_or_zero(json, "generation"));
    out.set_generation_before(number_or_zero(json, "generation_before"));
    set_action(json, out);
    set_policies(json, out);
    if (has_object(json, "victim")) {
        set_process(object(json, "victim"), *out.mutable_victim());
    }
    if (has_object(json, "evidence")) {
        set_evidence(object(json, "evidence"), out);
    }
    out.set_hold(number_or_zero(json, "hold"));
    out.set_revocation(number_or_zero(json, "revocation"));
    out.set_outcome(text(json, "outcome"));
    out.set_reason(text(json, "reason"));
    out.set_error(text(json, "error"));
    if (const auto took = number(json, "took_ns")) {
        *out.mutable_took() = TimeUtil::NanosecondsToDuration(static_cast<std::int64_t>(*took));
    }
    out.set_left_out(number_or_zero(json, "left_out"));
    out.set_json(line);
    return out;
}

}  // namespace pinwarden

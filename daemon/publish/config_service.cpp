#include "publish/config_service.h"

#include <google/protobuf/util/time_util.h>

#include "publish/convert.h"
#include "publish/status.h"

namespace pinwarden {
namespace {

v1::ConfigSource source_to_proto(OptionOrigin::From from)
{
    switch (from) {
        case OptionOrigin::From::kDefault: return v1::CONFIG_SOURCE_DEFAULT;
        case OptionOrigin::From::kFlag: return v1::CONFIG_SOURCE_FLAG;
        case OptionOrigin::From::kFile: return v1::CONFIG_SOURCE_FILE;
    }
    return v1::CONFIG_SOURCE_UNSPECIFIED;
}

// To a ConfigOption, or to a ConfigPending.
template <typename Message>
void fill(const OptionValue& value, Message& message)
{
    for (const std::string& text : value.values) {
        message.add_values(valid_utf8(text));
    }
    v1::ConfigOrigin& origin = *message.mutable_origin();
    origin.set_source(source_to_proto(value.origin.from));
    origin.set_file(valid_utf8(value.origin.file));
    origin.set_line(static_cast<std::uint32_t>(value.origin.line));
    origin.set_column(static_cast<std::uint32_t>(value.origin.column));
}

}  // namespace

v1::GetConfigResponse config_to_proto(const ConfigView& view)
{
    v1::GetConfigResponse response;
    for (const OptionView& option : view.options) {
        v1::ConfigOption& added = *response.add_options();
        added.set_name(option.name);
        added.set_at_run_time(option.at_run_time);
        fill(option.in_force, added);
        if (option.after_restart) {
            fill(*option.after_restart, *added.mutable_after_restart());
        }
    }
    for (const std::string& file : view.files) {
        response.add_files(valid_utf8(file));
    }
    for (const std::string& path : view.policy_paths) {
        response.add_policy_paths(valid_utf8(path));
    }
    if (view.last_reload) {
        v1::ConfigReload& reload = *response.mutable_last_reload();
        *reload.mutable_time() =
            google::protobuf::util::TimeUtil::NanosecondsToTimestamp(static_cast<std::int64_t>(view.last_reload->time));
        reload.set_applied(view.last_reload->applied);
        for (const std::string& message : view.last_reload->messages) {
            reload.add_messages(valid_utf8(message));
        }
    }
    return response;
}

grpc::Status ConfigService::GetConfig(const grpc::ServerContextBase& /*context*/,
                                      const v1::GetConfigRequest& /*request*/, v1::GetConfigResponse& response)
{
    if (source_ == nullptr) {
        return refuse({.code = grpc::StatusCode::FAILED_PRECONDITION,
                       .reason = reason::kNotServed,
                       .message = "this pinwardend tells nothing of its configuration",
                       .subject = {.type = "configuration"}});
    }
    response = config_to_proto(source_->config());
    return grpc::Status::OK;
}

}  // namespace pinwarden

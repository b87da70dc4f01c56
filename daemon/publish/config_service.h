// GetConfig: the configuration in force.
#pragma once

#include <pinwarden/v1/config.grpc.pb.h>

#include "publish/config_view.h"
#include "publish/unary_calls.h"

namespace pinwarden {

class ConfigService final : public v1::ConfigService::CallbackService {
public:
    // nullptr: there is nothing to be told. What it points to must outlive this.
    ConfigService(UnaryCalls& calls, const ConfigSource* source) : calls_(calls), source_(source) {}

    grpc::ServerUnaryReactor* GetConfig(grpc::CallbackServerContext* context, const v1::GetConfigRequest* request,
                                        v1::GetConfigResponse* response) override
    {
        return calls_.answer(*context, *request, *response, *this, &ConfigService::GetConfig);
    }

private:
    grpc::Status GetConfig(const grpc::ServerContextBase& context, const v1::GetConfigRequest& request,
                           v1::GetConfigResponse& response);

    UnaryCalls& calls_;
    const ConfigSource* source_;
};

// Paths and values become UTF-8.
v1::GetConfigResponse config_to_proto(const ConfigView& view);

}  // namespace pinwarden

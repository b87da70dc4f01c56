// GetConfig: the configuration in force.
#pragma once

#include <pinwarden/v1/config.grpc.pb.h>

#include "publish/config_view.h"

namespace pinwarden {

class ConfigService final : public v1::ConfigService::Service {
public:
    // nullptr: there is nothing to be told. What it points to must outlive this.
    explicit ConfigService(const ConfigSource* source) : source_(source) {}

    grpc::Status GetConfig(grpc::ServerContext* context, const v1::GetConfigRequest* request,
                           v1::GetConfigResponse* response) override;

private:
    const ConfigSource* source_;
};

// Paths and values become UTF-8.
v1::GetConfigResponse config_to_proto(const ConfigView& view);

}  // namespace pinwarden

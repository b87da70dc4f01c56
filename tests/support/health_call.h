// Listens to grpc.health.v1.Health without its protos.
#pragma once

#include <stdexcept>
#include <string>

#include "support/raw_call.h"

namespace pinwarden::test {

// The numbers of HealthCheckResponse.ServingStatus.
enum class Serving { kServing = 1, kNotServing = 2, kUnknownService = 3 };

// What the server says of one service, now and whenever it changes. Fails after twenty seconds.
class HealthWatch {
public:
    HealthWatch(const std::string& socket, const std::string& service)
        // HealthCheckRequest{service}: field 1, a string shorter than 128 bytes.
        : call_(socket, "/grpc.health.v1.Health/Watch",
                service.empty() ? "" : "\x0a" + std::string(1, static_cast<char>(service.size())) + service)
    {
    }

    Serving next()
    {
        const auto answer = call_.next();
        // HealthCheckResponse{status}: field 1, an enumeration.
        if (!answer || answer->size() != 2) {
            throw std::runtime_error("the health service did not answer");
        }
        return static_cast<Serving>(answer->at(1));
    }
    // Returns when the server says so.
    void wait_for(Serving wanted)
    {
        while (next() != wanted) {
        }
    }

private:
    RawCall call_;
};

inline Serving health_of(const std::string& socket, const std::string& service)
{
    return HealthWatch(socket, service).next();
}

}  // namespace pinwarden::test

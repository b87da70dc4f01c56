// Asks grpc.health.v1.Health without its protos.
#pragma once

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <stdexcept>
#include <string>
#include <vector>

namespace pinwarden::test {

enum class Serving { kUnknownService, kServing, kNotServing };

inline Serving health_of(const std::string& socket, const std::string& service)
{
    constexpr std::chrono::seconds kPatience{20};
    grpc::GenericStub stub(grpc::CreateChannel("unix:" + socket, grpc::InsecureChannelCredentials()));
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kPatience);
    grpc::CompletionQueue queue;
    // HealthCheckRequest{service}: field 1, a string shorter than 128 bytes.
    const std::string request =
        service.empty() ? "" : "\x0a" + std::string(1, static_cast<char>(service.size())) + service;
    const grpc::Slice slice(request);
    grpc::ByteBuffer answer;
    grpc::Status status;
    const auto call =
        stub.PrepareUnaryCall(&context, "/grpc.health.v1.Health/Check", grpc::ByteBuffer(&slice, 1), &queue);
    call->StartCall();
    call->Finish(&answer, &status, nullptr);
    void* tag = nullptr;
    bool ok = false;
    queue.Next(&tag, &ok);
    if (status.error_code() == grpc::StatusCode::NOT_FOUND) {
        return Serving::kUnknownService;
    }
    std::vector<grpc::Slice> slices;
    if (!status.ok() || !answer.Dump(&slices).ok() || slices.empty() || slices.front().size() != 2) {
        throw std::runtime_error("the health service failed: " + status.error_message());
    }
    // HealthCheckResponse{status}: field 1, an enumeration; 1 is SERVING.
    return slices.front().begin()[1] == 1 ? Serving::kServing : Serving::kNotServing;
}

}  // namespace pinwarden::test

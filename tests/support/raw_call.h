// A call of any method of any service, in bytes: for services whose protos are not at hand, and for all methods alike.
#pragma once

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace pinwarden::test {

// One request, any number of answers. Ends after twenty seconds, with DEADLINE_EXCEEDED.
class RawCall {
public:
    // `method`: "/package.Service/Method".
    RawCall(const std::string& socket, const std::string& method, const std::string& request)
        : RawCall(grpc::CreateChannel("unix:" + socket, grpc::InsecureChannelCredentials()), method, request)
    {
    }
    RawCall(const std::shared_ptr<grpc::Channel>& channel, const std::string& method, const std::string& request)
        : client_(channel)
    {
        constexpr std::chrono::seconds kPatience{20};
        context_.set_deadline(std::chrono::system_clock::now() + kPatience);
        call_ = client_.PrepareCall(&context_, method, &queue_);
        call_->StartCall(nullptr);
        done();
        const grpc::Slice slice(request);
        call_->WriteLast(grpc::ByteBuffer(&slice, 1), {}, nullptr);
        done();
    }
    RawCall(const RawCall&) = delete;
    RawCall& operator=(const RawCall&) = delete;
    ~RawCall()
    {
        if (!ended_) {
            cancel();
            end();
        }
    }

    // Nothing: there are no more.
    std::optional<std::string> next()
    {
        grpc::ByteBuffer answer;
        call_->Read(&answer, nullptr);
        std::vector<grpc::Slice> slices;
        if (!done() || !answer.Dump(&slices).ok()) {
            return std::nullopt;
        }
        std::string bytes;
        for (const grpc::Slice& slice : slices) {
            bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
        }
        return bytes;
    }
    // Until the server has let the call in, or has refused it.
    void wait_for_answer()
    {
        call_->ReadInitialMetadata(nullptr);
        done();
    }
    void cancel() { context_.TryCancel(); }
    // Waits for the end, whatever is answered until then. Once.
    grpc::Status end()
    {
        while (next()) {
        }
        grpc::Status status;
        call_->Finish(&status, nullptr);
        done();
        ended_ = true;
        return status;
    }

private:
    bool done()
    {
        void* tag = nullptr;
        bool ok = false;
        return queue_.Next(&tag, &ok) && ok;
    }

    grpc::GenericStub client_;  // what gRPC calls a client of any service
    grpc::CompletionQueue queue_;
    grpc::ClientContext context_;
    std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call_;
    bool ended_ = false;
};

}  // namespace pinwarden::test

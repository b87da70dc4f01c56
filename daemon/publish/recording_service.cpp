#include "publish/recording_service.h"

#include <grpcpp/grpcpp.h>

#include <chrono>

#include "publish/status.h"

namespace pinwarden {
namespace {

constexpr std::chrono::seconds kMarkEvery{1};
constexpr std::chrono::milliseconds kLook{100};

// What is recorded for nobody costs time and memory.
class Ended {
public:
    Ended(RecordingSource& source, Tape& tape) : source_(source), tape_(tape) {}
    Ended(const Ended&) = delete;
    Ended& operator=(const Ended&) = delete;
    ~Ended() { source_.stop(tape_); }

private:
    RecordingSource& source_;
    Tape& tape_;
};

}  // namespace

grpc::Status RecordingService::Record(grpc::ServerContext* context, const v1::RecordRequest* /*request*/,
                                      grpc::ServerWriter<v1::RecordResponse>* writer)
{
    if (grpc::Status allowed = access_.only_operators(*context); !allowed.ok()) {
        return allowed;
    }
    if (source_ == nullptr) {
        return refuse({.code = grpc::StatusCode::FAILED_PRECONDITION,
                       .reason = reason::kNotServed,
                       .message = "there is nothing to record here"});
    }
    const auto tape = source_->start();
    if (!tape) {
        return to_status(tape.error());
    }
    const Ended ended(*source_, **tape);
    auto next_mark = std::chrono::steady_clock::now();
    while (!context->IsCancelled()) {
        if (stopping_) {
            return refuse({.code = grpc::StatusCode::UNAVAILABLE,
                           .reason = reason::kStopping,
                           .message = "the daemon is stopping"});
        }
        if (const auto now = std::chrono::steady_clock::now(); now >= next_mark) {
            // It reads the kernel's side of health, which the mark is to have.
            if (const auto health = pipeline_.snapshot(); !health) {
                return to_status(health.error());
            }
            source_->mark();
            next_mark = now + kMarkEvery;
        }
        if (const auto part = (*tape)->take(kLook); part && !writer->Write(*part)) {
            break;
        }
    }
    return grpc::Status::CANCELLED;
}

}  // namespace pinwarden

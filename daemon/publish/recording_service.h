// RecordingService: hands a tape to the client who records.
#pragma once

#include <pinwarden/v1/recording.grpc.pb.h>

#include <atomic>
#include <memory>

#include "base/result.h"
#include "publish/access.h"
#include "publish/snapshot.h"
#include "recording/tape.h"

namespace pinwarden {

// Where recordings come from. Asked by the serving threads.
class RecordingSource {
public:
    RecordingSource() = default;
    RecordingSource(const RecordingSource&) = delete;
    RecordingSource& operator=(const RecordingSource&) = delete;
    virtual ~RecordingSource() = default;

    // From now on everything goes on this tape. Error EUSERS: somebody else records.
    virtual Result<std::shared_ptr<Tape>> start() = 0;
    // Puts on the tape, behind all that came so far, what the daemon makes of it.
    virtual void mark() = 0;
    // Nothing goes on that tape any more, whoever else has begun to record meanwhile.
    virtual void stop(Tape& tape) = 0;
};

class RecordingService final : public v1::RecordingService::Service {
public:
    // `source`: nullptr: there is nothing to record. All must outlive it.
    RecordingService(RecordingSource* source, Pipeline& pipeline, const Access& access)
        : source_(source), pipeline_(pipeline), access_(access)
    {
    }

    grpc::Status Record(grpc::ServerContext* context, const v1::RecordRequest* request,
                        grpc::ServerWriter<v1::RecordResponse>* writer) override;
    // Ends what is under way.
    void stop() { stopping_ = true; }

private:
    RecordingSource* source_;
    Pipeline& pipeline_;
    const Access& access_;
    std::atomic<bool> stopping_ = false;
};

}  // namespace pinwarden

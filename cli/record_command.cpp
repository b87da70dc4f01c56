#include <pinwarden/v1/pinctl.pb.h>
#include <pinwarden/v1/recording.grpc.pb.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <iostream>

#include "cli/commands.h"
#include "cli/render.h"
#include "recording/recording_file.h"

namespace pinwarden::cli {
namespace {

volatile std::sig_atomic_t interrupted = 0;

// The first Ctrl-C ends the recording at its next state; the second one ends pinctl.
class UntilInterrupted {
public:
    UntilInterrupted()
    {
        struct sigaction action{};
        action.sa_handler = [](int /*signal*/) { interrupted = 1; };
        action.sa_flags = static_cast<int>(SA_RESETHAND);
        sigaction(SIGINT, &action, &interrupt_);
        sigaction(SIGTERM, &action, &terminate_);
    }
    UntilInterrupted(const UntilInterrupted&) = delete;
    UntilInterrupted& operator=(const UntilInterrupted&) = delete;
    ~UntilInterrupted()
    {
        sigaction(SIGINT, &interrupt_, nullptr);
        sigaction(SIGTERM, &terminate_, nullptr);
    }

private:
    struct sigaction interrupt_{};
    struct sigaction terminate_{};
};

std::string render_written(const v1::RecordingWritten& written)
{
    std::string text = "Wrote " + visible(written.path()) + ", " + human_bytes(written.bytes()) + ": " +
                       counted(written.pins(), "pin") + " at the end";
    if (written.lost_records() > 0) {
        text += "; " + std::to_string(written.lost_records()) + " records are missing, as they came too fast";
    }
    return text + "\n";
}

// What came of it, and whether the recording ended as it should.
struct Taken {
    v1::RecordingWritten written;
    bool anything = false;
    bool whole = false;    // it ends with a state
    std::string not_kept;  // why what came could not be written
};

Taken take(grpc::ClientReader<v1::RecordResponse>& reader, RecordingWriter& writer, const RecordCommand& command)
{
    Taken taken;
    const auto begun = std::chrono::steady_clock::now();
    const auto over = [&] {
        return interrupted != 0 || (command.lasting && std::chrono::steady_clock::now() - begun >=
                                                           std::chrono::nanoseconds(*command.lasting));
    };
    v1::RecordResponse part;
    while (reader.Read(&part)) {
        if (const auto kept = writer.write(part); !kept) {
            taken.not_kept = kept.error().message;
            return taken;
        }
        taken.anything = true;
        taken.written.set_lost_records(taken.written.lost_records() + part.piece().lost());
        if (!part.has_state()) {
            continue;
        }
        taken.written.set_pins(part.state().pins());
        if (const auto kept = writer.flush(); !kept) {
            taken.not_kept = kept.error().message;
            return taken;
        }
        if (over()) {
            taken.whole = true;
            return taken;
        }
    }
    return taken;
}

}  // namespace

int perform(const RecordCommand& command, Session& session)
{
    // A stream waits for ever for a daemon that does not answer.
    v1::GetStatusResponse alive;
    if (const auto status = session.status->GetStatus(Session::with_deadline().get(), {}, &alive); !status.ok()) {
        return session.failed(session.message(status));
    }
    auto writer = RecordingWriter::create(command.output, command.replace);
    if (!writer) {
        return session.failed(writer.error().message);
    }
    const UntilInterrupted until;
    const auto recordings = v1::RecordingService::NewStub(session.channel);
    grpc::ClientContext context;
    const auto reader = recordings->Record(&context, {});
    Taken taken = take(*reader, **writer, command);
    // Else the daemon has ended it, and says why.
    if (taken.whole || !taken.not_kept.empty()) {
        context.TryCancel();
    }
    const grpc::Status status = reader->Finish();
    if (const auto finished = (*writer)->finish(); !finished && taken.not_kept.empty()) {
        taken.not_kept = finished.error().message;
    }
    if (!taken.not_kept.empty()) {
        return session.failed(taken.not_kept);
    }
    if (!taken.anything) {
        static_cast<void>(std::remove(command.output.c_str()));
        return session.failed(session.message(status));
    }
    if (!taken.whole) {
        return session.failed(session.message(status) + "; what came until then is in " + visible(command.output));
    }
    taken.written.set_path(command.output);
    taken.written.set_bytes((*writer)->bytes());
    return session.answer(grpc::Status::OK, taken.written, [&] { return render_written(taken.written); });
}

}  // namespace pinwarden::cli

#include "app/recording_desk.h"

#include <cstring>

#include "publish/convert.h"

namespace pinwarden {
namespace {

bool is_operation(std::span<const std::byte> record)
{
    std::uint32_t kind = 0;
    if (record.size() >= sizeof(kind)) {
        std::memcpy(&kind, record.data() + offsetof(pw_header, kind), sizeof(kind));
    }
    return kind == PW_KIND_OPERATION;
}

}  // namespace

void RecordingDesk::record(Engine& engine, std::span<const std::byte> record)
{
    if (!recorder_.recording()) {
        return;
    }
    if (is_operation(record) && recorder_.wants_mark(engine.policy_generation())) {
        mark(engine);
    }
    recorder_.record(record);
}

Result<std::shared_ptr<Tape>> RecordingDesk::start()
{
    auto tape = recorder_.open();
    if (tape) {
        on_engine_([this](Engine& engine) {
            recorder_.begin(engine.ledger());
            mark(engine);
        });
    }
    return tape;
}

void RecordingDesk::mark()
{
    on_engine_([this](Engine& engine) { mark(engine); });
}

void RecordingDesk::mark(Engine& engine)
{
    if (!recorder_.recording()) {
        return;
    }
    const Snapshot snapshot = engine.snapshot();
    v1::RecordingState state;
    state.set_time(snapshot.taken);
    *state.mutable_status() = status_to_proto(snapshot);
    *state.mutable_policies() = policies_to_proto(snapshot);
    state.set_pins(snapshot.pin_count);
    state.set_pinned_bytes(snapshot.pinned_bytes);
    recorder_.mark(state);
}

void RecordingDesk::stop(Tape& tape)
{
    tape.close();
    // Behind it nothing is recorded any more.
    on_engine_([this](Engine& engine) { mark(engine); });
}

}  // namespace pinwarden

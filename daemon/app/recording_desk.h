// Recordings of what the pipeline hears.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>

#include "app/engine.h"
#include "publish/recording_service.h"
#include "recording/recorder.h"

namespace pinwarden {

class RecordingDesk final : public RecordingSource {
public:
    // Has `act` run by the thread that owns the engine, in the order of calls, behind all records there are by then.
    using OnEngine = std::function<void(std::function<void(Engine&)> act)>;

    explicit RecordingDesk(Recorder::Surroundings around) : recorder_(std::move(around)) {}

    // To be called before anybody can ask for a recording.
    void use(OnEngine on_engine) { on_engine_ = std::move(on_engine); }
    // A record from the ring, on the pipeline's thread, before the engine takes it.
    void record(Engine& engine, std::span<const std::byte> record);

    Result<std::shared_ptr<Tape>> start() override;
    void mark() override;
    void stop(Tape& tape) override;

private:
    void mark(Engine& engine);

    Recorder recorder_;
    OnEngine on_engine_;
};

}  // namespace pinwarden

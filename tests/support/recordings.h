// Recordings of a faked pipeline.
#pragma once

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "app/recording_desk.h"
#include "recording/recording_file.h"
#include "support/engine_world.h"

namespace pinwarden::test {

// A pipeline that can be recorded. What it is fed goes through the desk, as what comes from the ring does.
struct RecordedWorld : World {
    RecordingDesk desk{{.clock = clock, .names = names, .cgroups = cgroups, .geometry = kGeometry, .version = "1.2.3"}};
    std::shared_ptr<Tape> tape = {};

    RecordedWorld()
    {
        desk.use([this](const std::function<void(Engine&)>& act) { act(engine); });
    }

    void hear(const Bytes& record)
    {
        desk.record(engine, record);
        engine.step(record);
    }

    void start() { tape = desk.start().value(); }

    // What is on the tape, behind a last state.
    std::vector<v1::RecordResponse> finish()
    {
        engine.flush();
        desk.mark();
        std::vector<v1::RecordResponse> parts;
        while (auto part = tape->take(std::chrono::milliseconds(0))) {
            parts.push_back(std::move(*part));
        }
        desk.stop(*tape);
        return parts;
    }
};

inline void write_recording(const std::string& path, const std::vector<v1::RecordResponse>& parts)
{
    auto writer = RecordingWriter::create(path, true).value();
    for (const v1::RecordResponse& part : parts) {
        REQUIRE(writer->write(part));
    }
    REQUIRE(writer->finish());
}

}  // namespace pinwarden::test

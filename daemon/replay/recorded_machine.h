// What a pipeline has around it when it runs on a recording: names and times are those that were recorded, and nothing
// it does has any effect.
#pragma once

#include <absl/container/flat_hash_map.h>
#include <pinwarden/v1/recording.pb.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "act/no_effect.h"
#include "app/engine.h"

namespace pinwarden {

class RecordedClock final : public Clock {
public:
    RecordedClock(Nanoseconds now, Nanoseconds boot_to_unix) : now_(now), boot_to_unix_(boot_to_unix) {}

    [[nodiscard]] Nanoseconds now() const override { return now_; }
    [[nodiscard]] Nanoseconds boot_to_unix() const override { return boot_to_unix_; }
    // Never back.
    void advance(Nanoseconds to) { now_ = std::max(now_, to); }

private:
    Nanoseconds now_;
    Nanoseconds boot_to_unix_;
};

class RecordedNames final : public StackNamer {
public:
    void learn(const v1::RecordingSymbol& symbol);
    Frame name(std::uint64_t address) override;
    std::uint64_t naming() override { return frames_.size(); }

private:
    absl::flat_hash_map<std::uint64_t, Frame> frames_;
};

class RecordedCgroups final : public CgroupNamer {
public:
    void learn(const v1::RecordingCgroup& cgroup) { paths_[cgroup.id()] = cgroup.path(); }
    std::string path(std::uint64_t id) override;

private:
    absl::flat_hash_map<std::uint64_t, std::string> paths_;
};

// Tells how many events the recording daemon's kernel had lost.
class RecordedVerdicts final : public NoVerdicts {
public:
    void set_losses(std::uint64_t losses) { losses_ = losses; }
    [[nodiscard]] std::uint64_t losses() const override { return losses_; }

private:
    std::uint64_t losses_ = 0;
};

// Nobody is stopped.
class RecordedHolds final : public HoldSink {
public:
    std::optional<std::string> attend(Nanoseconds /*until*/) override { return std::nullopt; }
    [[nodiscard]] std::uint64_t under_way() const override { return 0; }
    std::vector<HeldOperation> list() override { return {}; }
    Result<void> release(std::uint64_t id, Outcome outcome) override;
    void resume(const ProcessId& /*process*/) override {}
    bool stopped(const Task& /*caller*/) override { return false; }
    void forget(const HeldOperation& /*held*/) override {}
};

// Signals nobody: the processes are another machine's.
class RecordedSignals final : public ProcessSignals {
public:
    Result<SignalOutcome> send(const ProcessId& process, int signal) override;
    Result<ProcessFacts> facts(const ProcessId& process) override;
};

// The paths are another machine's.
class RecordedPaths final : public PathResolver {
public:
    Result<ResolvedPath> resolve(const std::string& path) override { return ResolvedPath{path, {}}; }
    Result<ResolvedPath> mounted_at(const std::string& path) override { return ResolvedPath{path, {}}; }
    Result<std::optional<ProgramId>> program(const std::string& /*path*/) override { return std::nullopt; }
    std::optional<std::uint64_t> cgroup(const std::string& /*path*/) override { return std::nullopt; }
    std::vector<std::uint64_t> container(const std::string& /*id*/) override { return {}; }
    std::optional<MountedPath> mounted(std::uint32_t /*device*/, const std::string& /*path*/) override
    {
        return std::nullopt;
    }
    void mounts_changed() override {}
};

// There is no kernel to ask.
class RecordedTruth final : public PageTruth {
public:
    Result<std::vector<PageState>> read(std::span<const PageNumber> pages) override;
    Result<Scan> scan(PageNumber first, std::uint64_t pages) override;
    [[nodiscard]] PageNumber limit() const override { return 0; }
    Result<std::uint64_t> adopt(std::span<const PageNumber> pages, bool folio) override;
    // What the recording daemon had asked for came through its ring, and is in the recording.
    Result<void> record_files(std::uint64_t /*pin*/, std::uint64_t /*address*/,
                              std::span<const PageNumber> /*pages*/) override
    {
        return {};
    }
    std::vector<std::pair<FileKey, std::uint64_t>> file_sequences() override { return {}; }
    Result<std::vector<std::uint64_t>> live_objects() override;
    Result<std::vector<CallUnderWay>> calls_under_way() override;
};

// Whoever exits, the recording tells.
class RecordedProcesses final : public ProcessTable {
public:
    bool gone(const ProcessId& /*process*/) override { return false; }
};

class NoOwners final : public OwnerSearch {
public:
    void start(std::vector<PageState> /*pages*/, Nanoseconds /*longest*/) override {}
    std::optional<std::map<PageNumber, Task>> result() override { return std::map<PageNumber, Task>{}; }
};

}  // namespace pinwarden

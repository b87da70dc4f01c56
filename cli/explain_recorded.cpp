// What a recording tells of a file or process that is to be explained: names and numbers of it are of the machine that
// was recorded, and whether this one has such a file says nothing.
#include <pinwarden/v1/conflicts.grpc.pb.h>
#include <pinwarden/v1/pinwarden.grpc.pb.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "cli/explain.h"
#include "cli/pin_list.h"

namespace pinwarden::cli {
namespace {

constexpr std::chrono::seconds kDeadline{10};

std::unique_ptr<grpc::ClientContext> with_deadline()
{
    auto context = std::make_unique<grpc::ClientContext>();
    context->set_deadline(std::chrono::system_clock::now() + kDeadline);
    return context;
}

bool same_file(const v1::File& one, const v1::File& other)
{
    return one.inode() == other.inode() && one.device_major() == other.device_major() &&
           one.device_minor() == other.device_minor();
}

// All files and processes that the recording names, those of pins first.
struct Named {
    std::vector<v1::File> files;
    std::vector<v1::Process> processes;
};

Named named(const v1::ListPinsResponse& pins, const v1::ListConflictsResponse& conflicts)
{
    Named all;
    for (const v1::Pin& pin : pins.pins()) {
        all.processes.push_back(pin.owner());
        for (const v1::FileRange& range : pin.ranges()) {
            all.files.push_back(range.file());
        }
    }
    for (const v1::PastConflict& past : conflicts.conflicts()) {
        if (past.conflict().has_file()) {
            all.files.push_back(past.conflict().file());
        }
        all.processes.push_back(past.conflict().caller());
        for (const v1::ConflictOwner& owner : past.owners()) {
            all.processes.push_back(owner.process());
        }
    }
    return all;
}

void find_process(const std::vector<v1::Process>& processes, v1::ExplainedProcess& process)
{
    const auto found = std::ranges::find(processes, process.pid(), &v1::Process::pid);
    if (found != processes.end()) {
        process.set_comm(found->comm());
        process.set_runs(!found->exited());
    }
}

void find_file(const std::vector<v1::File>& files, v1::ExplainedFile& file)
{
    file.set_path(file.name());
    const v1::File* first = nullptr;
    for (const v1::File& one : files) {
        if (one.path() != file.name()) {
            continue;
        }
        if (first == nullptr) {
            first = &one;
        } else if (!same_file(*first, one)) {
            // By its name alone: there were several, one after the other.
            file.set_kind("missing");
            file.set_problem("several files had that name, one after the other");
            return;
        }
    }
    if (first != nullptr) {
        file.set_kind("file");
        *file.mutable_identity() = *first;
        return;
    }
    const std::string below = file.name().ends_with('/') ? file.name() : file.name() + "/";
    if (std::ranges::any_of(files, [&](const v1::File& one) { return one.path().starts_with(below); })) {
        file.set_kind("directory");
        file.set_path(below == "/" ? below : below.substr(0, below.size() - 1));
        return;
    }
    file.set_kind("missing");
    file.set_problem("no pin and no conflict is about it");
}

}  // namespace

std::expected<v1::Explanation, grpc::Status> find_recorded_subject(const std::string& subject,
                                                                   const std::shared_ptr<grpc::Channel>& channel)
{
    v1::Explanation explanation = name_subject(subject);
    const auto pin_service = v1::PinService::NewStub(channel);
    v1::ListPinsResponse pins;
    if (grpc::Status status = list_pins(*pin_service, {}, false, with_deadline, pins); !status.ok()) {
        return std::unexpected(std::move(status));
    }
    v1::ListConflictsResponse conflicts;
    const auto conflict_service = v1::ConflictService::NewStub(channel);
    if (grpc::Status status = conflict_service->ListConflicts(with_deadline().get(), {}, &conflicts); !status.ok()) {
        return std::unexpected(std::move(status));
    }
    const Named all = named(pins, conflicts);
    if (explanation.has_process()) {
        find_process(all.processes, *explanation.mutable_process());
    } else if (explanation.file().kind() != "inode") {
        find_file(all.files, *explanation.mutable_file());
    }
    return explanation;
}

}  // namespace pinwarden::cli

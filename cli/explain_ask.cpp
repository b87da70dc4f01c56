// What the daemon tells of a file or process that is to be explained.
#include <pinwarden/v1/conflicts.grpc.pb.h>
#include <pinwarden/v1/pinwarden.grpc.pb.h>

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <optional>

#include "cli/explain.h"
#include "cli/pin_list.h"

namespace pinwarden::cli {
namespace {

constexpr std::chrono::seconds kDeadline{10};

bool same_file(const v1::File& one, const v1::File& other)
{
    return one.inode() == other.inode() && one.device_major() == other.device_major() &&
           one.device_minor() == other.device_minor();
}

bool same_device(const v1::File& one, const v1::File& other)
{
    return one.device_major() == other.device_major() && one.device_minor() == other.device_minor();
}

bool is_below(const std::string& path, const std::string& folder)
{
    return folder == "/" ? path.starts_with('/')
                         : path.size() > folder.size() && path.starts_with(folder) && path[folder.size()] == '/';
}

bool concerns_file(const v1::ExplainedFile& subject, const v1::File& file)
{
    if (subject.kind() == "directory") {
        return is_below(file.path(), subject.path());
    }
    return subject.by_name() || subject.kind() == "missing" ? file.path() == subject.path()
                                                            : same_file(file, subject.identity());
}

bool concerns(const v1::Explanation& subject, const v1::Conflict& conflict)
{
    if (!subject.has_file() || !conflict.has_file()) {
        return false;
    }
    if (conflict.operation() == "umount") {
        return subject.file().has_identity() && same_device(conflict.file(), subject.file().identity());
    }
    return concerns_file(subject.file(), conflict.file());
}

bool concerns(const v1::Explanation& subject, const v1::PastConflict& past)
{
    if (subject.has_file()) {
        return concerns(subject, past.conflict());
    }
    const std::uint32_t pid = subject.process().pid();
    return past.conflict().caller().pid() == pid ||
           std::ranges::any_of(past.owners(),
                               [&](const v1::ConflictOwner& owner) { return owner.process().pid() == pid; });
}

bool concerns(const v1::Explanation& subject, const v1::HeldOperation& hold)
{
    if (subject.has_file()) {
        return concerns(subject, hold.conflict());
    }
    const std::uint32_t pid = subject.process().pid();
    return hold.conflict().caller().pid() == pid ||
           std::ranges::any_of(hold.conflict().pins(), [&](const v1::Pin& pin) { return pin.owner().pid() == pid; });
}

template <typename T>
void keep(const v1::Explanation& subject, google::protobuf::RepeatedPtrField<T>& all,
          google::protobuf::RepeatedPtrField<T>& kept)
{
    for (T& one : all) {
        if (concerns(subject, one)) {
            *kept.Add() = std::move(one);
        }
    }
}

class Asker {
public:
    Asker(v1::Explanation& subject, const std::shared_ptr<grpc::Channel>& channel, Teller teller)
        : subject_(subject),
          teller_(teller),
          status_(v1::StatusService::NewStub(channel)),
          pins_(v1::PinService::NewStub(channel)),
          policies_(v1::PolicyService::NewStub(channel)),
          holds_(v1::HoldService::NewStub(channel)),
          conflicts_(v1::ConflictService::NewStub(channel))
    {
    }

    grpc::Status ask()
    {
        for (const auto step : {&Asker::ask_status, &Asker::ask_pins, &Asker::ask_conflicts, &Asker::ask_holds}) {
            if (grpc::Status status = (this->*step)(); !status.ok()) {
                return status;
            }
        }
        if (!subject_.has_file()) {
            return ask_process();
        }
        // In a recording nothing happens any more.
        if (teller_ == Teller::kDaemon) {
            foretell();
        }
        return grpc::Status::OK;
    }

private:
    static std::unique_ptr<grpc::ClientContext> with_deadline()
    {
        auto context = std::make_unique<grpc::ClientContext>();
        context->set_deadline(std::chrono::system_clock::now() + kDeadline);
        return context;
    }

    grpc::Status ask_status()
    {
        v1::GetStatusResponse answer;
        grpc::Status status = status_->GetStatus(with_deadline().get(), {}, &answer);
        subject_.set_ledger_certain(answer.ledger_certain());
        subject_.set_daemon_pid(answer.pid());
        *subject_.mutable_daemon_start_time() = answer.start_time();
        if (subject_.has_process() && subject_.process().pid() == answer.pid()) {
            subject_.mutable_process()->set_spared("it is pinwardend itself");
        }
        return status;
    }

    grpc::Status ask_pins()
    {
        PinsCommand command;
        if (subject_.has_process()) {
            command.filter.add_pids(subject_.process().pid());
        }
        v1::ListPinsResponse answer;
        grpc::Status status = list_pins(*pins_, command, true, with_deadline, answer);
        subject_.set_ledger_certain(subject_.ledger_certain() && answer.trust().ledger_certain());
        google::protobuf::RepeatedPtrField<v1::Pin>& all = *answer.mutable_pins();
        if (subject_.has_file() && subject_.file().kind() != "directory" && subject_.file().kind() != "inode" &&
            std::ranges::none_of(all, [&](const v1::Pin& pin) { return cli::concerns(subject_, pin); })) {
            subject_.mutable_file()->set_by_name(true);
            const bool any = std::ranges::any_of(all, [&](const v1::Pin& pin) { return cli::concerns(subject_, pin); });
            subject_.mutable_file()->set_by_name(any);
        }
        filesystem_pinned_ = subject_.has_file() && std::ranges::any_of(all, [&](const v1::Pin& pin) {
                                 return std::ranges::any_of(pin.ranges(), [&](const v1::FileRange& range) {
                                     return same_device(range.file(), subject_.file().identity());
                                 });
                             });
        for (v1::Pin& pin : all) {
            if (cli::concerns(subject_, pin)) {
                *subject_.add_pins() = std::move(pin);
            }
        }
        return status;
    }

    grpc::Status ask_conflicts()
    {
        v1::ListConflictsResponse answer;
        grpc::Status status = conflicts_->ListConflicts(with_deadline().get(), {}, &answer);
        keep(subject_, *answer.mutable_conflicts(), *subject_.mutable_conflicts());
        subject_.set_conflicts_forgotten(answer.forgotten());
        return status;
    }

    grpc::Status ask_holds()
    {
        v1::ListHoldsResponse answer;
        grpc::Status status = holds_->ListHolds(with_deadline().get(), {}, &answer);
        keep(subject_, *answer.mutable_holds(), *subject_.mutable_holds());
        return status;
    }

    grpc::Status ask_process()
    {
        const std::uint32_t pid = subject_.process().pid();
        v1::ListNotifiersResponse notifiers;
        if (grpc::Status status = pins_->ListNotifiers(with_deadline().get(), {}, &notifiers); !status.ok()) {
            return status;
        }
        for (v1::Notifier& notifier : *notifiers.mutable_notifiers()) {
            if (notifier.owner().pid() == pid) {
                *subject_.add_notifiers() = std::move(notifier);
            }
        }
        v1::ListFailuresResponse failures;
        grpc::Status status = pins_->ListFailures(with_deadline().get(), {}, &failures);
        for (v1::PinFailure& failure : *failures.mutable_failures()) {
            if (failure.owner().pid() == pid) {
                *subject_.add_failures() = std::move(failure);
            }
        }
        return status;
    }

    // Of what is pinned; nothing stands in the way of operations on all else.
    void foretell()
    {
        const v1::ExplainedFile& file = subject_.file();
        const v1::FileRange* pinned = nullptr;
        for (const v1::Pin& pin : subject_.pins()) {
            for (const v1::FileRange& range : pin.ranges()) {
                if (file.kind() != "directory" && pinned == nullptr && concerns_file(file, range.file())) {
                    pinned = &range;
                }
            }
        }
        if (pinned != nullptr) {
            const v1::File identity = pinned->file();
            // What page numbers of the API count in.
            const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
            const std::string punch = "punch_hole:" + std::to_string(pinned->first_page() * page) + "+" +
                                      std::to_string(pinned->pages() * page);
            foretell("truncate:0", identity);
            foretell(punch, identity);
        }
        if (filesystem_pinned_ && !file.mountpoint().empty()) {
            foretell_umount();
        }
    }

    void foretell(const std::string& operation, const v1::File& identity)
    {
        v1::TestPoliciesRequest request;
        request.set_operation(operation);
        request.set_path(subject_.file().path());
        v1::TestPoliciesResponse answer;
        grpc::Status status = request.path().empty() ? grpc::Status(grpc::StatusCode::NOT_FOUND, "")
                                                     : policies_->TestPolicies(with_deadline().get(), request, &answer);
        // The daemon may see another file of that name, or none: it knows this one by its number.
        if (status.error_code() == grpc::StatusCode::NOT_FOUND ||
            (status.ok() && !same_file(answer.conflict().file(), identity))) {
            request.clear_path();
            request.set_inode(identity.inode());
            request.set_device_major(identity.device_major());
            request.set_device_minor(identity.device_minor());
            answer.Clear();
            status = policies_->TestPolicies(with_deadline().get(), request, &answer);
        }
        take(operation, status, answer);
    }

    void foretell_umount()
    {
        v1::TestPoliciesRequest request;
        request.set_operation("umount");
        request.set_path(subject_.file().mountpoint());
        v1::TestPoliciesResponse answer;
        grpc::Status status = policies_->TestPolicies(with_deadline().get(), request, &answer);
        if (status.ok() && !same_device(answer.conflict().file(), subject_.file().identity())) {
            status = {grpc::StatusCode::NOT_FOUND, "pinwardend sees another file system at " + request.path()};
        }
        take("umount", status, answer);
    }

    void take(const std::string& operation, const grpc::Status& status, v1::TestPoliciesResponse& answer)
    {
        if (status.error_code() == grpc::StatusCode::PERMISSION_DENIED) {
            subject_.set_operations_untold(status.error_message());
            return;
        }
        v1::ForetoldOperation& foretold = *subject_.add_operations();
        foretold.set_operation(operation);
        if (status.ok()) {
            *foretold.mutable_answer() = std::move(answer);
        } else {
            foretold.set_problem(status.error_message());
        }
    }

    v1::Explanation& subject_;
    const Teller teller_;
    bool filesystem_pinned_ = false;
    std::unique_ptr<v1::StatusService::Stub> status_;
    std::unique_ptr<v1::PinService::Stub> pins_;
    std::unique_ptr<v1::PolicyService::Stub> policies_;
    std::unique_ptr<v1::HoldService::Stub> holds_;
    std::unique_ptr<v1::ConflictService::Stub> conflicts_;
};

}  // namespace

bool concerns(const v1::Explanation& subject, const v1::Pin& pin)
{
    if (subject.has_process()) {
        return pin.owner().pid() == subject.process().pid();
    }
    return std::ranges::any_of(pin.ranges(),
                               [&](const v1::FileRange& range) { return concerns_file(subject.file(), range.file()); });
}

bool is_known(const v1::Explanation& explanation)
{
    const bool here = explanation.has_file()
                          ? explanation.file().kind() != "missing" && explanation.file().kind() != "inode"
                          : explanation.process().runs();
    return here || !explanation.pins().empty() || !explanation.conflicts().empty() || !explanation.holds().empty() ||
           !explanation.notifiers().empty() || !explanation.failures().empty();
}

std::expected<void, grpc::Status> ask_about(v1::Explanation& subject, const std::shared_ptr<grpc::Channel>& channel,
                                            Teller teller)
{
    if (const grpc::Status status = Asker(subject, channel, teller).ask(); !status.ok()) {
        return std::unexpected(status);
    }
    return {};
}

}  // namespace pinwarden::cli

// What several of the conversions to messages share.
#pragma once

#include <pinwarden/v1/pinwarden.pb.h>

#include <cstdint>

#include "publish/pin_join.h"
#include "publish/snapshot.h"

namespace pinwarden {

// Converts boot times, which mean nothing outside this machine, to what the API speaks.
struct Times {
    Nanoseconds now;
    Nanoseconds boot_to_unix;

    [[nodiscard]] google::protobuf::Timestamp timestamp(Nanoseconds boot) const;
    [[nodiscard]] google::protobuf::Duration age(Nanoseconds boot) const;
};

void set_process(const Task& task, bool exited, const Times& times, v1::Process& out);
void set_file(const FileKey& key, const FileName& name, v1::File& out);
// Nothing where none was recorded.
void add_user_stack(const PinRecord& pin, google::protobuf::RepeatedPtrField<v1::UserFrame>& out);
void set_pin(const PinView& view, const Times& times, v1::Pin& out);
void set_pin(const JoinedPin& pin, const Times& times, v1::Pin& out);
void set_failure(const FailedPin& failure, const Times& times, v1::PinFailure& out);
void set_invalidation(const InvalidationView& view, const Times& times, v1::Conflict& out);
void set_conflict(const ConflictView& view, const Times& times, v1::Conflict& out);
// `held`: how long, so far or in all.
void set_held_operation(const HoldView& view, Nanoseconds held, const Times& times, v1::HeldOperation& out);
// Which process it is, and what else is known of it.
void set_victim(const ProcessId& process, const ProcessFacts* facts, const Times& times, v1::Process& out);
void set_signal(const SignalNotice& notice, const Times& times, v1::Signal& out);
void set_revocation(const RevocationNotice& notice, const Times& times, v1::Revocation& out);

}  // namespace pinwarden

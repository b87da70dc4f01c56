// Everything that is known of a file or a process, in sentences.
#pragma once

#include <grpcpp/grpcpp.h>
#include <pinwarden/v1/pinctl.pb.h>

#include <cstdint>
#include <expected>
#include <memory>
#include <string>

namespace pinwarden::cli {

// Who answers.
enum class Teller { kDaemon, kRecording };

// What is to be explained, by what it is called alone: "4711" is a process, "8:1:12" a file by its device and inode,
// and all else a path. Fills in `file` or `process`.
v1::Explanation name_subject(const std::string& subject);
// The same with what this machine tells of it.
v1::Explanation find_subject(const std::string& subject);
// The same with what the recording behind `channel` tells. Error: it did not answer.
std::expected<v1::Explanation, grpc::Status> find_recorded_subject(const std::string& subject,
                                                                   const std::shared_ptr<grpc::Channel>& channel);

// Asks the daemon or recording behind `channel` for the rest of it, but for the sentences. Error: it did not answer.
std::expected<void, grpc::Status> ask_about(v1::Explanation& subject, const std::shared_ptr<grpc::Channel>& channel,
                                            Teller teller = Teller::kDaemon);

// Whether a pin is of the file, or of a file below the folder, that is explained.
bool concerns(const v1::Explanation& subject, const v1::Pin& pin);
// Whether anything is known, by the machine or by the daemon.
bool is_known(const v1::Explanation& explanation);

// Depends on nothing but what was found. `now`: seconds since the Unix epoch.
void put_into_sentences(v1::Explanation& explanation, std::int64_t now, Teller teller = Teller::kDaemon);

}  // namespace pinwarden::cli

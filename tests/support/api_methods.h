// Every method of the API, whichever proto file it is in.
#pragma once

#include <google/protobuf/descriptor.h>
#include <grpcpp/grpcpp.h>
#include <pinwarden/v1/pinwarden.grpc.pb.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "contract/proto_tree.h"
#include "support/raw_call.h"

namespace pinwarden::test {

inline std::vector<const google::protobuf::MethodDescriptor*> all_methods()
{
    std::vector<const google::protobuf::MethodDescriptor*> methods;
    const auto tree = contract::ProtoTree::load(PINWARDEN_SOURCE_DIR "/proto").value();
    for (const auto* const described : tree->files()) {
        // As this program was built with it: the tree does not last.
        const auto* const file = google::protobuf::DescriptorPool::generated_pool()->FindFileByName(described->name());
        if (file == nullptr) {
            throw std::runtime_error("nothing serves what is in " + described->name());
        }
        for (int service = 0; service < file->service_count(); ++service) {
            for (int method = 0; method < file->service(service)->method_count(); ++method) {
                methods.push_back(file->service(service)->method(method));
            }
        }
    }
    return methods;
}

// What becomes of a call with an empty request. `endless`: ended by us when it was let in.
inline grpc::Status call(const std::shared_ptr<grpc::Channel>& channel,
                         const google::protobuf::MethodDescriptor& method, bool endless)
{
    RawCall raw(channel, "/" + method.service()->full_name() + "/" + method.name(), "");
    if (endless) {
        raw.wait_for_answer();
        raw.cancel();
    }
    return raw.end();
}

}  // namespace pinwarden::test

// The proto files of a folder, with what is written in them, comments included.
#pragma once

#include <google/protobuf/compiler/importer.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor_database.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"

namespace pinwarden::contract {

class ProtoTree {
public:
    // Every *.proto below `root`/pinwarden, whatever its name; imports are looked for below `root`, and Google's own
    // among what this program was built with. Error: there is none, or the first lines that protoc would complain of.
    static Result<std::unique_ptr<ProtoTree>> load(const std::filesystem::path& root);

    // In the order of their names.
    [[nodiscard]] const std::vector<const google::protobuf::FileDescriptor*>& files() const { return files_; }

private:
    explicit ProtoTree(const std::filesystem::path& root);

    struct Complaints final : google::protobuf::compiler::MultiFileErrorCollector {
        void AddError(const std::string& file, int line, int column, const std::string& message) override;
        std::string text;
    };

    google::protobuf::compiler::DiskSourceTree disk_;
    google::protobuf::DescriptorPoolDatabase built_in_;
    google::protobuf::compiler::SourceTreeDescriptorDatabase parsed_;
    Complaints complaints_;
    google::protobuf::DescriptorPool pool_;
    std::vector<const google::protobuf::FileDescriptor*> files_;
};

// What a method's `option (role)` says; ROLE_UNSPECIFIED when it says nothing. By name, without "ROLE_".
std::string role_of(const google::protobuf::MethodDescriptor& method);

}  // namespace pinwarden::contract

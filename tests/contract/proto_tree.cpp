#include "contract/proto_tree.h"

#include <pinwarden/v1/roles.pb.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace pinwarden::contract {
namespace {

// Relative to `root`, sorted.
std::vector<std::string> protos_below(const std::filesystem::path& root)
{
    std::vector<std::string> names;
    std::error_code error;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root / "pinwarden", error)) {
        if (entry.path().extension() == ".proto") {
            names.push_back(entry.path().lexically_relative(root).string());
        }
    }
    std::ranges::sort(names);
    return names;
}

}  // namespace

ProtoTree::ProtoTree(const std::filesystem::path& root)
    : built_in_(*google::protobuf::DescriptorPool::generated_pool()),
      parsed_(&disk_, &built_in_),
      pool_(&parsed_, parsed_.GetValidationErrorCollector())
{
    disk_.MapPath("", root.string());
    parsed_.RecordErrorsTo(&complaints_);
}

void ProtoTree::Complaints::AddError(const std::string& file, int line, int column, const std::string& message)
{
    // Counted from 0 there; -1 where it is about the whole file.
    text += file + ":" + std::to_string(line + 1) + ":" + std::to_string(column + 1) + ": " + message + "\n";
}

Result<std::unique_ptr<ProtoTree>> ProtoTree::load(const std::filesystem::path& root)
{
    std::unique_ptr<ProtoTree> tree(new ProtoTree(root));
    for (const std::string& name : protos_below(root)) {
        const auto* const file = tree->pool_.FindFileByName(name);
        if (file == nullptr || !tree->complaints_.text.empty()) {
            return fail("cannot understand " + name + ":\n" + tree->complaints_.text, EINVAL);
        }
        tree->files_.push_back(file);
    }
    if (tree->files_.empty()) {
        return fail("no *.proto file is below " + (root / "pinwarden").string(), ENOENT);
    }
    return tree;
}

std::string role_of(const google::protobuf::MethodDescriptor& method)
{
    // The pool of files knows the option as bytes; read again, it is the extension this program was built with.
    google::protobuf::MethodOptions options;
    options.ParseFromString(method.options().SerializeAsString());
    constexpr std::size_t kPrefix = sizeof("ROLE_") - 1;
    const std::string name = v1::Role_Name(options.GetExtension(v1::role));
    return name.size() > kPrefix ? name.substr(kPrefix) : std::to_string(options.GetExtension(v1::role));
}

}  // namespace pinwarden::contract

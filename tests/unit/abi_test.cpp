// The contract as clang laid it out for BPF, against the contract as g++ laid it out for the daemon.
#include <bpf/btf.h>
#include <pinwarden/abi.h>

#include <catch2/catch.hpp>
#include <cstddef>
#include <memory>
#include <string>

namespace {

std::unique_ptr<btf, decltype(&btf__free)> object_types()
{
    return {btf__parse(PINWARDEN_BPF_OBJECT, nullptr), btf__free};
}

struct Member {
    const char* type;
    const char* member;
    std::size_t offset;
};

#define MEMBER(type, name) {#type, #name, offsetof(type, name)}

long offset_in(const btf* types, const std::string& type, const std::string& member)
{
    const int id = btf__find_by_name_kind(types, type.c_str(), BTF_KIND_STRUCT);
    if (id < 0) {
        return -1;
    }
    const btf_type* layout = btf__type_by_id(types, static_cast<__u32>(id));
    for (unsigned i = 0; i < btf_vlen(layout); ++i) {
        if (member == btf__name_by_offset(types, btf_members(layout)[i].name_off)) {
            return btf_member_bit_offset(layout, i) / 8;
        }
    }
    return -1;
}

}  // namespace

TEST_CASE("every struct of the contract has the same members in the same places on both sides", "[abi]")
{
    const auto types = object_types();
    REQUIRE(types != nullptr);
    const Member members[] = {
        MEMBER(pw_header, time),
        MEMBER(pw_task, cgroup),
        MEMBER(pw_task, gid),
        MEMBER(pw_task, comm),
        MEMBER(pw_file_key, generation),
        MEMBER(pw_pin, pinned_pages),
        MEMBER(pw_pin, error),
        MEMBER(pw_pin, stack_depth),
        MEMBER(pw_pin, space),
        MEMBER(pw_pin, owner),
        MEMBER(pw_pin, stack),
        MEMBER(pw_user_frame, place),
        MEMBER(pw_user_stack, depth),
        MEMBER(pw_user_stack, frame),
        MEMBER(pw_range, sequence),
        MEMBER(pw_range, file),
        MEMBER(pw_pages, count),
        MEMBER(pw_pages, page),
        MEMBER(pw_release, span),
        MEMBER(pw_release, tid),
        MEMBER(pw_release_object, scope),
        MEMBER(pw_release_object, tid),
        MEMBER(pw_release_pages, count),
        MEMBER(pw_release_pages, page),
        MEMBER(pw_file, filesystem),
        MEMBER(pw_file, path_bytes),
        MEMBER(pw_file, path),
        MEMBER(pw_operation, matched),
        MEMBER(pw_operation, caller),
        MEMBER(pw_operation, unresolved),
        MEMBER(pw_exit, pid),
        MEMBER(pw_rename, new_path_bytes),
        MEMBER(pw_rename, new_path),
        MEMBER(pw_owner, path_bytes),
        MEMBER(pw_owner, path),
        MEMBER(pw_invalidation, moved_bytes),
        MEMBER(pw_invalidation, caller),
        MEMBER(pw_invalidation, operation),
        MEMBER(pw_mm_pins, end_address),
        MEMBER(pw_notifier, length),
        MEMBER(pw_notifier, owner),
        MEMBER(pw_notifier, gone),
        MEMBER(pw_file_pins, policies),
        MEMBER(pw_file_pins, named),
        MEMBER(pw_file_ack, policy_generation),
        MEMBER(pw_policy, filesystem),
        MEMBER(pw_policy_table, policy),
        MEMBER(pw_prefix_key, table),
        MEMBER(pw_pin_verdict_key, table),
        MEMBER(pw_pin_verdict, end_page),
    };
    for (const Member& one : members) {
        INFO(one.type << "." << one.member);
        CHECK(offset_in(types.get(), one.type, one.member) == static_cast<long>(one.offset));
    }
}

#include "kernel/programs.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <pinwarden.skel.h>

#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <set>
#include <string_view>

#include "kernel/hook_table.h"
#include "kernel/kept_links.h"
#include "kernel/preemption.h"
#include "kernel/privileges.h"

namespace pinwarden {
namespace {

// Of io_sqe_buffer_register(), for as long as it gives back lists of pages: up to 6.12.
constexpr int kParametersWithLists = 4;

// libbpf reports through one process-wide callback; loading happens on one thread, before others start.
std::string& libbpf_log()
{
    static std::string log;
    return log;
}

int keep_log(libbpf_print_level level, const char* format, va_list arguments)
{
    constexpr std::size_t kMost = 1U << 24U;
    if (level == LIBBPF_DEBUG || libbpf_log().size() > kMost) {
        return 0;
    }
    // A message may hold the verifier's whole log.
    va_list again;
    va_copy(again, arguments);
    const int length = std::vsnprintf(nullptr, 0, format, again);
    va_end(again);
    if (length > 0) {
        std::string message(static_cast<std::size_t>(length) + 1, '\0');
        std::vsnprintf(message.data(), message.size(), format, arguments);
        message.pop_back();
        libbpf_log() += message;
    }
    return length;
}

// Why this kernel cannot have the hook, or nothing.
std::string unusable(const HookEntry& hook, const KernelBtf& btf)
{
    if (hook.tracepoint) {
        return {};
    }
    const std::string function(hook.function.empty() ? hook.hook : hook.function);
    const auto parameters = btf.parameters(function);
    if (!parameters) {
        return std::string(kThisKernel) + " has no function " + function;
    }
    if (hook.decides != Decides::kNot && (hook.decides == Decides::kByLsm) != decides_by_lsm(btf)) {
        return hook.decides == Decides::kByLsm
                   ? "not used: nothing preempts programs here, or bpf is no active security module"
                   : "not used: a program of the security module decides";
    }
    if (hook.parameters != 0 && *parameters != hook.parameters) {
        return std::string(kThisKernel) + "'s " + function + " takes " + std::to_string(*parameters) + " parameters";
    }
    return {};
}

const HookEntry* find_hook(std::string_view program)
{
    for (const HookEntry& hook : kHooks) {
        if (hook.program == program) {
            return &hook;
        }
    }
    return nullptr;
}

// Which program libbpf says the kernel refused: "prog 'NAME': failed to load".
std::string refused_program(const std::string& log)
{
    const std::string end = "': failed to load";
    const auto at = log.rfind(end);
    if (at == std::string::npos) {
        return {};
    }
    const auto start = log.rfind('\'', at - 1);
    return start == std::string::npos ? std::string() : log.substr(start + 1, at - start - 1);
}

std::string last_lines(const std::string& log, int lines)
{
    std::size_t at = log.size();
    while (lines-- > 0 && at != 0 && at != std::string::npos) {
        at = log.rfind('\n', at - 1);
    }
    return log.substr(at == std::string::npos ? 0 : at + 1);
}

Error load_error(int error, const std::string& program)
{
    if (error == EPERM) {
        return {
            "the kernel refuses to load tracing programs (EPERM), although the privileges are there: a lockdown, a "
            "security module, a seccomp filter or a container forbids the bpf system call",
            error};
    }
    return {"the kernel refused the BPF program " + (program.empty() ? std::string("object") : program) + ": " +
                system_error("load", error).message + "; its last words:\n" + last_lines(libbpf_log(), 40),
            error};
}

// The FOLL_* values: from BTF, or, before 6.3, where they are macros, what include/linux/mm.h of 6.1 says.
std::uint32_t follow_flag(const KernelBtf& btf, const char* name, std::uint32_t before_6_3)
{
    const auto value = btf.enumerator(name);
    return value ? static_cast<std::uint32_t>(*value) : before_6_3;
}

Result<pinwarden_bpf*> open_skeleton(const KernelBtf& btf, const ProgramOptions& options,
                                     const std::map<std::string, std::string>& left_out)
{
    constexpr std::uint32_t kFollWrite = 0x1;
    constexpr std::uint32_t kFollLongtermBefore63 = 0x10000;

    pinwarden_bpf* skeleton = pinwarden_bpf__open();
    if (skeleton == nullptr) {
        return std::unexpected(system_error("open the BPF object", errno));
    }
    skeleton->rodata->foll_write = follow_flag(btf, "FOLL_WRITE", kFollWrite);
    skeleton->rodata->foll_longterm = follow_flag(btf, "FOLL_LONGTERM", kFollLongtermBefore63);
    // The function that made up for it went when base pages came.
    skeleton->rodata->hugetlb_counts_huge_pages = btf.parameters("hugetlb_basepage_index") ? 1 : 0;
    skeleton->rodata->track_short_term = options.track_short_term ? 1 : 0;
    skeleton->rodata->user_stacks = options.user_stacks ? 1 : 0;
    skeleton->rodata->mark_whole_call = left_out.contains("pin_user_pages_enter") ? 0 : 1;
    const std::uint32_t preempt = tasks_preempt(btf, kernel_release());
    skeleton->rodata->tasks_preempt = preempt;
    skeleton->rodata->madvise_behavior_tells = left_out.contains("madvise_behavior_exit") ? 0 : 1;
    bpf_map__set_max_entries(skeleton->maps.events, options.ring_bytes);
    bpf_map__set_max_entries(skeleton->maps.file_pins, options.files);
    bpf_map__set_max_entries(skeleton->maps.file_acks, options.files);
    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, skeleton->obj)
    {
        const std::string name = bpf_program__name(program);
        const bool second = name.ends_with(kSecond);
        const bool load = !left_out.contains(second ? name.substr(0, name.size() - kSecond.size()) : name);
        bpf_program__set_autoload(program, load && (!second || preempt != 0));
    }
    return skeleton;
}

Result<std::map<std::string, std::string>> choose_programs(const KernelBtf& btf)
{
    std::map<std::string, std::string> left_out;
    std::map<std::string, bool> served;
    std::string why;
    for (const HookEntry& hook : kHooks) {
        const std::string reason = unusable(hook, btf);
        if (!reason.empty()) {
            left_out.emplace(hook.program, reason);
            why = reason;
        }
        bool& is_served = served[std::string(hook.hook)];
        is_served = is_served || reason.empty();
        // Where several programs serve one hook the last decides.
        const bool last = &hook == &kHooks.back() || (&hook + 1)->hook != hook.hook;
        if (last && !is_served && hook.need == Need::kRequired) {
            return fail("this kernel (" + kernel_release() + ") cannot be watched: " + why +
                        ", which pinwarden must listen to; Linux 6.1 and later are supported");
        }
    }
    return left_out;
}

}  // namespace

Result<std::unique_ptr<Programs>> Programs::load(const KernelBtf& btf, const ProgramOptions& options)
{
    libbpf_set_print(keep_log);
    auto left_out = choose_programs(btf);
    if (!left_out) {
        return std::unexpected(left_out.error());
    }
    for (;;) {
        libbpf_log().clear();
        auto skeleton = open_skeleton(btf, options, *left_out);
        if (!skeleton) {
            return std::unexpected(skeleton.error());
        }
        const int error = pinwarden_bpf__load(*skeleton);
        if (error == 0) {
            auto programs = std::unique_ptr<Programs>(new Programs(*skeleton));
            programs->left_out_ = *left_out;
            programs->find_fds();
            programs->gives_back_folios_ = btf.parameters("io_sqe_buffer_register") != kParametersWithLists;
            return programs;
        }
        pinwarden_bpf__destroy(*skeleton);
        const std::string refused = refused_program(libbpf_log());
        const HookEntry* hook = find_hook(refused);
        if (hook == nullptr || hook->need == Need::kRequired || error == -EPERM) {
            return std::unexpected(load_error(-error, refused));
        }
        left_out->emplace(refused, system_error("the kernel refused the program", error).message);
    }
}

Programs::~Programs()
{
    detach();
    pinwarden_bpf__destroy(skeleton_);
}

bool Programs::attach_program(const std::string& name)
{
    if (links_.contains(name)) {
        return true;
    }
    bpf_program* program = bpf_object__find_program_by_name(skeleton_->obj, name.c_str());
    bpf_link* link = program == nullptr ? nullptr : bpf_program__attach(program);
    if (link == nullptr) {
        return false;
    }
    if (const int error = kept_ ? keep_link(name, *link) : 0; error != 0) {
        bpf_link__destroy(link);
        errno = -error;
        return false;
    }
    links_[name] = link;
    return true;
}

// True also where there is none, or none that is needed.
bool Programs::attach_second(const std::string& name)
{
    const std::string second = name + std::string(kSecond);
    const bpf_program* program = bpf_object__find_program_by_name(skeleton_->obj, second.c_str());
    return program == nullptr || !bpf_program__autoload(program) || attach_program(second);
}

bool Programs::attached_for_releases(const HookEntry& hook) const
{
    return hook.attached == Attached::kForReleases ||
           (hook.attached == Attached::kForReleasesAndFolios && !gives_back_folios_);
}

Result<void> Programs::attach()
{
    const std::scoped_lock lock(links_mutex_);
    skeleton_->data_shared->shared.releases_heard = 1;
    for (const HookEntry& hook : kHooks) {
        const std::string name(hook.program);
        if (left_out_.contains(name) || hook.attached == Attached::kForFallocations) {
            continue;
        }
        if (attach_second(name) && attach_program(name)) {
            continue;
        }
        const Error error = system_error("attach to " + std::string(hook.hook), errno);
        if (hook.need == Need::kRequired) {
            destroy_links();
            return std::unexpected(error);
        }
        left_out_[name] = error.message;
    }
    attached_ = true;
    return {};
}

Result<void> Programs::decide_fallocations(bool on)
{
    const std::scoped_lock lock(links_mutex_);
    if (detached_) {
        return {};
    }
    // The hook is there before an operation is left to it, and goes after none is any more.
    if (!on) {
        skeleton_->bss->fallocations_decided_in_permission = 0;
    }
    bool there = false;
    for (const HookEntry& hook : kHooks) {
        const std::string name(hook.program);
        if (hook.attached != Attached::kForFallocations || left_out_.contains(name)) {
            continue;
        }
        if (on && !links_.contains(name) && !attach_program(name)) {
            return std::unexpected(system_error("attach to " + std::string(hook.hook), errno));
        }
        if (!on) {
            detach_program(name);
        }
        there = true;
    }
    if (on && !there) {
        return fail("this kernel's security_file_permission cannot be listened to", ENOTSUP);
    }
    skeleton_->bss->fallocations_decided_in_permission = on ? 1 : 0;
    return {};
}

Result<void> Programs::hear_releases(bool on)
{
    const std::scoped_lock lock(links_mutex_);
    if (detached_) {
        return {};
    }
    const std::atomic_ref<std::uint32_t> heard(skeleton_->data_shared->shared.releases_heard);
    // Relied upon once all are there, and no more before the first goes.
    if (!on) {
        heard.store(0);
    } else if (auto back = take_back_leaving(); !back) {
        return back;
    }
    LeavingLinks::Links leaving;
    for (const HookEntry& hook : kHooks) {
        const std::string name(hook.program);
        if (!attached_for_releases(hook) || left_out_.contains(name)) {
            continue;
        }
        if (!on) {
            let_leave(name, leaving);
            let_leave(name + std::string(kSecond), leaving);
        } else if (!attach_second(name) || !attach_program(name)) {
            return std::unexpected(system_error("attach to " + std::string(hook.hook), errno));
        }
    }
    if (on) {
        heard.store(1);
    } else {
        leaving_.add(std::move(leaving));
    }
    return {};
}

void Programs::let_leave(const std::string& name, LeavingLinks::Links& leaving)
{
    if (auto link = links_.extract(name); link) {
        if (kept_) {
            bpf_link__unpin(link.mapped());
        }
        leaving.insert(std::move(link));
    }
}

Result<void> Programs::take_back_leaving()
{
    links_.merge(leaving_.take_back());
    for (const auto& [name, link] : links_) {
        if (const int error = kept_ && bpf_link__pin_path(link) == nullptr ? keep_link(name, *link) : 0; error != 0) {
            return std::unexpected(system_error("keep " + name + " attached", error));
        }
    }
    return {};
}

// Nothing happens when it is not attached.
void Programs::detach_program(const std::string& name)
{
    const auto attached = links_.find(name);
    if (attached == links_.end()) {
        return;
    }
    if (kept_) {
        bpf_link__unpin(attached->second);
    }
    bpf_link__destroy(attached->second);
    links_.erase(attached);
}

Result<std::size_t> Programs::mend_kept()
{
    const std::scoped_lock lock(links_mutex_);
    std::size_t mended = 0;
    if (!kept_ || detached_) {
        return mended;
    }
    for (const auto& [name, link] : links_) {
        const auto again = mend_kept_link(name, *link);
        if (!again) {
            return std::unexpected(again.error());
        }
        mended += *again ? 1U : 0U;
    }
    for (const auto& [name, map] : kept_maps()) {
        const auto again = mend_kept_map(name, map);
        if (!again) {
            return std::unexpected(again.error());
        }
        mended += *again ? 1U : 0U;
    }
    return mended;
}

std::array<std::pair<const char*, int>, 2> Programs::kept_maps() const
{
    const MapFds fds = maps();
    return {std::pair(kKeptRing, fds.events), std::pair(kKeptCounters, fds.counters)};
}

void Programs::detach()
{
    const std::scoped_lock lock(links_mutex_);
    detached_ = true;
    destroy_links();
}

void Programs::destroy_links()
{
    links_.merge(leaving_.take_back());
    for (const auto& [name, link] : links_) {
        bpf_link__destroy(link);
    }
    links_.clear();
}

Result<void> Programs::keep(bool on)
{
    const std::scoped_lock lock(links_mutex_);
    if (detached_ || on == kept_) {
        return {};
    }
    if (auto folder = on ? make_kept_links() : Result<void>(); !folder) {
        return folder;
    }
    for (const auto& [name, map] : kept_maps()) {
        if (const int error = on ? keep_map(name, map) : 0; error != 0) {
            return std::unexpected(system_error(std::string("keep the ") + name, error));
        }
    }
    for (const auto& [name, link] : links_) {
        const int error = on ? keep_link(name, *link) : bpf_link__unpin(link);
        if (error != 0) {
            return std::unexpected(
                system_error(on ? "keep " + name + " attached" : "keep " + name + " no longer", error));
        }
    }
    kept_ = on;
    if (!on) {
        for (const auto& [name, map] : kept_maps()) {
            drop_kept_map(name);
        }
        remove_kept_links();
    }
    return {};
}

// libbpf looks a program up by comparing names, one after the other.
void Programs::find_fds()
{
    for (const HookEntry& hook : kHooks) {
        const bpf_program* program =
            bpf_object__find_program_by_name(skeleton_->obj, std::string(hook.program).c_str());
        fds_.push_back(program == nullptr ? -1 : bpf_program__fd(program));
    }
}

}  // namespace pinwarden

#include "kernel/scopes.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <scope_io_uring.skel.h>
#include <scope_rdma.skel.h>
#include <scope_vfio.skel.h>
#include <scope_xdp.skel.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <ranges>
#include <stop_token>
#include <string_view>

#include "kernel/preemption.h"
#include "kernel/privileges.h"

namespace pinwarden {
namespace {

// Programs that do the job together on some kernels. Which set is this kernel's shows in a function of its own, or,
// when that is in a module whose types are not read here, in whether the kernel takes them.
struct ProgramSet {
    std::vector<std::string> programs;
    std::string function;           // empty: try
    std::vector<int> parameters{};  // the function takes one of these numbers of parameters
};

using ElfBytes = const void* (*)(std::size_t*);

struct KindTable {
    std::string name;
    std::vector<std::string> modules;  // one of which must be there; empty: built in
    std::string function;              // of the modules; in the kernel's own types when they are built in
    ElfBytes elf;
    std::vector<ProgramSet> sets;
};

std::vector<KindTable> kind_tables()
{
    return {
        {"io_uring buffers",
         {},
         {},
         scope_io_uring_bpf__elf_bytes,
         {{{"buffer_register_enter", "buffer_register_exit_slot", "buffer_unmap_enter", "buffer_unmap_exit"},
           "io_sqe_buffer_register",
           {4}},
          {{"buffer_register_enter", "buffer_register_exit_node", "release_ubuf_enter", "release_ubuf_exit"},
           "io_sqe_buffer_register",
           {2, 3}}}},
        {"rdma regions",
         {"ib_uverbs", "ib_core"},
         "ib_umem_release",
         scope_rdma_bpf__elf_bytes,
         {{{"umem_get_enter", "umem_get_exit", "umem_release_enter", "umem_release_exit"}, {}},
          {{"umem_get_va_enter", "umem_get_va_exit", "umem_release_enter", "umem_release_exit"}, {}}}},
        {"vfio mappings",
         {"vfio_iommu_type1"},
         "vfio_unmap_unpin",
         scope_vfio_bpf__elf_bytes,
         {{{"pin_pages_enter", "ioctl_exit", "attach_group_exit", "unmap_unpin_enter", "unmap_unpin_exit"}, {}}}},
        {"af_xdp umems",
         {},
         {},
         scope_xdp_bpf__elf_bytes,
         {{{"umem_create_enter", "umem_create_exit", "put_umem_enter", "put_umem_exit", "release_deferred_enter",
            "release_deferred_exit"},
           "xdp_umem_create",
           {1}}}},
    };
}

// The first of a pair of programs: see bpf/caught.bpf.h.
std::string first_of(const std::string& program)
{
    return program.ends_with(kSecond) ? program.substr(0, program.size() - kSecond.size()) : program;
}

bool in(const std::vector<std::string>& names, const std::string& name)
{
    return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

struct Scopes::Kind {
    KindTable table;
    std::uint32_t preempt = 0;
    bool built_in = false;
    bpf_object* object = nullptr;
    std::vector<bpf_link*> links;
    std::vector<int> firsts;  // descriptors of its first programs
    std::string reason = "not tried yet";
    std::string tried_with;  // modules that were there when it was last tried
    bool tried = false;

    explicit Kind(KindTable kind) : table(std::move(kind)) {}
    Kind(const Kind&) = delete;
    Kind& operator=(const Kind&) = delete;
    ~Kind() { unload(); }

    // In the order opposite to that of attaching, so that whoever is seen to begin is seen to end.
    void unload()
    {
        for (bpf_link* link : std::views::reverse(links)) {
            bpf_link__destroy(link);
        }
        links.clear();
        firsts.clear();
        bpf_object__close(object);
        object = nullptr;
    }

    // Runs of its first programs that the kernel skipped: what their seconds did not catch was taken for nobody's.
    [[nodiscard]] std::uint64_t missed() const
    {
        std::uint64_t missed = 0;
        for (const int program : firsts) {
            missed += read_missed(program);
        }
        return missed;
    }

    [[nodiscard]] std::uint64_t caught() const
    {
        const bpf_map* map = bpf_object__find_map_by_name(object, "caught");
        return map == nullptr ? 0 : read_caught(bpf_map__fd(map), PW_CAUGHT_LEDGER);
    }

    [[nodiscard]] std::string present_modules() const
    {
        std::string present;
        for (const std::string& module : table.modules) {
            if (access(("/sys/module/" + module).c_str(), F_OK) == 0) {
                present += module + " ";
            }
        }
        return present;
    }

    // The only read-only variable such an object has.
    [[nodiscard]] bool set_tasks_preempt(std::uint32_t value) const
    {
        bpf_map* map = nullptr;
        bpf_object__for_each_map(map, object)
        {
            if (std::string_view(bpf_map__name(map)).ends_with(".rodata")) {
                return bpf_map__set_initial_value(map, &value, sizeof(value)) == 0;
            }
        }
        return false;
    }

    // Only sets that fit the kernel's own functions stay; modules' are not known here.
    void choose_sets(const KernelBtf& btf)
    {
        preempt = tasks_preempt(btf, kernel_release());
        built_in = table.modules.empty() || btf.parameters(table.function).has_value();
        std::erase_if(table.sets, [&btf](const ProgramSet& set) {
            const auto parameters = set.function.empty() ? std::nullopt : btf.parameters(set.function);
            return !set.function.empty() &&
                   (!parameters || std::ranges::find(set.parameters, *parameters) == set.parameters.end());
        });
    }

    Result<void> load(const ProgramSet& set, const MapFds& maps)
    {
        std::size_t size = 0;
        const void* elf = table.elf(&size);
        bpf_object_open_opts options{};
        options.sz = sizeof(options);
        object = bpf_object__open_mem(elf, size, &options);
        if (object == nullptr) {
            return std::unexpected(system_error("open the BPF object", errno));
        }
        bpf_program* program = nullptr;
        bpf_object__for_each_program(program, object)
        {
            const std::string name = bpf_program__name(program);
            bpf_program__set_autoload(program,
                                      in(set.programs, first_of(name)) && (name == first_of(name) || preempt != 0));
        }
        if (!set_tasks_preempt(preempt)) {
            return fail("the BPF object has not the read-only data it should have");
        }
        for (const auto& [name, fd] :
             {std::pair("tasks", maps.tasks), std::pair("objects", maps.objects), std::pair("events", maps.events),
              std::pair("counters", maps.counters), std::pair(".data.shared", maps.shared)}) {
            bpf_map* map = bpf_object__find_map_by_name(object, name);
            if (map == nullptr || bpf_map__reuse_fd(map, fd) != 0) {
                return fail(std::string("the BPF object cannot share the map ") + name);
            }
        }
        if (const int error = bpf_object__load(object); error != 0) {
            return std::unexpected(system_error("load", error));
        }
        // What hears the end of a call before what hears its beginning: a call that began in between would have a
        // number that no object ever gets, and what it pinned would look let go. Each second one before its first.
        for (const std::string& name : std::views::reverse(set.programs)) {
            for (const std::string& each : {name + std::string(kSecond), name}) {
                program = bpf_object__find_program_by_name(object, each.c_str());
                if (program == nullptr || !bpf_program__autoload(program)) {
                    continue;
                }
                bpf_link* link = bpf_program__attach(program);
                if (link == nullptr) {
                    return std::unexpected(system_error("attach " + each, errno));
                }
                links.push_back(link);
                if (each == name) {
                    firsts.push_back(bpf_program__fd(program));
                }
            }
        }
        return {};
    }

    void refresh(const MapFds& maps)
    {
        if (!links.empty()) {
            return;
        }
        const std::string modules = present_modules();
        if (tried && modules == tried_with) {
            return;
        }
        tried = true;
        tried_with = modules;
        // To try is dear: libbpf reads all types of the kernel and its modules for each object.
        if (!built_in && modules.empty()) {
            reason = "no module " + table.modules.front() + " is loaded";
            return;
        }
        reason = "this kernel has not the functions that tell";
        for (const ProgramSet& set : table.sets) {
            const auto loaded = load(set, maps);
            if (loaded) {
                reason.clear();
                return;
            }
            reason = loaded.error().message;
            unload();
        }
    }
};

Scopes::Scopes(const MapFds& maps, const KernelBtf& btf) : maps_(maps)
{
    for (KindTable& table : kind_tables()) {
        kinds_.push_back(std::make_unique<Kind>(std::move(table)));
        kinds_.back()->choose_sets(btf);
    }
}

Scopes::~Scopes()
{
    thread_ = {};
}

void Scopes::refresh()
{
    for (const auto& kind : kinds_) {
        kind->refresh(maps_);
    }
    publish();
}

void Scopes::publish()
{
    std::vector<HookStatus> states;
    for (const auto& kind : kinds_) {
        const bool attached = !kind->links.empty();
        HookStatus state{kind->table.name, "owner", attached, kind->reason};
        if (attached) {
            // In this order: what is being caught just now counts as caught.
            state.missed = kind->missed();
            state.caught = kind->caught();
        }
        states.push_back(std::move(state));
    }
    const std::scoped_lock lock(mutex_);
    states_ = std::move(states);
}

void Scopes::follow()
{
    thread_ = std::jthread([this](const std::stop_token& stop) {
        std::mutex mutex;
        std::condition_variable_any wake;
        std::unique_lock lock(mutex);
        while (!wake.wait_for(lock, stop, std::chrono::seconds(1), [&stop] { return stop.stop_requested(); })) {
            refresh();
        }
    });
}

void Scopes::detach()
{
    thread_ = {};
    for (const auto& kind : kinds_) {
        kind->unload();
        kind->reason = "detached";
    }
    publish();
}

std::vector<HookStatus> Scopes::hooks() const
{
    const std::scoped_lock lock(mutex_);
    return states_;
}

std::uint64_t Scopes::missed() const
{
    const std::scoped_lock lock(mutex_);
    std::uint64_t missed = 0;
    for (const HookStatus& state : states_) {
        missed += state.missed;
    }
    return missed;
}

}  // namespace pinwarden

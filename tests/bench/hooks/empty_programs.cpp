#include "hooks/empty_programs.h"

#include <cerrno>
#include <stdexcept>
#include <string>
#include <string_view>

#include "base/result.h"

namespace pinwarden::bench {
namespace {

const char* program_for(Hook hook)
{
    switch (hook) {
        case Hook::kEntry: return "empty_entry";
        case Hook::kExit: return "empty_exit";
        case Hook::kReturnValue: return "empty_return_value";
        case Hook::kLsm: return "empty_lsm";
        case Hook::kProbe: return "empty_probe";
        case Hook::kReturnProbe: return "empty_return_probe";
    }
    return "";
}

}  // namespace

EmptyPrograms::EmptyPrograms(const std::vector<Listened>& functions)
{
    for (const Listened& function : functions) {
        attach(function);
    }
}

void EmptyPrograms::attach(const Listened& function)
{
    const auto failed = [&](const std::string& what) {
        throw std::runtime_error(system_error(what + " " + function.function, errno).message);
    };
    objects_.emplace_back(bpf_object__open(PINWARDEN_EMPTY_OBJECT));
    bpf_object* object = objects_.back().get();
    bpf_program* program =
        object == nullptr ? nullptr : bpf_object__find_program_by_name(object, program_for(function.hook));
    if (program == nullptr) {
        failed("open an empty program for");
    }
    bpf_program__set_autoload(program, true);
    // libbpf puts the prefix of such hooks in front itself.
    constexpr std::string_view kLsmPrefix = "bpf_lsm_";
    const std::string target =
        function.hook == Hook::kLsm ? function.function.substr(kLsmPrefix.size()) : function.function;
    const bool probe = function.hook == Hook::kProbe || function.hook == Hook::kReturnProbe;
    if (!probe && bpf_program__set_attach_target(program, 0, target.c_str()) != 0) {
        failed("find");
    }
    if (bpf_object__load(object) != 0) {
        failed("load an empty program for");
    }
    bpf_link* link =
        probe ? bpf_program__attach_kprobe(program, function.hook == Hook::kReturnProbe, function.function.c_str())
              : bpf_program__attach(program);
    if (link == nullptr) {
        failed("attach an empty program to");
    }
    links_.emplace_back(link);
}

}  // namespace pinwarden::bench

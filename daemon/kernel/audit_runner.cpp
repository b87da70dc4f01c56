#include "kernel/audit_runner.h"

#include <bpf/bpf.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>

namespace pinwarden {
namespace {

constexpr std::size_t kStatesBytes = PW_AUDIT_PAGES * sizeof(pw_page_state);
constexpr std::size_t kAdoptedBytes = PW_AUDIT_PAGES * sizeof(std::uint64_t);

Result<void> run(int program)
{
    bpf_test_run_opts options{};
    options.sz = sizeof(options);
    if (const int error = bpf_prog_test_run_opts(program, &options); error != 0) {
        return std::unexpected(system_error("ask the kernel about pages", error));
    }
    return {};
}

}  // namespace

Result<std::unique_ptr<AuditRunner>> AuditRunner::open(const AuditHandles& handles)
{
    void* states = mmap(nullptr, kStatesBytes, PROT_READ | PROT_WRITE, MAP_SHARED, handles.audit_pages, 0);
    if (states == MAP_FAILED) {
        return std::unexpected(system_error("map the table of page states", errno));
    }
    void* adopted = mmap(nullptr, kAdoptedBytes, PROT_READ | PROT_WRITE, MAP_SHARED, handles.adopted, 0);
    if (adopted == MAP_FAILED) {
        const Error error = system_error("map the table of adopted pages", errno);
        munmap(states, kStatesBytes);
        return std::unexpected(error);
    }
    return std::unique_ptr<AuditRunner>(
        new AuditRunner(handles, static_cast<pw_page_state*>(states), static_cast<std::uint64_t*>(adopted)));
}

AuditRunner::~AuditRunner()
{
    munmap(states_, kStatesBytes);
    munmap(adopted_, kAdoptedBytes);
}

Result<std::span<const pw_page_state>> AuditRunner::read(std::span<const std::uint64_t> pages)
{
    if (pages.size() > PW_AUDIT_PAGES) {
        return fail("too many pages in one question", EINVAL);
    }
    for (std::size_t i = 0; i < pages.size(); ++i) {
        states_[i].page = pages[i];
    }
    *handles_.pages = static_cast<std::uint32_t>(pages.size());
    if (auto ran = run(handles_.read); !ran) {
        return std::unexpected(ran.error());
    }
    return std::span<const pw_page_state>(states_, pages.size());
}

Result<AuditRunner::Scan> AuditRunner::scan(std::uint64_t first, std::uint32_t count)
{
    *handles_.first = first;
    *handles_.pages = count;
    if (auto ran = run(handles_.scan); !ran) {
        return std::unexpected(ran.error());
    }
    const std::size_t found = std::min<std::size_t>(*handles_.found, PW_AUDIT_PAGES);
    return Scan{std::span<const pw_page_state>(states_, found), *handles_.looked_at};
}

Result<std::uint64_t> AuditRunner::adopt(std::span<const std::uint64_t> pages, bool folio)
{
    if (pages.empty() || pages.size() > PW_AUDIT_PAGES) {
        return fail("no pages to adopt, or too many", EINVAL);
    }
    std::copy(pages.begin(), pages.end(), adopted_);
    *handles_.pages = static_cast<std::uint32_t>(pages.size());
    *handles_.folio = folio ? 1 : 0;
    if (auto ran = run(handles_.adopt); !ran) {
        return std::unexpected(ran.error());
    }
    if (*handles_.adopted_pin == 0) {
        return fail("no room in the event ring to adopt pins", ENOBUFS);
    }
    return *handles_.adopted_pin;
}

Result<void> AuditRunner::record(std::uint64_t pin, std::uint64_t address, std::span<const std::uint64_t> pages)
{
    if (pages.empty() || pages.size() > PW_AUDIT_PAGES) {
        return fail("no pages to record, or too many", EINVAL);
    }
    std::copy(pages.begin(), pages.end(), adopted_);
    *handles_.pages = static_cast<std::uint32_t>(pages.size());
    *handles_.existing_pin = pin;
    *handles_.existing_address = address;
    return run(handles_.record);
}

}  // namespace pinwarden

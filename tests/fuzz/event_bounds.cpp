#include "fuzz/event_bounds.h"

#include <variant>
#include <vector>

#include "fuzz/require.h"

namespace pinwarden::fuzz {
namespace {

constexpr std::uint64_t kPageNumbers = 1ULL << 40U;
constexpr std::uint64_t kPositions = 1ULL << 32U;
constexpr std::uint64_t kRunPages = 1ULL << 31U;
constexpr std::uint64_t kFilePages = 1ULL << 51U;
constexpr int kErrno = 4095;

void check(const Scope& scope)
{
    require(scope.kind < PW_SCOPE_KINDS, "a scope has a known kind");
}

void check(const Task& task)
{
    require(task.comm.size() <= 16, "a command name has at most 16 bytes");
}

void check_list(const std::vector<PageRun>& runs)
{
    std::uint64_t pages = 0;
    for (const PageRun& run : runs) {
        require(run.count > 0, "a run has pages");
        require(run.first + run.count <= kPageNumbers, "a run lies within memory");
        pages += run.count;
    }
    require(pages <= PW_PAGES_PER_CHUNK, "a list is not longer than a record");
}

void check(const PinEvent& event)
{
    require(event.pin != 0, "a pin has an id");
    require(event.pinned_pages <= kPositions, "a pin has at most 2^32 pages");
    require(event.error >= 0 && event.error <= kErrno, "an error is an errno");
    require(event.error == 0 || event.pinned_pages == 0, "a failed pin has no pages");
    require(event.function <= PW_ADOPTED_FOLIO, "a pin's function is known");
    require(event.stack.size() <= PW_STACK_FRAMES, "a stack fits its record");
    check(event.scope);
    check(event.owner);
}

void check(const UserStackEvent& event)
{
    require(event.pin != 0, "a user stack has a pin");
    require(event.frames.size() <= PW_USER_FRAMES, "a user stack fits its record");
}

void check(const RangeEvent& event)
{
    require(event.pin != 0, "a range has a pin");
    require(event.pages > 0 && event.pages <= kFilePages, "a range has pages, as many as a file can have");
    require(event.page_index <= kFilePages, "a range starts within a file");
}

void check(const PagesEvent& event)
{
    require(event.pin != 0, "a list has a pin");
    require(event.first < kPositions, "a list starts within a pin");
    check_list(event.runs);
}

void check(const ReleaseEvent& event)
{
    require(event.function <= PW_UNPIN_FOLIOS, "a release's function is known");
    require(!event.repair, "a repair does not come from the kernel");
    require(event.span <= kRunPages, "a span has at most 2^31 pages");
    check(event.scope);
    require(event.runs.size() <= PW_PAGES_PER_CHUNK, "a list is not longer than a record");
    require(event.span == 0 || event.runs.size() <= 1, "a release somewhere on a span has one run");
    for (const PageRun& run : event.runs) {
        require(run.first < kPageNumbers && run.count > 0 && run.count <= kRunPages, "a release lies within memory");
    }
}

void check(const FileEvent& event)
{
    require(event.path.size() <= PW_PATH_BYTES + 4, "a path is not longer than its record");
    require(event.filesystem.size() <= PW_FILESYSTEM_NAME, "a file system's name fits its record");
}

void check(const OperationEvent& event)
{
    require(event.error >= 0 && event.error <= kErrno, "an error is an errno");
    require(event.policy >= -1 && event.policy < PW_POLICIES, "a policy is a slot or none");
    require(event.before <= event.offset, "what lies before an offset is in the file");
    check(event.caller);
}

void check(const OwnerEvent& event)
{
    require(event.executable.size() <= PW_PATH_BYTES + 4, "a path is not longer than its record");
}

// Plain numbers, all of them possible.
template <typename T>
void check(const T& /*event*/)
{
}

}  // namespace

void check_bounds(const Event& event)
{
    std::visit([](const auto& one) { check(one); }, event);
}

}  // namespace pinwarden::fuzz

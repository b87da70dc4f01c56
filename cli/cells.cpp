#include "cli/cells.h"

namespace pinwarden::cli {

Cell file_cell(const v1::File& file)
{
    return Cell::with_tail(file.path().empty() ? "?" : visible(file.path()), file.deleted() ? " (deleted)" : "");
}

Cell process_cell(const v1::Process& process, const std::string& after)
{
    return Cell::with_tail(visible(process.comm()), "[" + std::to_string(process.pid()) + "]" + after);
}

Cell owner_cell(const v1::Process& owner)
{
    const std::string state = std::string(owner.inferred() ? " (inferred)" : "") + (owner.exited() ? " (exited)" : "");
    return Cell::with_tail(visible(owner.comm()), state, owner.exited() ? Colour::kYellow : Colour::kNone);
}

}  // namespace pinwarden::cli

#include "act/in_the_way.h"

#include <algorithm>

namespace pinwarden {

pw_page_range pages_taken(const OperationEvent& operation)
{
    return pw_operation_pages(operation.operation, operation.file_size, operation.offset - operation.before,
                              operation.length + operation.before);
}

std::vector<const PinRecord*> pins_in_the_way(const Policy& policy, const Ledger& ledger,
                                              const OperationEvent& operation, Nanoseconds now)
{
    std::vector<const PinRecord*> pins;
    if (operation.operation == PW_OPERATION_UMOUNT) {
        for (const FileRecord* file : ledger.pinned_files_on(operation.file.device)) {
            for (const PinId id : file->pins) {
                pins.push_back(ledger.find(id));
            }
        }
        // One pin may be on several files.
        std::ranges::sort(pins, {}, &PinRecord::id);
        pins.erase(std::ranges::unique(pins).begin(), pins.end());
    } else {
        const pw_page_range pages = pages_taken(operation);
        pins = ledger.pins_on(operation.file, pages.first, pages.end);
    }
    std::erase_if(pins, [&](const PinRecord* pin) { return !concerns(policy, *pin, now); });
    return pins;
}

}  // namespace pinwarden

// Prints what each operation, or those with a name that contains the argument, cost on this machine as it is: name,
// unit, instructions of the caller, all instructions.
#include <fmt/format.h>

#include <exception>
#include <string>
#include <string_view>

#include "hooks/idle.h"
#include "hooks/operations.h"

int main(int argc, char** argv)
try {
    using namespace pinwarden::bench;
    IdleTime::instance();
    const Operations operations;
    const auto tell = [](const Operation& operation) {
        const Cost cost = operation.measure();
        fmt::print("{}\t{}\t{:.1f}\t{:.1f}\n", operation.name, operation.unit, cost.caller, cost.everything);
    };
    if (argc > 1 && std::string_view(argv[1]) == "--denied") {
        tell(operations.denied());
        return 0;
    }
    const std::string_view wanted = argc > 1 ? argv[1] : "";
    for (const Operation& operation : operations.all()) {
        if (operation.name.find(wanted) != std::string::npos) {
            tell(operation);
        }
    }
    return 0;
} catch (const std::exception& error) {
    fmt::print(stderr, "pinwarden_hook_costs: {}\n", error.what());
    return 1;
}

// The operations on whose paths pinwarden sits, each ready to be measured.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "device.h"
#include "hooks/cost.h"

namespace pinwarden::bench {

struct Operation {
    std::string name;  // as in the tables and the committed figures
    std::string unit;  // what the cost is for: "page", "call"
    std::function<Cost()> measure;
};

// What they need is made when the object is, and gone with it: files, devices, memory.
class Operations {
public:
    // Throws std::runtime_error when the guest has not what they need.
    Operations();
    Operations(const Operations&) = delete;
    Operations& operator=(const Operations&) = delete;
    ~Operations();

    [[nodiscard]] const std::vector<Operation>& all() const { return all_; }
    // One that only a policy that denies it makes what it is.
    [[nodiscard]] const Operation& denied() const { return denied_; }

private:
    struct World;

    void registrations();
    void direct_writes();
    void truncates();
    void others();

    std::unique_ptr<World> world_;
    std::vector<Operation> all_;
    Operation denied_;
};

}  // namespace pinwarden::bench

// What there is of the daemon before this one: policies that are still in force, and what it knew of pins. They are in
// force until this one knows as much.
#pragma once

#include <atomic>
#include <memory>

#include "app/former_ledger.h"
#include "app/kernel_adapters.h"
#include "app/pin_keeper.h"
#include "app/pipeline_thread.h"
#include "ledger/process_table.h"

namespace pinwarden {

class FormerDaemon {
public:
    // `keeper`: nullptr when nothing is kept. `processes` must outlive the pipeline.
    FormerDaemon(const PinKeeper* keeper, ProcessTable& processes);

    // To be called just before this daemon sees pins itself.
    void ends_at(Nanoseconds time);
    // Has pins from before found, in `census` or not, and what the former daemon left in force ended when that is done.
    void hand_over(PipelineThread& pipeline, bool census);
    // Whether this daemon knows all that it will ever know of it.
    [[nodiscard]] bool is_over() const { return *over_; }

private:
    struct Left {
        KernelCgroups cgroups;  // its own: it is used before the pipeline's thread takes it over
        std::unique_ptr<FormerLedger> ledger;
    };
    std::shared_ptr<Left> left_;  // nullptr: there is nothing
    const std::shared_ptr<std::atomic<bool>> over_ = std::make_shared<std::atomic<bool>>(false);
};

}  // namespace pinwarden

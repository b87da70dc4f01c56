// How long the pipeline stands still while somebody is told what is pinned.
#pragma once

namespace pinwarden::bench {

void register_snapshot_latency();

}  // namespace pinwarden::bench

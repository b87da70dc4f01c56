// How many page-runs a second go through decode → ledger → correlate → policy, as the daemon joins them.
#pragma once

namespace pinwarden::bench {

void register_engine_throughput();

}  // namespace pinwarden::bench

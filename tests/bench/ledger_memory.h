// What a whole ledger takes for each extent: records, live positions and owners besides the index.
#pragma once

namespace pinwarden::bench {

void register_ledger_memory();

}  // namespace pinwarden::bench

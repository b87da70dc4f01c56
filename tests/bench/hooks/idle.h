// What a processor does not do: so that waiting can be told from work.
#pragma once

#include <sys/types.h>

#include <ctime>

namespace pinwarden::bench {

// A process of its own that runs when nobody else on the only processor wants to: what it has run was idle time.
class IdleTime {
public:
    // The only one. Begins at the first call, which comes before there is memory that the process would have as well.
    static IdleTime& instance();

    IdleTime(const IdleTime&) = delete;
    IdleTime& operator=(const IdleTime&) = delete;
    ~IdleTime();

    [[nodiscard]] double nanoseconds() const;

private:
    IdleTime();

    pid_t process_ = 0;
    clockid_t clock_ = 0;
};

}  // namespace pinwarden::bench

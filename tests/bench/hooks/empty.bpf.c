// Programs that do nothing: what is left of the cost of a hook when all that it does is taken away. The function that
// each listens to is set when it is loaded.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#define EMPTY(section, name)                                                                                           \
    SEC(section)                                                                                                       \
    int name(void* ctx)                                                                                                \
    {                                                                                                                  \
        return 0;                                                                                                      \
    }

EMPTY("?fentry", empty_entry)
EMPTY("?fexit", empty_exit)
EMPTY("?fmod_ret", empty_return_value)
EMPTY("?lsm", empty_lsm)
EMPTY("?kprobe", empty_probe)
EMPTY("?kretprobe", empty_return_probe)

char LICENSE[] SEC("license") = "GPL";

// The one BPF object: one file per group of hooks, all in one translation unit so that they share maps and helpers.
#include "kernel_types.bpf.h"

#include "audit.bpf.h"
#include "enforce.bpf.h"
#include "fallocate.bpf.h"
#include "invalidate.bpf.h"
#include "lifecycle.bpf.h"
#include "notifier.bpf.h"
#include "pin.bpf.h"
#include "rename.bpf.h"
#include "scan.bpf.h"
#include "umount.bpf.h"
#include "unpin.bpf.h"

// Puts the records' layouts into the object's BTF, where a unit test compares them with the daemon's.
#define EXPORT_LAYOUT(type) const struct type *layout_of_##type __attribute__((unused))
EXPORT_LAYOUT(pw_pin);
EXPORT_LAYOUT(pw_range);
EXPORT_LAYOUT(pw_pages);
EXPORT_LAYOUT(pw_release);
EXPORT_LAYOUT(pw_release_pages);
EXPORT_LAYOUT(pw_release_object);
EXPORT_LAYOUT(pw_file);
EXPORT_LAYOUT(pw_operation);
EXPORT_LAYOUT(pw_exit);
EXPORT_LAYOUT(pw_hold_end);
EXPORT_LAYOUT(pw_owner);
EXPORT_LAYOUT(pw_rename);
EXPORT_LAYOUT(pw_invalidation);
EXPORT_LAYOUT(pw_notifier);
EXPORT_LAYOUT(pw_user_stack);

char LICENSE[] SEC("license") = "GPL";

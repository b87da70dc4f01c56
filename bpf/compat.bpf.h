// Every difference between kernels that the programs must know of, each with the version that brought it.
#pragma once

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "kernel_types.bpf.h"

// FOLL_* are macros without BTF on 6.1 and an enum with other values from 6.3 on: the loader resolves them.
const volatile __u32 foll_longterm;
const volatile __u32 foll_write;

// Before 6.5 __gup_longterm_locked() took seven parameters, more than a trampoline of 6.1 can pass on. There, being
// inside the whole acquire call stands for being inside its long-term loop.
const volatile __u32 mark_whole_call;

// Before 6.7 the index of a page of hugetlbfs counted huge pages.
const volatile __u32 hugetlb_counts_huge_pages;
// Whether pins without FOLL_LONGTERM are recorded wherever they are, set by the loader.
const volatile __u32 track_short_term;
// Whether the user stacks of long-term pins are recorded, set by the loader.
const volatile __u32 user_stacks;

// GUP_PIN_COUNTING_BIAS: a pin adds this to the reference count of a small folio. The same in all kernels since 5.6.
enum { GUP_PIN_COUNTING_BIAS = 1024 };

enum {
    ATTR_SIZE = 1 << 3,
    VM_SHARED = 1 << 3,
    S_DAX = 1 << 13,
    S_IFMT = 0170000,
    S_IFDIR = 0040000,
    PF_IO_WORKER = 0x00000010,
    PF_DUMPCORE = 0x00000200,
    PF_USER_WORKER = 0x00004000,  // from 6.4 on; before, nobody has this bit
    PF_KTHREAD = 0x00200000,
    TMPFS_MAGIC = 0x01021994,
    HUGETLBFS_MAGIC = 0x958458f6,
    XFS_MAGIC = 0x58465342,
};

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct page___compound_head {
    unsigned long compound_head;
};
// 7.2 renamed compound_head.
struct page___compound_info {
    unsigned long compound_info;
};
// 7.1 wrapped the flags word in a struct of its own; its size stayed.
typedef struct {
    unsigned long f;
} memdesc_flags_t;
struct page___memdesc_flags {
    memdesc_flags_t flags;
};
// 7.3 made d_u anonymous.
struct dentry___d_alias {
    struct hlist_node d_alias;
};
// Up to 6.14.
struct folio___nr_pages {
    unsigned int _folio_nr_pages;
};
// From 6.15 on.
struct folio___nr_pages_short {
    unsigned int _nr_pages;
};
// From 7.3 on a listener may have these instead.
struct mmu_interval_notifier_ops___two_steps {
    void *invalidate_start;
};
#pragma clang attribute pop

// What a system call's own function is called, and the registers it takes its arguments from.
#if defined(__TARGET_ARCH_x86)
#define SYSCALL_FUNCTION(name) "__x64_sys_" name
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct pt_regs___syscall {
    unsigned long di;
    unsigned long si;
    unsigned long dx;
    unsigned long r10;
    unsigned long r8;
    unsigned long orig_ax;
};
#pragma clang attribute pop
#define SYSCALL_REGISTER_0 di
#define SYSCALL_REGISTER_1 si
#define SYSCALL_REGISTER_2 dx
#define SYSCALL_REGISTER_3 r10
#define SYSCALL_NUMBER orig_ax
#elif defined(__TARGET_ARCH_arm64)
#define SYSCALL_FUNCTION(name) "__arm64_sys_" name
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct pt_regs___syscall {
    __u64 regs[31];
    __s32 syscallno;
};
#pragma clang attribute pop
#define SYSCALL_REGISTER_0 regs[0]
#define SYSCALL_REGISTER_1 regs[1]
#define SYSCALL_REGISTER_2 regs[2]
#define SYSCALL_REGISTER_3 regs[3]
#define SYSCALL_NUMBER syscallno
#endif

// `n` must be a literal.
#define SYSCALL_ARGUMENT(registers, n) BPF_CORE_READ(registers, SYSCALL_REGISTER_##n)

// Of the system call the current task is in; negative when it is in none.
static __always_inline long current_syscall(void)
{
    struct pt_regs___syscall *registers = (void *)bpf_task_pt_regs(bpf_get_current_task_btf());
    return (int)BPF_CORE_READ(registers, SYSCALL_NUMBER);
}

// The dentry an entry of an inode's list of aliases lies in.
static __always_inline struct dentry *alias_dentry(struct hlist_node *alias)
{
    if (bpf_core_field_exists(struct dentry___d_alias, d_alias))
        return (void *)alias - bpf_core_field_offset(struct dentry___d_alias, d_alias);
    return (void *)alias - bpf_core_field_offset(struct dentry, d_u.d_alias);
}

// Of the file's own inode. Before 6.7 a file that an overlay has opened in one of its layers goes by the overlay's
// path, whose inode is another; any name the file has in its layer will do then.
static __always_inline struct dentry *dentry_of(struct file *file)
{
    struct dentry *dentry = BPF_CORE_READ(file, f_path.dentry);
    struct inode *inode = BPF_CORE_READ(file, f_inode);
    if (BPF_CORE_READ(dentry, d_inode) == inode)
        return dentry;
    struct hlist_node *alias = BPF_CORE_READ(inode, i_dentry.first);
    return alias ? alias_dentry(alias) : dentry;
}

static __always_inline __u32 page_flags_offset(void)
{
    if (bpf_core_field_exists(struct page___memdesc_flags, flags))
        return bpf_core_field_offset(struct page___memdesc_flags, flags);
    return bpf_core_field_offset(struct page, flags);
}

static __always_inline unsigned long page_flags(const void *page)
{
    unsigned long flags = 0;
    bpf_probe_read_kernel(&flags, sizeof(flags), page + page_flags_offset());
    return flags;
}

static __always_inline bool page_is_head(const void *page)
{
    return (page_flags(page) >> bpf_core_enum_value(enum pageflags, PG_head)) & 1;
}

// The head of the folio a page belongs to. A tail's word holds, above bit 0, the head's address; on kernels with
// compound_info it may hold a mask for the page's own address instead, which as a number is above any page's address.
static __always_inline __u64 page_folio(__u64 page)
{
    unsigned long info = 0;
    if (bpf_core_field_exists(struct page___compound_info, compound_info))
        bpf_probe_read_kernel(&info, sizeof(info),
                              (void *)page + bpf_core_field_offset(struct page___compound_info, compound_info));
    else
        bpf_probe_read_kernel(&info, sizeof(info),
                              (void *)page + bpf_core_field_offset(struct page___compound_head, compound_head));
    if (!(info & 1))
        return page;
    return info - 1 <= page ? info - 1 : page & info;
}

static __always_inline __u32 folio_pages(const void *folio)
{
    __u32 pages = 1;
    if (!page_is_head(folio))
        return 1;
    if (bpf_core_field_exists(struct folio___nr_pages, _folio_nr_pages))
        bpf_probe_read_kernel(&pages, sizeof(pages),
                              folio + bpf_core_field_offset(struct folio___nr_pages, _folio_nr_pages));
    else if (bpf_core_field_exists(struct folio___nr_pages_short, _nr_pages))
        bpf_probe_read_kernel(&pages, sizeof(pages),
                              folio + bpf_core_field_offset(struct folio___nr_pages_short, _nr_pages));
    return pages;
}

// Where a folio of that file's cache begins in it, in base pages.
static __always_inline __u64 folio_file_page(const struct folio *folio, struct inode *inode)
{
    __u64 index = BPF_CORE_READ(folio, index);
    if (hugetlb_counts_huge_pages && BPF_CORE_READ(inode, i_sb, s_magic) == HUGETLBFS_MAGIC)
        index *= folio_pages(folio);
    return index;
}

// Pins on a folio. Exact for a large one. A small one has no count of its own: a pin adds GUP_PIN_COUNTING_BIAS to its
// references, of which mappings are the only other ones that may be many.
static __always_inline __u32 folio_pins(const void *folio)
{
    int count = 0;
    int mapcount = 0;
    if (page_is_head(folio)) {
        bpf_probe_read_kernel(&count, sizeof(count), folio + bpf_core_field_offset(struct folio, _pincount));
        return count > 0 ? count : 0;
    }
    bpf_probe_read_kernel(&count, sizeof(count), folio + bpf_core_field_offset(struct page, _refcount));
    bpf_probe_read_kernel(&mapcount, sizeof(mapcount), folio + bpf_core_field_offset(struct page, _mapcount));
    // _mapcount starts from -1; where the word has another use (a page's type) it is negative or far above.
    __u32 mappings = mapcount >= 0 && mapcount < count ? mapcount + 1 : 0;
    return ((__u32)count - mappings) / GUP_PIN_COUNTING_BIAS;
}

// The kernel's own test (folio_maybe_dma_pinned): exact for large folios; for small ones, 1024 plain references look
// like a pin.
static __always_inline bool folio_maybe_pinned(const void *folio)
{
    int count = 0;
    if (page_is_head(folio)) {
        bpf_probe_read_kernel(&count, sizeof(count), folio + bpf_core_field_offset(struct folio, _pincount));
        return count > 0;
    }
    bpf_probe_read_kernel(&count, sizeof(count), folio + bpf_core_field_offset(struct page, _refcount));
    // As unsigned, like the kernel: many pins make the count negative.
    return (__u32)count >= GUP_PIN_COUNTING_BIAS;
}

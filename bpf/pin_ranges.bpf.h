// Which pages of which files a call has pinned.
//
// By the mappings behind the addresses, which is quick; page by page where these do not tell: private mappings, an
// address space whose lock is contended, or another's.
#pragma once

#include "file.bpf.h"

enum {
    VMAS_MAX = 128,
};

struct acquire {
    __u64 function;
    __u64 mm;  // whose addresses; 0: the caller's
    __u64 address;
    __u64 requested;
    __u64 flags;
    __u64 *pages;  // kernel memory: an array of struct page (or folio) pointers
    __s64 returned;
};

struct vma_walk {
    __u64 pin;
    __u64 address;
    __u64 end;
    __u64 page_by_page;  // part that has to be looked at page by page; empty if the end is not behind it
    __u64 page_by_page_end;
};

static long vma_found(struct task_struct *task, struct vm_area_struct *vma, struct vma_walk *walk)
{
    __u64 start = walk->address;
    __u64 end = vma->vm_end < walk->end ? vma->vm_end : walk->end;
    struct file *file = vma->vm_file;

    walk->address = end;
    if (!file || start >= end)
        return 0;
    if (!(vma->vm_flags & VM_SHARED)) {
        // Private: a page is the file's until it is written to. Only the page itself knows.
        if (start < walk->page_by_page)
            walk->page_by_page = start;
        walk->page_by_page_end = end;
        return 0;
    }
    struct file_range range = {
        .inode = BPF_CORE_READ(file, f_inode),
        .dentry = BPF_CORE_READ(file, f_path.dentry),
        .mount = mount_of(file),
        .pin = walk->pin,
        .address = start,
        .page_index = vma->vm_pgoff + ((start - vma->vm_start) >> PW_PAGE_SHIFT),
        .pages = (end - start) >> PW_PAGE_SHIFT,
    };
    record_range(&range);
    return 0;
}

static long vma_step(__u32 step, struct vma_walk *walk)
{
    __u64 before = walk->address;
    if (before >= walk->end)
        return 1;
    // Fails when the address space's lock is contended; then nothing has moved.
    bpf_find_vma(bpf_get_current_task_btf(), before, vma_found, walk, 0);
    return walk->address == before;
}

struct page_walk {
    __u64 *pages;
    __u64 first;    // position of the first page to look at
    __u64 address;  // of position 0
    struct file_range run;
};

static __noinline int flush_run(struct file_range *run)
{
    if (!run || !run->inode)
        return 0;
    // Any name the file has will do: there is no open file to ask.
    struct inode *inode = run->inode;
    struct hlist_node *alias = BPF_CORE_READ(inode, i_dentry.first);
    run->dentry = alias ? alias_dentry(alias) : 0;
    record_range(run);
    run->inode = 0;
    return 0;
}

static long page_step(__u32 step, struct page_walk *walk)
{
    __u64 position = walk->first + step;
    __u64 page = 0;
    struct inode *inode = 0;
    __u64 index = 0;

    bpf_probe_read_kernel(&page, sizeof(page), &walk->pages[position]);
    __u64 folio = page_folio(page);
    struct folio *head = (void *)folio;
    __u64 mapping = (__u64)BPF_CORE_READ(head, mapping);
    // The two low bits mark anonymous memory and pages of drivers: neither is a file's.
    if (mapping && !(mapping & 3)) {
        inode = BPF_CORE_READ((struct address_space *)mapping, host);
        index = folio_file_page(head, inode) + (page - folio) / bpf_core_type_size(struct page);
    }
    __u64 address = walk->address + (position << PW_PAGE_SHIFT);
    if (inode && walk->run.inode == inode && walk->run.page_index + walk->run.pages == index) {
        // Not `pages++`: 6.12 would follow the count through every step it can take.
        walk->run.pages = ((address - walk->run.address) >> PW_PAGE_SHIFT) + 1;
        return 0;
    }
    flush_run(&walk->run);
    if (inode) {
        walk->run.inode = inode;
        walk->run.address = address;
        walk->run.page_index = index;
        walk->run.pages = 1;
    }
    return 0;
}

__noinline int ranges_by_page(struct acquire *call, __u64 pin, __u64 first, __u64 count_pages)
{
    if (!call)
        return 0;
    struct page_walk walk = {
        .pages = call->pages, .first = first, .address = call->address, .run = {.inode = (void *)zero, .pin = pin}};
    bpf_loop(count_pages, page_step, &walk, 0);
    return flush_run(&walk.run);
}

__noinline int record_ranges(struct acquire *call, __u64 pin, __u64 pages)
{
    if (!call)
        return 0;
    struct vma_walk walk = {
        .pin = pin,
        .address = call->address,
        .end = call->address + (pages << PW_PAGE_SHIFT),
        .page_by_page = call->address + (pages << PW_PAGE_SHIFT),
    };
    if (!call->mm || call->mm == current_mm())
        bpf_loop(VMAS_MAX, vma_step, &walk, 0);
    if (walk.address < walk.end) {
        count(PW_DOUBT_RANGE_FALLBACK);
        if (walk.address < walk.page_by_page)
            walk.page_by_page = walk.address;
        walk.page_by_page_end = walk.end;
    }
    if (walk.page_by_page < walk.page_by_page_end) {
        __u64 first = (walk.page_by_page - call->address) >> PW_PAGE_SHIFT;
        ranges_by_page(call, pin, first, (walk.page_by_page_end - walk.page_by_page) >> PW_PAGE_SHIFT);
    }
    return 0;
}

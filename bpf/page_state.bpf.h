// What the kernel has to say of a page.
#pragma once

#include "compat.bpf.h"
#include "file.bpf.h"

// Whose memory the folio is. A mapping that is none (the word has other uses) does not point back to itself.
static __always_inline void describe_backing(struct pw_page_state *state)
{
    __u64 page = state->page;
    __u64 folio = state->folio;
    struct folio *head = (void *)folio;
    __u64 mapping = (__u64)BPF_CORE_READ(head, mapping);

    if (mapping & 1)
        state->flags |= PW_PAGE_ANONYMOUS;
    if (!mapping || mapping & 3)
        return;
    struct inode *inode = BPF_CORE_READ((struct address_space *)mapping, host);
    if (!inode || (__u64)BPF_CORE_READ(inode, i_mapping) != mapping)
        return;
    state->flags |= PW_PAGE_FILE;
    state->page_index = folio_file_page(head, inode) + (page - folio) / bpf_core_type_size(struct page);
    file_key(inode, &state->file);
}

static __always_inline void describe_page(struct pw_page_state *state)
{
    __u64 page = state->page;
    __u64 folio = page_folio(page);

    state->folio = folio;
    state->folio_pages = folio_pages((void *)folio);
    state->pins = folio_pins((void *)folio);
    state->flags = PW_PAGE_READABLE | (page_is_head((void *)folio) ? PW_PAGE_LARGE : 0);
    state->page_index = 0;
    state->file = (struct pw_file_key){};
    describe_backing(state);
}

/* A link that says which call it is in. */
#include <stdlib.h>

#include "harness/watch/watch.h"

typedef struct watched {
    sb_link_ops ops;
    sb_link    *inner;
    sb_watch   *watch;
} watched;

static sb_status returned(const watched *w, sb_status st)
{
    sb_watch_returned(w->watch, st);
    return st;
}

static sb_status link_post(sb_link *l, const sb_transfer *t, int64_t n, void *stream)
{
    const watched *w     = l->impl;
    int64_t        bytes = 0;
    for (int64_t i = 0; i < n; i++)
        bytes += t[i].bytes;
    sb_watch_call(w->watch, "post to a link", bytes);
    return returned(w, w->inner->ops->post(w->inner, t, n, stream));
}

static sb_status link_wait(sb_link *l, void *stream)
{
    const watched *w = l->impl;
    sb_watch_call(w->watch, "wait for a link", l->sent_bytes);
    return returned(w, w->inner->ops->wait(w->inner, stream));
}

static sb_status link_drain(sb_link *l, void *stream)
{
    const watched *w = l->impl;
    sb_watch_call(w->watch, "drain of a link", l->sent_bytes);
    return returned(w, w->inner->ops->drain(w->inner, stream));
}

static void link_destroy(sb_link *l)
{
    watched *w = l->impl;
    sbi_watch_drop_link(w->watch, w->inner);
    sb_watch_call(w->watch, "end of a link", 0);
    w->inner->ops->destroy(w->inner);
    sb_watch_returned(w->watch, SB_OK);
    free(w);
    free(l);
}

sb_status sb_watch_link(sb_watch *watch, sb_link *inner, sb_link **out)
{
    if (watch == NULL || inner == NULL) {
        *out = inner;
        return SB_OK;
    }
    sb_link *l = calloc(1, sizeof *l);
    watched *w = calloc(1, sizeof *w);
    if (l == NULL || w == NULL) {
        free(l);
        free(w);
        return sb_fail(SB_ERR_NOMEM, "watchdog: no memory for the link");
    }
    *w = (watched){.ops   = {.name    = inner->ops->name,
                             .post    = link_post,
                             .wait    = link_wait,
                             .drain   = link_drain,
                             .destroy = link_destroy},
                   .inner = inner,
                   .watch = watch};
    *l = (sb_link){.ops     = &w->ops,
                   .backend = inner->backend,
                   .rank    = inner->rank,
                   .size    = inner->size,
                   .impl    = w};
    sbi_watch_keep_link(watch, inner);
    *out = l;
    return SB_OK;
}

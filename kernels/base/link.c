#include "kernels/base/link.h"

static sb_status check(const sb_link *l, const sb_transfer *t, int64_t n)
{
    if (l->under_way)
        return sb_fail(SB_ERR_INTERNAL, "link %s: a group is under way", l->ops->name);
    for (int64_t i = 0; i < n; i++)
        if (t[i].peer == l->rank || t[i].peer < 0 || t[i].peer >= l->size || t[i].bytes < 0)
            return sb_fail(SB_ERR_INTERNAL,
                           "link %s: block %lld of %lld bytes for rank %d of %d, from rank %d",
                           l->ops->name, (long long)i, (long long)t[i].bytes, t[i].peer, l->size,
                           l->rank);
    return SB_OK;
}

sb_status sb_link_post(sb_link *l, const sb_transfer *t, int64_t n, void *stream)
{
    int64_t   t0 = sb_now_ns();
    sb_status st = check(l, t, n);
    if (st == SB_OK)
        st = l->ops->post(l, t, n, stream);
    if (st != SB_OK)
        return st;
    for (int64_t i = 0; i < n; i++) {
        l->received_bytes += t[i].is_receive ? t[i].bytes : 0;
        l->sent_bytes += t[i].is_receive ? 0 : t[i].bytes;
    }
    l->groups++;
    l->under_way = 1;
    l->ns += sb_now_ns() - t0;
    return SB_OK;
}

sb_status sb_link_post_alone(sb_link *l, const sb_transfer *t, int64_t n, void *stream)
{
    l->alone     = 1;
    sb_status st = sb_link_post(l, t, n, stream);
    l->alone     = 0;
    return st;
}

sb_status sb_link_wait(sb_link *l, void *stream)
{
    int64_t t0 = sb_now_ns();
    if (!l->under_way)
        return sb_fail(SB_ERR_INTERNAL, "link %s: no group is under way", l->ops->name);
    sb_status st = l->ops->wait(l, stream);
    l->under_way = 0;
    l->ns += sb_now_ns() - t0;
    return st;
}

sb_status sb_link_drain(sb_link *l, void *stream) { return l->ops->drain(l, stream); }

void sb_link_destroy(sb_link *l)
{
    if (l != NULL)
        l->ops->destroy(l);
}

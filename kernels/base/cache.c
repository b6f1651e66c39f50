#include "kernels/base/cache.h"

#include <string.h>

sb_status sb_cache_layout(sb_cache *c, sb_arena *a, int64_t kv_heads, int64_t head_dim, int64_t capacity_tokens, int32_t max_runs)
{
    return sb_cache_layout_on(c, a, a, kv_heads, head_dim, capacity_tokens, max_runs);
}

sb_status sb_cache_layout_on(sb_cache *c, sb_arena *data, sb_arena *a, int64_t kv_heads,
                             int64_t head_dim, int64_t capacity_tokens, int32_t max_runs)
{
    void     *k = NULL, *v = NULL, *runs = NULL;
    sb_status st;
    if ((st = sb_arena_alloc(data, kv_heads * capacity_tokens * head_dim, sizeof(sb_bf16),
                             "K cache", &k)) != SB_OK ||
        (st = sb_arena_alloc(data, kv_heads * capacity_tokens * head_dim, sizeof(sb_bf16),
                             "V cache", &v)) != SB_OK ||
        (st = sb_arena_alloc(a, max_runs, sizeof(sb_run), "cache runs", &runs)) != SB_OK)
        return st;
    sb_tensor t = {.dtype = SB_BF16, .heads = kv_heads, .dim = head_dim, .head_stride = capacity_tokens * head_dim,
                   .gid = {.run = runs}};
    *c        = (sb_cache){.k = t, .v = t, .capacity_tokens = capacity_tokens, .runs = runs, .max_runs = max_runs};
    c->k.data = k;
    c->v.data = v;
    return SB_OK;
}

sb_status sb_cache_layout_state(sb_cache *c, sb_arena *a, int64_t bytes)
{
    void     *state = NULL, *mark = NULL;
    sb_status st = SB_OK;
    if (bytes > 0 && ((st = sb_arena_alloc(a, bytes, 1, "method state", &state)) != SB_OK ||
                      (st = sb_arena_alloc(a, bytes, 1, "marked method state", &mark)) != SB_OK))
        return st;
    c->state       = state;
    c->mark_state  = mark;
    c->state_bytes = bytes;
    return SB_OK;
}

/* to = from, or zeros; a counting arena left both NULL. */
static sb_status copy_state(const sb_backend *memory, void *to, const void *from, int64_t bytes)
{
    if (to == NULL)
        return SB_OK;
    if (memory != NULL)
        return from != NULL ? memory->copy(to, from, (size_t)bytes, SB_COPY_ON_DEVICE, NULL)
                            : memory->fill(to, 0, (size_t)bytes, NULL);
    if (from != NULL)
        memcpy(to, from, (size_t)bytes);
    else
        memset(to, 0, (size_t)bytes);
    return SB_OK;
}

/* k and v always describe the same tokens. */
static void set_filled(sb_cache *c, int64_t tokens, int32_t n_runs)
{
    c->k.tokens = c->v.tokens = tokens;
    c->k.gid = c->v.gid = (sb_gid){.run = c->runs, .n_runs = n_runs, .n_tokens = tokens};
}

sb_status sb_cache_reset(sb_cache *c)
{
    set_filled(c, 0, 0);
    c->n_global  = 0;
    sb_status st = copy_state(c->state_memory, c->state, NULL, c->state_bytes);
    return st == SB_OK ? sb_cache_mark(c) : st;
}

sb_status sb_cache_extend(sb_cache *c, int64_t start, int64_t len, int64_t *slot)
{
    int32_t n_runs = c->k.gid.n_runs;
    int64_t tokens = c->k.tokens;
    if (len > c->capacity_tokens - tokens)
        return sb_fail(SB_ERR_NOMEM, "KV cache: %lld tokens more do not fit, %lld of %lld are taken", (long long)len,
                       (long long)tokens, (long long)c->capacity_tokens);
    if (len > 0) {
        int64_t end = n_runs > 0 ? c->runs[n_runs - 1].start + c->runs[n_runs - 1].len : 0;
        if (start < end)
            return sb_fail(SB_ERR_INTERNAL, "KV cache: token %lld comes after %lld",
                           (long long)start, (long long)(end - 1));
        if (n_runs > 0 && start == end) {
            c->runs[n_runs - 1].len += len;
        } else {
            if (n_runs == c->max_runs)
                return sb_fail(SB_ERR_NOMEM, "KV cache: no room for run %d", n_runs + 1);
            c->runs[n_runs++] = (sb_run){start, len};
        }
        set_filled(c, tokens + len, n_runs);
    }
    *slot = tokens;
    return SB_OK;
}

sb_status sb_cache_mark(sb_cache *c)
{
    c->mark_tokens   = c->k.tokens;
    c->mark_global   = c->n_global;
    c->mark_runs     = c->k.gid.n_runs;
    c->mark_last_len = c->mark_runs > 0 ? c->runs[c->mark_runs - 1].len : 0;
    return copy_state(c->state_memory, c->mark_state, c->state, c->state_bytes);
}

sb_status sb_cache_rollback(sb_cache *c)
{
    if (c->mark_runs > 0)
        c->runs[c->mark_runs - 1].len = c->mark_last_len;
    set_filled(c, c->mark_tokens, c->mark_runs);
    c->n_global = c->mark_global;
    return copy_state(c->state_memory, c->state, c->mark_state, c->state_bytes);
}

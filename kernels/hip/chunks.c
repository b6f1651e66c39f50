#include "kernels/hip/chunks.h"

sbi_hip_span sbi_hip_candidates(const sb_hip_params *p, int64_t visible)
{
    int64_t bk = p->block_k_tokens, tokens = visible - p->window_tokens - p->sink_tokens;
    tokens = tokens > 0 ? tokens : 0;
    return (sbi_hip_span){.first = p->sink_tokens / bk,
                          .n     = (tokens + bk - 1) / bk,
                          .all   = tokens <= p->top_k_tokens};
}

int64_t sbi_hip_alignment(const sb_hip_params *p, int64_t n)
{
    int64_t power = 1, m = sbi_hip_blocks(p);
    while (2 * power <= n)
        power *= 2;
    return p->align ? (power + m - 1) / m : 1;
}

int64_t sbi_hip_first_chunks(const sb_hip_params *p, sbi_hip_span span, sbi_hip_chunk *out)
{
    int64_t m = sbi_hip_blocks(p), a = sbi_hip_alignment(p, span.n), count = 0, from = 0;
    for (int64_t i = 1; i <= m; i++) {
        int64_t to = sbi_hip_bound(span.n, i, m, a);
        if (to > from)
            out[count++] = (sbi_hip_chunk){(int32_t)(span.first + from), (int32_t)(to - from)};
        from = to;
    }
    return count;
}

int64_t sbi_hip_halvings(const sbi_hip_chunk *chunk, int64_t n)
{
    int64_t largest = 0, halvings = 0;
    for (int64_t i = 0; i < n; i++)
        largest = chunk[i].size > largest ? chunk[i].size : largest;
    while ((INT64_C(1) << halvings) < largest)
        halvings++;
    return halvings;
}

int64_t sbi_hip_halve(const sbi_hip_chunk *chunk, int64_t n, sbi_hip_chunk *out)
{
    int64_t count = 0;
    for (int64_t i = 0; i < n; i++) {
        int32_t left = chunk[i].size / 2;
        if (left > 0)
            out[count++] = (sbi_hip_chunk){chunk[i].start, left};
        out[count++] = (sbi_hip_chunk){chunk[i].start + left, chunk[i].size - left};
    }
    return count;
}

/* The rank-th largest key (from 1), byte by byte from the top; *equal: how many keys of this value
 * are among the rank largest. */
static int64_t nth_largest(const int64_t *key, int64_t n, int64_t rank, int64_t *equal)
{
    int64_t value = 0, known = 0;
    for (int shift = 24; shift >= 0; shift -= 8) {
        int64_t count[256] = {0};
        int     byte       = 255;
        for (int64_t i = 0; i < n; i++)
            if ((key[i] & known) == value)
                count[(key[i] >> shift) & 255]++;
        while (count[byte] < rank)
            rank -= count[byte--];
        value |= (int64_t)byte << shift;
        known |= INT64_C(255) << shift;
    }
    *equal = rank;
    return value;
}

int64_t sbi_hip_keep(const sbi_hip_chunk *chunk, const int64_t *key, int64_t n, int64_t most,
                     sbi_hip_chunk *out)
{
    int64_t equal = n, least = 0, count = 0;
    if (n > most)
        least = nth_largest(key, n, most, &equal);
    for (int64_t i = 0; i < n; i++)
        if (key[i] > least || (key[i] == least && equal-- > 0))
            out[count++] = chunk[i];
    return count;
}

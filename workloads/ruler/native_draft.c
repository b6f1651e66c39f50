#include "workloads/ruler/native_draft.h"

#include <string.h>

uint64_t sbi_row_key(const sbi_row *r, sbi_purpose p)
{
    return sb_mix(r->key ^ ((uint64_t)p * 0xD1342543DE82EF95ull));
}

sb_rng sbi_row_rng(const sbi_row *r, sbi_purpose p) { return (sb_rng){sbi_row_key(r, p)}; }

/* Four Feistel rounds on twice `half` bits, walked until the result is below n: n > 4^(half - 1),
 * so fewer than four steps on average. */
int64_t sbi_permuted(uint64_t key, int64_t n, int64_t i)
{
    int      half = 1;
    uint64_t mask, x = (uint64_t)i;
    while (half < 31 && ((int64_t)1 << (2 * half)) < n)
        half++;
    mask = ((uint64_t)1 << half) - 1;
    do {
        uint64_t left = x >> half, right = x & mask;
        for (uint64_t round = 0; round < 4; round++) {
            uint64_t next = left ^ (sb_mix(key + round * 0x9FB21C651E98DF25ull + right) & mask);
            left          = right;
            right         = next;
        }
        x = left << half | right;
    } while (x >= (uint64_t)n);
    return (int64_t)x;
}

int64_t sbi_permuted_round(uint64_t key, int64_t n, int64_t i)
{
    return sbi_permuted(sb_mix(key + (uint64_t)(i / n)), n, i % n);
}

void sbi_shuffle_i32(sb_rng *r, int32_t *v, int64_t n)
{
    for (int64_t i = n - 1; i > 0; i--) {
        int64_t j = (int64_t)sb_rng_below(r, (uint64_t)i + 1);
        int32_t t = v[i];
        v[i]      = v[j];
        v[j]      = t;
    }
}

int sbi_by_i64(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

sb_status sbi_row_compose(sbi_row *r, const char *type_name, const char *number)
{
    sbi_draft *d    = &r->d;
    sbi_field  f[6] = {{"context", sbi_text_str(&d->context), d->context.n, -1},
                       {"query", sbi_text_str(&r->query), r->query.n, -1},
                       {"type_needle_v", type_name, (int64_t)strlen(type_name), -1},
                       {"num_v", number, (int64_t)strlen(number), -1},
                       {"num_cw", number, (int64_t)strlen(number), -1},
                       {"shot", sbi_text_str(&r->shot), r->shot.n, -1}};
    sb_status  st;
    if (d->context.failed || r->query.failed || r->shot.failed)
        return sb_fail(SB_ERR_NOMEM, "ruler: no memory for a prompt");
    if ((st = sbi_draft_format(d, r->input, f, 6)) != SB_OK)
        return st;
    r->input_bytes = d->text.n;
    if (r->shot.n > 0)
        sbi_draft_span(d, SB_RULER_SPAN_SHOT, -1, f[5].at, f[5].at + r->shot.n);
    if ((st = sbi_py_format(&d->text, r->prefix, f, 6)) != SB_OK)
        return st;
    sbi_draft_span(d, SB_RULER_SPAN_ANSWER_PREFIX, -1, r->input_bytes, d->text.n);
    return sbi_draft_status(d);
}

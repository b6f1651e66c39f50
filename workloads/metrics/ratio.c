#include "workloads/metrics/ratio.h"

#include <string.h>

#include "workloads/metrics/lcs.h"

int64_t sbi_ratio_steps_most = (int64_t)10 * 1000 * 1000 * 1000;

static sb_status too_long(sbi_str a, sbi_str b, int64_t steps)
{
    return sb_fail(SB_ERR_UNSUPPORTED,
                   "the ratio of lines of %lld and %lld characters needs more than %lld steps",
                   (long long)a.n, (long long)b.n, (long long)steps);
}

/* Both texts as numbers of one alphabet. */
static sb_status number_chars(sbi_pool *p, sbi_str a, sbi_str b, int32_t **na, int32_t **nb,
                              int64_t *alphabet)
{
    sbi_words w;
    sb_status st;
    if ((st = sbi_words_init(p, a.n + b.n, &w)) != SB_OK ||
        (st = sbi_pool_get(p, a.n, sizeof **na, na)) != SB_OK ||
        (st = sbi_pool_get(p, b.n, sizeof **nb, nb)) != SB_OK)
        return st;
    for (int64_t i = 0; i < a.n; i++)
        (*na)[i] = sbi_words_number(&w, sbi_slice(a, i, i + 1));
    for (int64_t i = 0; i < b.n; i++)
        (*nb)[i] = sbi_words_number(&w, sbi_slice(b, i, i + 1));
    *alphabet = w.n;
    return SB_OK;
}

sb_status sbi_common_chars(sbi_pool *p, sbi_str a, sbi_str b, int64_t *length)
{
    int32_t  *na, *nb, *head, *dense;
    int64_t   alphabet;
    sbi_lcs   l;
    sb_status st;
    int64_t   ends = 0; /* what both begin or end with is in a longest one */
    *length        = 0;
    while (a.n > 0 && b.n > 0 && a.c[0] == b.c[0]) {
        a = sbi_slice(a, 1, a.n);
        b = sbi_slice(b, 1, b.n);
        ends++;
    }
    while (a.n > 0 && b.n > 0 && a.c[a.n - 1] == b.c[b.n - 1]) {
        a.n--;
        b.n--;
        ends++;
    }
    *length = ends;
    if (a.n == 0 || b.n == 0)
        return SB_OK;
    if ((st = number_chars(p, a, b, &na, &nb, &alphabet)) != SB_OK ||
        (st = sbi_pool_get(p, alphabet, sizeof *head, &head)) != SB_OK ||
        (st = sbi_pool_get(p, alphabet, sizeof *dense, &dense)) != SB_OK)
        return st;
    for (int64_t i = 0; i < alphabet; i++)
        head[i] = dense[i] = -1;
    if ((st = sbi_lcs_begin(p, nb, b.n, head, dense, &l)) != SB_OK)
        return st;
    if (sbi_lcs_cost(&l, a.n) > 2 * sbi_ratio_steps_most) /* they are simple ones */
        return too_long(a, b, 2 * sbi_ratio_steps_most);
    st = sbi_lcs_length(p, &l, na, a.n, length);
    *length += ends;
    return st;
}

/* ---- difflib ---- */

typedef struct block {
    int64_t a_lo, a_hi, b_lo, b_hi;
} block;

typedef struct matcher {
    const int32_t *a, *b;
    int64_t       *start, *place;  /* b's places of a character: place[start[c] .. start[c + 1]) */
    int64_t       *len, *len_next; /* [|b| + 1] match ending at b's place j - 1, 0 elsewhere */
    int64_t        left;           /* steps */
} matcher;

static sb_status index_b(sbi_pool *p, matcher *m, int64_t n_b, int64_t alphabet)
{
    int64_t  *start, *at, most = n_b >= 200 ? n_b / 100 + 1 : n_b;
    sb_status st;
    if ((st = sbi_pool_zero(p, alphabet + 1, sizeof *start, &start)) != SB_OK ||
        (st = sbi_pool_get(p, alphabet, sizeof *at, &at)) != SB_OK ||
        (st = sbi_pool_get(p, n_b, sizeof *m->place, &m->place)) != SB_OK ||
        (st = sbi_pool_zero(p, n_b + 1, sizeof *m->len, &m->len)) != SB_OK ||
        (st = sbi_pool_zero(p, n_b + 1, sizeof *m->len_next, &m->len_next)) != SB_OK)
        return st;
    for (int64_t j = 0; j < n_b; j++)
        start[m->b[j] + 1]++;
    for (int64_t c = 0; c < alphabet; c++)
        start[c + 1] = start[c] + (start[c + 1] > most ? 0 : start[c + 1]);
    for (int64_t c = 0; c < alphabet; c++)
        at[c] = start[c];
    for (int64_t j = 0; j < n_b; j++)
        if (start[m->b[j] + 1] > start[m->b[j]])
            m->place[at[m->b[j]]++] = j;
    m->start = start;
    return SB_OK;
}

/* First of places[lo..hi) that is at least j. */
static int64_t lower_bound(const int64_t *place, int64_t lo, int64_t hi, int64_t j)
{
    while (lo < hi) {
        int64_t mid = lo + (hi - lo) / 2;
        if (place[mid] < j)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* The longest match inside the block, the earliest in a, then in b, of equally long ones; then
 * longer by the equal characters around it, which may be some that start no match. */
static int64_t longest(matcher *m, const block *k, int64_t *at_a, int64_t *at_b)
{
    int64_t best_a = k->a_lo, best_b = k->b_lo, size = 0;
    int64_t old_from = 0, old_to = 0; /* places whose `len` is set */
    for (int64_t i = k->a_lo; i < k->a_hi; i++) {
        int64_t  from = m->start[m->a[i]], to = m->start[m->a[i] + 1];
        int64_t *swap;
        from = lower_bound(m->place, from, to, k->b_lo);
        to   = lower_bound(m->place, from, to, k->b_hi);
        for (int64_t q = from; q < to; q++) {
            int64_t j = m->place[q], n = m->len[j] + 1;
            m->len_next[j + 1] = n;
            if (n > size) {
                best_a = i - n + 1;
                best_b = j - n + 1;
                size   = n;
            }
        }
        for (int64_t q = old_from; q < old_to; q++)
            m->len[m->place[q] + 1] = 0;
        m->left -= 2 + to - from;
        old_from    = from;
        old_to      = to;
        swap        = m->len;
        m->len      = m->len_next;
        m->len_next = swap;
        if (m->left < 0)
            break;
    }
    for (int64_t q = old_from; q < old_to; q++)
        m->len[m->place[q] + 1] = 0;
    while (best_a > k->a_lo && best_b > k->b_lo && m->a[best_a - 1] == m->b[best_b - 1]) {
        best_a--;
        best_b--;
        size++;
    }
    while (best_a + size < k->a_hi && best_b + size < k->b_hi &&
           m->a[best_a + size] == m->b[best_b + size])
        size++;
    *at_a = best_a;
    *at_b = best_b;
    return size;
}

sb_status sbi_ratio_difflib(sbi_pool *p, sbi_str a, sbi_str b, double *ratio)
{
    matcher   m = {.left = sbi_ratio_steps_most};
    int32_t  *na, *nb;
    int64_t   alphabet, n_open = 0, matched = 0;
    block    *open;
    sb_status st;
    if (a.n + b.n == 0) {
        *ratio = 1;
        return SB_OK;
    }
    if ((st = number_chars(p, a, b, &na, &nb, &alphabet)) != SB_OK)
        return st;
    m.a = na;
    m.b = nb;
    /* open blocks do not overlap and none is empty on either side */
    if ((st = index_b(p, &m, b.n, alphabet)) != SB_OK ||
        (st = sbi_pool_get(p, (a.n < b.n ? a.n : b.n) + 2, sizeof *open, &open)) != SB_OK)
        return st;
    open[n_open++] = (block){0, a.n, 0, b.n};
    while (n_open > 0) {
        block   k = open[--n_open];
        int64_t i, j, size = longest(&m, &k, &i, &j);
        if (m.left < 0)
            return too_long(a, b, sbi_ratio_steps_most);
        matched += size;
        if (size == 0)
            continue;
        if (k.a_lo < i && k.b_lo < j)
            open[n_open++] = (block){k.a_lo, i, k.b_lo, j};
        if (i + size < k.a_hi && j + size < k.b_hi)
            open[n_open++] = (block){i + size, k.a_hi, j + size, k.b_hi};
    }
    *ratio = 2.0 * (double)matched / (double)(a.n + b.n);
    return SB_OK;
}

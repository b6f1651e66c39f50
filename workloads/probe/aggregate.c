/* Questions about how often words occur; the whole context is words of the class AGG, there is no
 * needle. cwe  10 common words and 118 others, cwe_ratio : 1 in frequency; the common ones are
 * asked for fwe  frequency ~ rank^-2; ranks 1 to 3 are asked for Words come in bursts of
 * burst_tokens, bursts in random order, and bursts that fall near each other interleave: a shuffle
 * within windows of 512 tokens. What the whole counts leave over is filler. */
#include <stdlib.h>

#include "workloads/probe/filler.h"
#include "workloads/probe/tasks.h"
#include "workloads/probe/vocab.h"

#define WORDS SB_TOK_AGG_N
#define WINDOW_TOKENS 512
/* Counts floor(n / z / rank^2) of ranks 1..4 differ for every n >= 30 (z = sum of 1/rank^2, 128
 * ranks: 1.637). */
#define FWE_MIN_WORDS 30

typedef struct bursts {
    int64_t  n;
    int64_t *tokens; /* [n] */
    int16_t *word;   /* [n] */
} bursts;

/* ---- counts ---- */

/* Of `total` words: how often each common word and each other one occurs. The common ones are
 * strictly more frequent. */
static void cwe_counts(double total, double ratio, int64_t *common, int64_t *other)
{
    double unit = total / (SB_PROBE_CWE_WORDS * ratio + (WORDS - SB_PROBE_CWE_WORDS));
    *other      = (int64_t)unit;
    *common     = (int64_t)(unit * ratio);
    if (*common <= *other)
        *other = *common - 1;
}

static int cwe_fits(double total, double ratio)
{
    int64_t common, other;
    cwe_counts(total, ratio, &common, &other);
    return other >= 1;
}

/* Fewest words that let every word occur. Both counts grow with total: unit >= 1 and unit * ratio
 * >= 2. */
int64_t sb_probe_need_cwe(const sb_probe_task_params *p)
{
    double ratio = p->cwe_ratio;
    double one   = SB_PROBE_CWE_WORDS * ratio + (WORDS - SB_PROBE_CWE_WORDS);
    double need  = ratio >= 2 ? one : 2 / ratio * one;
    if (need > 1e15)
        return INT64_MAX / 2;
    int64_t n = (int64_t)need;
    while (!cwe_fits((double)n, ratio))
        n++;
    return n + 1; /* BOS */
}

/* ---- context ---- */

static sb_status bursts_init(bursts *b, const int64_t *count, int64_t burst_tokens)
{
    int64_t n = 0;
    for (int w = 0; w < WORDS; w++)
        n += count[w] / burst_tokens + (count[w] % burst_tokens > 0);
    b->n      = 0;
    b->tokens = malloc((size_t)n * sizeof *b->tokens);
    b->word   = malloc((size_t)n * sizeof *b->word);
    if (b->tokens == NULL || b->word == NULL) {
        free(b->tokens);
        free(b->word);
        return sb_fail(SB_ERR_NOMEM, "no memory for %lld bursts", (long long)n);
    }
    for (int w = 0; w < WORDS; w++) {
        for (int64_t left = count[w]; left > 0; left -= burst_tokens) {
            b->tokens[b->n] = left < burst_tokens ? left : burst_tokens;
            b->word[b->n++] = (int16_t)w;
        }
    }
    return SB_OK;
}

static void bursts_shuffle(bursts *b, sb_rng *rng)
{
    for (int64_t i = b->n - 1; i > 0; i--) {
        int64_t j      = (int64_t)sb_rng_below(rng, (uint64_t)i + 1);
        int64_t tokens = b->tokens[i];
        int16_t word   = b->word[i];
        b->tokens[i]   = b->tokens[j];
        b->word[i]     = b->word[j];
        b->tokens[j]   = tokens;
        b->word[j]     = word;
    }
}

static void shuffle_tokens(int32_t *ids, int64_t n, sb_rng *rng)
{
    for (int64_t i = n - 1; i > 0; i--) {
        int64_t j = (int64_t)sb_rng_below(rng, (uint64_t)i + 1);
        int32_t t = ids[i];
        ids[i]    = ids[j];
        ids[j]    = t;
    }
}

/* count[w]: occurrences of the w-th word; which id that is, `id` says. Their sum is below
 * n_context. */
static sb_status lay(sb_draft *d, const int64_t *count, const int32_t *id)
{
    bursts    b;
    int64_t   at = 1;
    sb_status st = bursts_init(&b, count, d->params->burst_tokens);
    if (st != SB_OK)
        return st;
    bursts_shuffle(&b, &d->rng);
    d->ids[0] = SB_TOK_BOS;
    for (int64_t i = 0; i < b.n; i++)
        for (int64_t j = 0; j < b.tokens[i]; j++)
            d->ids[at++] = id[b.word[i]];
    while (at < d->n_context)
        d->ids[at++] = SB_PROBE_BLANK;
    for (int64_t s = 1; s < d->n_context; s += WINDOW_TOKENS) {
        int64_t left = d->n_context - s;
        shuffle_tokens(d->ids + s, left < WINDOW_TOKENS ? left : WINDOW_TOKENS, &d->rng);
    }
    free(b.tokens);
    free(b.word);
    return SB_OK;
}

static sb_status build(sb_draft *d, const int64_t *count, int32_t asked)
{
    int32_t id[WORDS];
    for (int32_t w = 0; w < WORDS; w++)
        id[w] = SB_TOK_AGG + w;
    shuffle_tokens(id, WORDS, &d->rng);
    d->profile = SB_PROFILE_AGG;
    for (int32_t i = 0; i < asked; i++) {
        sb_draft_ref(d, &id[i], 1);
        (void)sb_draft_emit(d, SB_TOK_AGG, WORDS, i);
    }
    return lay(d, count, id);
}

sb_status sb_probe_build_cwe(sb_draft *d)
{
    int64_t count[WORDS], common, other;
    int64_t total = d->n_context - 1; /* BOS */
    double  ratio = d->params->cwe_ratio;
    if (!cwe_fits((double)total, ratio))
        return sb_draft_too_small(d, sb_probe_need_cwe(d->params));
    cwe_counts((double)total, ratio, &common, &other);
    for (int w = 0; w < WORDS; w++)
        count[w] = w < SB_PROBE_CWE_WORDS ? common : other;
    return build(d, count, SB_PROBE_CWE_WORDS);
}

int64_t sb_probe_need_fwe(const sb_probe_task_params *p)
{
    (void)p;
    return FWE_MIN_WORDS + 1;
}

sb_status sb_probe_build_fwe(sb_draft *d)
{
    int64_t count[WORDS];
    int64_t total = d->n_context - 1;
    double  z     = 0;
    if (total < FWE_MIN_WORDS)
        return sb_draft_too_small(d, sb_probe_need_fwe(d->params));
    for (int rank = 1; rank <= WORDS; rank++)
        z += 1.0 / (rank * rank);
    for (int rank = 1; rank <= WORDS; rank++)
        count[rank - 1] = (int64_t)((double)total / (rank * rank) / z);
    return build(d, count, SB_PROBE_FWE_WORDS);
}

/* Two sources, one rule: blanks are taken in order of position, so real text runs on across the
 * items set into it. */
#include "workloads/probe/filler.h"

#include <stdlib.h>

#include "kernels/base/rng.h"
#include "workloads/probe/vocab.h"

#define ZIPF_SLOTS 65536
#define ZIPF_SHIFT 48 /* the top 16 bits of a draw */

static void fill_text(int32_t *ids, int64_t n, const sb_corpus *corpus, uint64_t seed)
{
    sb_rng  rng  = {seed};
    int64_t word = (int64_t)sb_rng_below(&rng, (uint64_t)corpus->n_words);
    for (int64_t i = 0; i < n; i++) {
        if (ids[i] != SB_PROBE_BLANK)
            continue;
        ids[i] = SB_TOK_FILL + (int32_t)(sb_mix(corpus->word_hash[word]) % SB_TOK_FILL_N);
        word   = word + 1 < corpus->n_words ? word + 1 : 0;
    }
}

/* Inverse CDF of weights 1/(r+3), r = 0..4095, in 65536 equal slots: a slot gets the rank whose
 * cumulated weight first passes it. */
static void zipf_table(int16_t *rank_of)
{
    double total = 0, cumulated = 0;
    int    slot = 0;
    for (int r = 0; r < SB_TOK_FILL_N; r++)
        total += 1.0 / (r + 3);
    for (int r = 0; r < SB_TOK_FILL_N; r++) {
        cumulated += 1.0 / (r + 3) / total;
        while (slot < ZIPF_SLOTS && slot < cumulated * ZIPF_SLOTS)
            rank_of[slot++] = (int16_t)r;
    }
    while (slot < ZIPF_SLOTS) /* the sum may end a rounding below 1 */
        rank_of[slot++] = SB_TOK_FILL_N - 1;
}

static sb_status fill_zipf(int32_t *ids, int64_t n, uint64_t seed)
{
    sb_rng   rng     = {seed};
    int16_t *rank_of = malloc(ZIPF_SLOTS * sizeof *rank_of);
    if (rank_of == NULL)
        return sb_fail(SB_ERR_NOMEM, "no memory for the table of filler ranks");
    zipf_table(rank_of);
    for (int64_t i = 0; i < n; i++)
        if (ids[i] == SB_PROBE_BLANK)
            ids[i] = SB_TOK_FILL + rank_of[sb_rng_next(&rng) >> ZIPF_SHIFT];
    free(rank_of);
    return SB_OK;
}

sb_status sb_probe_fill(int32_t *ids, int64_t n, const sb_corpus *corpus, uint64_t seed)
{
    if (corpus->word_hash == NULL)
        return fill_zipf(ids, n, seed);
    fill_text(ids, n, corpus, seed);
    return SB_OK;
}

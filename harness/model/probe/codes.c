/* Content and salience codes from counters of the mix function, so that a code depends on its seed
 * and id only. */
#include "harness/model/probe/codes.h"

#include <stdlib.h>
#include <string.h>

#include "kernels/base/rng.h"
#include "kernels/nn/probe_maps.h"
#include "workloads/probe/vocab.h"

#define D SB_PROBE_DIM
#define HALF (SB_PROBE_SALIENCE / 2)

static const sb_bf16 plus_one = 0x3F80, minus_one = 0xBF80;

static sb_bf16 sign(uint64_t bit) { return bit & 1u ? plus_one : minus_one; }

static int within(int32_t x, int32_t base, int32_t n) { return x >= base && x < base + n; }

/* First id of the classes with orthogonal codes, 0 for all others. */
static int32_t walsh_class(int32_t x)
{
    if (within(x, SB_TOK_LEAD, SB_TOK_LEAD_N))
        return SB_TOK_LEAD;
    if (within(x, SB_TOK_NAME, SB_TOK_NAME_N))
        return SB_TOK_NAME;
    return within(x, SB_TOK_AGG, SB_TOK_AGG_N) ? SB_TOK_AGG : 0;
}

static int is_salient(int32_t x) /* not filler, not a special, not AGG */
{
    return x >= SB_TOK_KEY && !within(x, SB_TOK_AGG, SB_TOK_AGG_N);
}

static int is_answer(int32_t x) /* VAL, LEAD, NAME: mute on both sides in the question segment */
{
    return within(x, SB_TOK_VAL, SB_TOK_VAL_N) || within(x, SB_TOK_LEAD, SB_TOK_LEAD_N) ||
           within(x, SB_TOK_NAME, SB_TOK_NAME_N);
}

/* Which Walsh column stands at dim j. Natural order would make rows identical on a slot of 26 dims.
 */
static void column_order(uint64_t seed, int32_t order[D])
{
    for (int32_t j = 0; j < D; j++)
        order[j] = j;
    for (int32_t j = D - 1; j > 0; j--) {
        int32_t k = (int32_t)(sb_mix(seed * 91u + (uint64_t)j) % (uint64_t)(j + 1));
        int32_t t = order[j];
        order[j]  = order[k];
        order[k]  = t;
    }
}

static void content_row(uint64_t seed, const int32_t order[D], int32_t x, sb_bf16 *row)
{
    int32_t  cls     = walsh_class(x);
    uint64_t word[2] = {sb_mix(seed * 1000003u + 4u * (uint64_t)x),
                        sb_mix(seed * 1000003u + 4u * (uint64_t)x + 1u)};
    for (int32_t j = 0; j < D; j++) {
        if (x == SB_TOK_BOS) { /* a non-zero BOS code makes the sink score noisy */
            row[j] = 0;
        } else if (cls != 0) {
            uint64_t flip = sb_mix(seed * 77u + (uint64_t)cls * 131u + (uint64_t)j);
            uint64_t odd  = (uint64_t)__builtin_parity((unsigned)((x - cls) & order[j]));
            row[j]        = sign(~(odd ^ flip));
        } else {
            row[j] = sign(word[j >> 6] >> (j & 63));
        }
    }
}

static void salience_row(uint64_t seed, int32_t x, int question, sb_bf16 *row)
{
    uint64_t bits   = sb_mix(seed * 555557u + 8u * (uint64_t)sb_tok_base(x) + 3u);
    int      listen = is_salient(x) && !(question && is_answer(x));
    int      speak  = is_salient(x) && !question && sb_tok_base(x) == x; /* an alias only asks */
    for (int32_t j = 0; j < HALF; j++) {
        row[j]        = speak ? sign(bits >> j) : 0;
        row[HALF + j] = listen ? sign(bits >> j) : 0;
    }
}

sb_status sb_probe_codes_init(sb_probe_codes *c, int64_t seed)
{
    int32_t        order[D];
    sb_probe_codes t = {
        .content  = malloc((size_t)SB_TOK_VOCAB * D * sizeof(sb_bf16)),
        .salience = malloc((size_t)2 * SB_TOK_VOCAB * SB_PROBE_SALIENCE * sizeof(sb_bf16)),
    };
    if (t.content == NULL || t.salience == NULL) {
        sb_probe_codes_fini(&t);
        return sb_fail(SB_ERR_NOMEM, "probe: no memory for the code tables");
    }
    column_order((uint64_t)seed, order);
    for (int32_t x = 0; x < SB_TOK_VOCAB; x++) {
        content_row((uint64_t)seed, order, x, t.content + (size_t)x * D);
        for (int question = 0; question < 2; question++)
            salience_row((uint64_t)seed, x, question,
                         t.salience +
                             ((size_t)question * SB_TOK_VOCAB + (size_t)x) * SB_PROBE_SALIENCE);
    }
    *c = t;
    return SB_OK;
}

void sb_probe_codes_fini(sb_probe_codes *c)
{
    free(c->content);
    free(c->salience);
    memset(c, 0, sizeof *c);
}

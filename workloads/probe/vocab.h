/* The probe's token ids (spec probe_model 3): shared by the generators here and by the probe model. */
#ifndef SB_WORKLOADS_PROBE_VOCAB_H
#define SB_WORKLOADS_PROBE_VOCAB_H

#include <stddef.h>
#include <stdint.h>

enum {
    SB_TOK_BOS  = 0,
    SB_TOK_ASK  = 2,
    SB_TOK_EQ   = 3,
    SB_TOK_VAR  = 4,
    SB_TOK_FACT = 5,
    SB_TOK_DOC  = 6,
    SB_TOK_SEP  = 7,
    SB_TOK_FILL = 64,    SB_TOK_FILL_N = 4096,
    SB_TOK_KEY  = 8192,  SB_TOK_KEY_N  = 4096,
    SB_TOK_KAL  = 12288, SB_TOK_KAL_N  = 4096, /* question mention of a KEY */
    SB_TOK_VAL  = 16384, SB_TOK_VAL_N  = 4096,
    SB_TOK_LEAD = 20480, SB_TOK_LEAD_N = 128,
    SB_TOK_NAME = 20608, SB_TOK_NAME_N = 128,
    SB_TOK_ENT  = 20736, SB_TOK_ENT_N  = 4096,
    SB_TOK_EAL  = 24832, SB_TOK_EAL_N  = 4096, /* question mention of an ENT */
    SB_TOK_REL  = 28928, SB_TOK_REL_N  = 64,
    SB_TOK_RAL  = 28992, SB_TOK_RAL_N  = 64,   /* question mention of a REL */
    SB_TOK_AGG  = 29056, SB_TOK_AGG_N  = 128,
    SB_TOK_VAL2 = 29184, SB_TOK_VAL2_N = 4096, /* question mention of a VAL */
    SB_TOK_VOCAB = 33280
};

#define SB_PROBE_QUESTION_TOKENS 64 /* the question block */

static inline int32_t sb_tok_base(int32_t x) /* alias -> the id it mentions */
{
    if (x >= SB_TOK_KAL && x < SB_TOK_KAL + SB_TOK_KAL_N)
        return x - SB_TOK_KAL + SB_TOK_KEY;
    if (x >= SB_TOK_EAL && x < SB_TOK_EAL + SB_TOK_EAL_N)
        return x - SB_TOK_EAL + SB_TOK_ENT;
    if (x >= SB_TOK_RAL && x < SB_TOK_RAL + SB_TOK_RAL_N)
        return x - SB_TOK_RAL + SB_TOK_REL;
    if (x >= SB_TOK_VAL2 && x < SB_TOK_VAL2 + SB_TOK_VAL2_N)
        return x - SB_TOK_VAL2 + SB_TOK_VAL;
    return x;
}

/* "BOS", "FILL12", "KEY400", "~KEY400" (an alias), "?99999" outside the vocabulary. */
void sb_probe_token_text(int32_t id, char *buf, size_t buf_bytes);

#endif

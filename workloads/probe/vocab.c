/* Names of token ids: "LEAD17", aliases with a tilde, "?" outside the vocabulary. */
#include "workloads/probe/vocab.h"

#include <stdio.h>

typedef struct token_class {
    int32_t     first, count;
    const char *name;
} token_class;

static const token_class classes[] = {
    {SB_TOK_FILL, SB_TOK_FILL_N, "FILL"}, {SB_TOK_KEY, SB_TOK_KEY_N, "KEY"},
    {SB_TOK_KAL, SB_TOK_KAL_N, "~KEY"},   {SB_TOK_VAL, SB_TOK_VAL_N, "VAL"},
    {SB_TOK_LEAD, SB_TOK_LEAD_N, "LEAD"}, {SB_TOK_NAME, SB_TOK_NAME_N, "NAME"},
    {SB_TOK_ENT, SB_TOK_ENT_N, "ENT"},    {SB_TOK_EAL, SB_TOK_EAL_N, "~ENT"},
    {SB_TOK_REL, SB_TOK_REL_N, "REL"},    {SB_TOK_RAL, SB_TOK_RAL_N, "~REL"},
    {SB_TOK_AGG, SB_TOK_AGG_N, "AGG"},    {SB_TOK_VAL2, SB_TOK_VAL2_N, "~VAL"},
};

static const char *special_name(int32_t id)
{
    switch (id) {
    case SB_TOK_BOS:
        return "BOS";
    case SB_TOK_ASK:
        return "ASK";
    case SB_TOK_EQ:
        return "EQ";
    case SB_TOK_VAR:
        return "VAR";
    case SB_TOK_FACT:
        return "FACT";
    case SB_TOK_DOC:
        return "DOC";
    case SB_TOK_SEP:
        return "SEP";
    default:
        return NULL;
    }
}

void sb_probe_token_text(int32_t id, char *buf, size_t buf_bytes)
{
    const char *special = special_name(id);
    if (special != NULL) {
        (void)snprintf(buf, buf_bytes, "%s", special);
        return;
    }
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++) {
        const token_class *c = &classes[i];
        if (id >= c->first && id - c->first < c->count) {
            (void)snprintf(buf, buf_bytes, "%s%d", c->name, (int)(id - c->first));
            return;
        }
    }
    (void)snprintf(buf, buf_bytes, "?%d", (int)id);
}

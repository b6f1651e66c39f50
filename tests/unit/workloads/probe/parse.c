/* Grammar of spec probe_model 6: BOS, then items in filler. */
#include "tests/unit/workloads/probe/parse.h"

#define DOC_TOKENS 46

static void need(const sb_input *in, int64_t at, int holds, const char *what)
{
    if (!holds)
        ck_abort_msg("token %lld is %s, wanted %s", (long long)at, text_of(in->ids + at, 1), what);
}

static void need_class(const sb_input *in, int64_t at, int32_t first, int32_t count,
                       const char *what)
{
    need(in, at, at < in->n_context && in_class(in->ids[at], first, count), what);
}

static int64_t parse_statement(const sb_input *in, int64_t at)
{
    need_class(in, at + 1, SB_TOK_NAME, SB_TOK_NAME_N, "a name");
    need(in, at + 2, in->ids[at + 2] == SB_TOK_EQ, "EQ");
    need(in, at + 3,
         in_class(in->ids[at + 3], SB_TOK_NAME, SB_TOK_NAME_N) ||
             in_class(in->ids[at + 3], SB_TOK_VAL, SB_TOK_VAL_N),
         "a name or a value");
    return 4;
}

static int64_t parse_keyed(const sb_input *in, int64_t at)
{
    for (int i = 0; i < 3; i++)
        need_class(in, at + i, SB_TOK_KEY, SB_TOK_KEY_N, "a key token");
    need_class(in, at + 3, SB_TOK_LEAD, SB_TOK_LEAD_N, "a lead");
    need_class(in, at + 4, SB_TOK_VAL, SB_TOK_VAL_N, "a value");
    need_class(in, at + 5, SB_TOK_VAL, SB_TOK_VAL_N, "a value");
    return 6;
}

static int64_t parse_doc(const sb_input *in, int64_t at)
{
    for (int f = 0; f < 5; f++) {
        int64_t a = at + 1 + 9 * f;
        need(in, a, in->ids[a] == SB_TOK_FACT, "FACT");
        need(in, a + 1, in->ids[a + 1] == in->ids[at + 2], "the document's entity");
        need_class(in, a + 1, SB_TOK_ENT, SB_TOK_ENT_N, "an entity");
        need_class(in, a + 2, SB_TOK_REL, SB_TOK_REL_N, "a relation");
        if (f < 2)
            need_class(in, a + 3, SB_TOK_ENT, SB_TOK_ENT_N, "an entity");
        else
            need_class(in, a + 3, SB_TOK_VAL, SB_TOK_VAL_N, "a value");
        need(in, a + 3, in->ids[a + 3] != in->ids[at + 2], "another entity than the document's");
        for (int i = 4; i < 9; i++)
            need(in, a + i, is_filler(in->ids[a + i]), "filler");
    }
    return DOC_TOKENS;
}

static parsed_item parse_item(const sb_input *in, int64_t at)
{
    int32_t id = in->ids[at];
    if (id == SB_TOK_VAR)
        return (parsed_item){ITEM_STATEMENT, at, parse_statement(in, at)};
    if (id == SB_TOK_DOC)
        return (parsed_item){ITEM_DOC, at, parse_doc(in, at)};
    return (parsed_item){ITEM_KEYED, at, parse_keyed(in, at)};
}

void parse_context(const sb_input *in, parsed *out)
{
    int64_t gap = 0;
    *out        = (parsed){.min_gap = INT64_MAX};
    need(in, 0, in->ids[0] == SB_TOK_BOS, "BOS");
    for (int64_t at = 1; at < in->n_context;) {
        if (is_filler(in->ids[at])) {
            gap++;
            at++;
            continue;
        }
        parsed_item it = parse_item(in, at);
        ck_assert_int_lt(out->n, PARSE_MAX_ITEMS);
        out->item[out->n++] = it;
        out->count[it.kind]++;
        out->min_gap = gap < out->min_gap ? gap : out->min_gap;
        gap          = 0;
        at += it.tokens;
    }
    out->min_gap = gap < out->min_gap ? gap : out->min_gap;
}

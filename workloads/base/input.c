/* Inputs: freeing, checking the decode script, identity. */
#include "workloads/base/input.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "workloads/base/sha256.h"
#include "workloads/base/text_suite.h"

const char *sb_span_kind_name(sb_span_kind k)
{
    static const char *const name[SB_SPAN_KIND_COUNT] = {"needle", "distractor", "query"};
    return (unsigned)k < SB_SPAN_KIND_COUNT ? name[k] : "?";
}

void sb_input_fini(sb_input *in)
{
    if (in == NULL)
        return;
    for (int64_t i = 0; in->refs != NULL && i < in->n_refs; i++)
        free(in->refs[i]);
    free(in->refs);
    free(in->ids);
    free(in->spans);
    free(in->script);
    free(in->stops);
    free(in->late_stops);
    free(in->refusal);
    if (in->text != NULL)
        sb_text_row_fini(in->text);
    free(in->text);
    memset(in, 0, sizeof *in);
}

typedef struct counts {
    int64_t emit, feed, groups;
} counts;

/* One walk over the script: counts, and what would make a replay read something that is not there.
 */
static sb_status check_script(const sb_input *in, counts *out)
{
    counts  n      = {0, 0, 0};
    int64_t mark   = 0;
    int64_t filled = 0; /* groups are opened in order, so one number says which exist */
    for (int64_t i = 0; i < in->n_script; i++) {
        const sb_script_op *op = &in->script[i];
        switch (op->kind) {
        case SB_SCRIPT_EMIT:
            if (op->a < 0 || op->b <= op->a)
                return sb_fail(SB_ERR_INTERNAL, "script op %" PRId64 ": empty class [%d, %d)", i,
                               op->a, op->b);
            if (op->c < 0 || op->c > filled)
                return sb_fail(SB_ERR_INTERNAL,
                               "script op %" PRId64 ": group %d opened before group %" PRId64, i,
                               op->c, filled);
            filled += op->c == filled;
            n.emit++;
            break;
        case SB_SCRIPT_FEED_EMIT:
            if (op->a < 0 || op->a >= n.emit)
                return sb_fail(SB_ERR_INTERNAL,
                               "script op %" PRId64 ": feeds emit %d of %" PRId64 " so far", i,
                               op->a, n.emit);
            n.feed++;
            break;
        case SB_SCRIPT_FEED:
            if (op->a < 0)
                return sb_fail(SB_ERR_INTERNAL, "script op %" PRId64 ": feeds token %d", i, op->a);
            n.feed++;
            break;
        case SB_SCRIPT_MARK:
            mark = 1;
            break;
        case SB_SCRIPT_ROLLBACK:
            if (!mark)
                return sb_fail(SB_ERR_INTERNAL, "script op %" PRId64 ": rollback without mark", i);
            break;
        case SB_SCRIPT_COUNT:
        default:
            return sb_fail(SB_ERR_INTERNAL, "script op %" PRId64 ": unknown kind %d", i,
                           (int)op->kind);
        }
    }
    n.groups = filled;
    *out     = n;
    return SB_OK;
}

static sb_status identity(const sb_input *in, char hex[65])
{
    static const char form[] = "sb_input/1"; /* changes with the list of fields below */
    sbi_sha256        h;
    sbi_sha256_init(&h);
    sbi_sha256_put(&h, form, sizeof form);
    sbi_sha256_put_i64(&h, in->n_tokens);
    sbi_sha256_put_i64(&h, in->n_context);
    sbi_sha256_put_i32s(&h, in->ids, in->n_tokens);
    sbi_sha256_put_i64(&h, in->n_spans);
    for (int64_t i = 0; i < in->n_spans; i++) { /* depth follows from begin and n_context */
        sbi_sha256_put_i64(&h, in->spans[i].tok_begin);
        sbi_sha256_put_i64(&h, in->spans[i].tok_end);
        sbi_sha256_put_i64(&h, in->spans[i].kind);
        sbi_sha256_put_i64(&h, in->spans[i].ref);
    }
    sbi_sha256_put_i64(&h, in->n_refs);
    for (int64_t i = 0; i < in->n_refs; i++)
        sbi_sha256_put(&h, in->refs[i], strlen(in->refs[i]) + 1);
    sbi_sha256_put_i64(&h, in->n_script);
    for (int64_t i = 0; i < in->n_script; i++) {
        const sb_script_op *op       = &in->script[i];
        int32_t             field[4] = {(int32_t)op->kind, op->a, op->b, op->c};
        sbi_sha256_put_i32s(&h, field, 4);
    }
    if (in->n_stops + in->n_late_stops > 0) { /* inputs without keep the identity they had */
        sbi_sha256_put_i64(&h, in->n_stops);
        sbi_sha256_put_i32s(&h, in->stops, in->n_stops);
        sbi_sha256_put_i32s(&h, in->late_stops, in->n_late_stops);
    }
    return sbi_sha256_hex(&h, hex);
}

sb_status sb_input_seal(sb_input *in)
{
    char      hex[65];
    counts    n  = {0, 0, 0};
    sb_status st = check_script(in, &n);
    if (st == SB_OK)
        st = identity(in, hex);
    if (st != SB_OK)
        return st;
    in->n_emit   = n.emit;
    in->n_feed   = n.feed;
    in->n_groups = n.groups;
    memcpy(in->sha256, hex, sizeof hex);
    return SB_OK;
}

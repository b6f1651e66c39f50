/* Scores of a prediction against an input's references: pure functions of two texts, versioned by
 * name [workloads 5 (iii)].
 *
 * A prediction is cut into pieces at ";", each trimmed of blanks; a reference is hit by a piece
 * equal to it, byte for byte. exact             1 when every reference equals the piece of its own
 * place and there is no further piece, else 0 fraction_ordered  references hit at their own place /
 * references fraction_set      references hit by any of the first n_refs pieces / references; a
 * piece hits one reference at most, and pieces past n_refs do not count, so naming everything is
 * not an answer */
#include <stdlib.h>
#include <string.h>

#include "workloads/base/task.h"

typedef struct piece {
    const char *begin;
    size_t      bytes;
} piece;

static int is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

/* The piece at *cursor, which moves behind it; 0 when there is none left. "" has one piece, which
 * is empty. */
static int piece_next(const char **cursor, piece *out)
{
    const char *s = *cursor;
    size_t      n;
    if (s == NULL)
        return 0;
    n       = strcspn(s, ";");
    *cursor = s[n] == ';' ? s + n + 1 : NULL;
    while (n > 0 && is_blank(*s)) {
        s++;
        n--;
    }
    while (n > 0 && is_blank(s[n - 1]))
        n--;
    *out = (piece){s, n};
    return 1;
}

static int piece_is(const piece *p, const char *ref)
{
    return strlen(ref) == p->bytes && memcmp(p->begin, ref, p->bytes) == 0;
}

typedef int64_t (*match_fn)(const char *pred, const sb_input *in, uint8_t *hit, int *spare);

static int64_t match_ordered(const char *pred, const sb_input *in, uint8_t *hit, int *spare)
{
    int64_t found = 0, i = 0;
    piece   p;
    for (; i < in->n_refs && piece_next(&pred, &p); i++) {
        hit[i] = (uint8_t)piece_is(&p, in->refs[i]);
        found += hit[i];
    }
    *spare = pred != NULL;
    return found;
}

static int64_t match_set(const char *pred, const sb_input *in, uint8_t *hit, int *spare)
{
    int64_t found = 0;
    piece   p;
    for (int64_t i = 0; i < in->n_refs && piece_next(&pred, &p); i++) {
        for (int64_t r = 0; r < in->n_refs; r++) {
            if (!hit[r] && piece_is(&p, in->refs[r])) {
                hit[r] = 1;
                found++;
                break;
            }
        }
    }
    *spare = pred != NULL;
    return found;
}

static sb_status score(const char *pred, const sb_input *in, match_fn match, int32_t is_binary,
                       sb_score *out)
{
    uint8_t *hit;
    int64_t  found;
    int      spare = 0;
    if (in->n_refs < 1)
        return sb_fail(SB_ERR_INTERNAL, "an input without references cannot be scored");
    hit = calloc((size_t)in->n_refs, 1);
    if (hit == NULL)
        return sb_fail(SB_ERR_NOMEM, "no memory to score %lld references", (long long)in->n_refs);
    found          = match(pred != NULL ? pred : "", in, hit, &spare);
    out->is_binary = is_binary;
    out->value =
        is_binary ? (double)(found == in->n_refs && !spare) : (double)found / (double)in->n_refs;
    if (out->hit != NULL)
        memcpy(out->hit, hit, (size_t)in->n_refs);
    free(hit);
    return SB_OK;
}

static sb_status score_exact(const char *pred, const sb_input *in, sb_score *out)
{
    return score(pred, in, match_ordered, 1, out);
}

static sb_status score_fraction_set(const char *pred, const sb_input *in, sb_score *out)
{
    return score(pred, in, match_set, 0, out);
}

static sb_status score_fraction_ordered(const char *pred, const sb_input *in, sb_score *out)
{
    return score(pred, in, match_ordered, 0, out);
}

const sb_metric sb_metric_exact            = {"exact@1", 1, score_exact};
const sb_metric sb_metric_fraction_set     = {"fraction_set@1", 0, score_fraction_set};
const sb_metric sb_metric_fraction_ordered = {"fraction_ordered@1", 0, score_fraction_ordered};

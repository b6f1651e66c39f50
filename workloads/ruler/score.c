#include "workloads/ruler/score.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "workloads/base/pytext.h"

const char *sb_ruler_metric_name(sb_ruler_metric m)
{
    return m == SB_RULER_MATCH_ALL ? "ruler_string_match_all@1" : "ruler_string_match_part@1";
}

int sb_ruler_metric_is_binary(sb_ruler_metric m, int64_t n_answers)
{
    return m == SB_RULER_MATCH_PART || n_answers == 1;
}

static sb_status clean(const char *s, int64_t n_bytes, sbi_text *out)
{
    int64_t begin = 0, end = n_bytes, bad = sbi_utf8_check(s, n_bytes);
    if (bad >= 0)
        return sb_fail(SB_ERR_USAGE, "prediction: byte %" PRId64 " is not UTF-8", bad + 1);
    sbi_py_strip(s, &begin, &end);
    sbi_text_put(out, s + begin, end - begin);
    if (out->failed)
        return sbi_text_status(out);
    for (int64_t i = 0; i < out->n; i++)
        if ((unsigned char)out->p[i] < 0x20)
            out->p[i] = '\n';
    begin = 0;
    end   = out->n;
    sbi_py_strip(out->p, &begin, &end);
    if (begin > 0)
        memmove(out->p, out->p + begin, (size_t)(end - begin));
    out->n         = end - begin;
    out->p[out->n] = '\0';
    return SB_OK;
}

sb_status sb_ruler_clean(const char *prediction, int64_t n_bytes, char **out)
{
    sbi_text  t  = {0};
    sb_status st = clean(prediction, n_bytes, &t);
    if (st == SB_OK)
        *out = sbi_text_take(&t);
    sbi_text_fini(&t);
    return st;
}

sb_status sb_ruler_score_row(sb_ruler_metric m, const char *prediction, int64_t n_bytes,
                             char *const *answers, int64_t n_answers, uint8_t *hit,
                             sb_ruler_score *out)
{
    sbi_text  text = {0}, lower = {0}, answer = {0};
    int64_t   found = 0;
    sb_status st    = n_answers > 0 ? clean(prediction, n_bytes, &text)
                                    : sb_fail(SB_ERR_USAGE, "score: a row without answers");
    if (st == SB_OK)
        sbi_py_lower(&lower, sbi_text_str(&text), text.n);
    for (int64_t i = 0; st == SB_OK && i < n_answers; i++) {
        int64_t n = (int64_t)strlen(answers[i]);
        int     here;
        if (sbi_utf8_check(answers[i], n) >= 0) {
            st = sb_fail(SB_ERR_USAGE, "score: answer %" PRId64 " is not UTF-8", i + 1);
            break;
        }
        sbi_text_reset(&answer);
        sbi_py_lower(&answer, answers[i], n);
        if ((st = sbi_text_status(&answer)) != SB_OK || (st = sbi_text_status(&lower)) != SB_OK)
            break;
        here = sbi_text_find(sbi_text_str(&lower), lower.n, sbi_text_str(&answer), answer.n) >= 0;
        found += here;
        if (hit != NULL)
            hit[i] = (uint8_t)here;
    }
    if (st == SB_OK) {
        out->value   = m == SB_RULER_MATCH_ALL ? (double)found / (double)n_answers : found > 0;
        out->n_hits  = found;
        out->is_null = text.n == 0;
    }
    sbi_text_fini(&text);
    sbi_text_fini(&lower);
    sbi_text_fini(&answer);
    return st;
}

double sb_ruler_task_figure(const double *values, int64_t n)
{
    char   buf[64];
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += values[i];
    /* printf rounds the binary value correctly, as Python's round(x, 2) does */
    (void)snprintf(buf, sizeof buf, "%.2f", n > 0 ? sum / (double)n * 100 : 0.0);
    return strtod(buf, NULL);
}

sb_ruler_summary sb_ruler_summarise(const double scores[SB_RULER_LENGTHS])
{
    sb_ruler_summary s = {0, 0, 0, 0};
    for (int i = 0; i < SB_RULER_LENGTHS; i++) {
        s.mean += scores[i] / SB_RULER_LENGTHS;
        s.increasing += (i + 1) * scores[i] / 21;
        s.decreasing += (SB_RULER_LENGTHS - i) * scores[i] / 21;
        if (scores[i] > SB_RULER_EFFECTIVE)
            s.effective_tokens = (int64_t)4096 << i;
    }
    return s;
}

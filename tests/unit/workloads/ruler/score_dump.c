/* score_dump: rows {"pred": ..., "refs": [...]} from the file named; for each a line "ALL PART NULL
 * CLEANED", CLEANED as JSON; last the figures of all rows. For tests/golden/ruler_score_compare.py.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "workloads/base/jsonl.h"
#include "workloads/base/pytext.h"
#include "workloads/ruler/score.h"

enum { MAX_ROWS = 100000, MAX_REFS = 16 };

static double all[MAX_ROWS], part[MAX_ROWS];

static sb_status dump_row(const json_t *row, int64_t i)
{
    const json_t  *pred = json_object_get(row, "pred"), *refs = json_object_get(row, "refs");
    char          *answers[MAX_REFS], *clean                  = NULL;
    const char    *text = json_string_value(pred);
    int64_t        n = (int64_t)json_array_size(refs), bytes = (int64_t)json_string_length(pred);
    sb_ruler_score a, p;
    sbi_text       json = {0};
    sb_status      st;
    for (int64_t k = 0; k < n && k < MAX_REFS; k++)
        answers[k] = (char *)(uintptr_t)json_string_value(json_array_get(refs, (size_t)k));
    if ((st = sb_ruler_score_row(SB_RULER_MATCH_ALL, text, bytes, answers, n, NULL, &a)) != SB_OK ||
        (st = sb_ruler_score_row(SB_RULER_MATCH_PART, text, bytes, answers, n, NULL, &p)) !=
            SB_OK ||
        (st = sb_ruler_clean(text, bytes, &clean)) != SB_OK)
        return st;
    sbi_py_json(&json, clean, (int64_t)strlen(clean));
    all[i]  = a.value;
    part[i] = p.value;
    (void)printf("%.2f %.2f %d %s\n", sb_ruler_task_figure(&a.value, 1),
                 sb_ruler_task_figure(&p.value, 1), a.is_null, sbi_text_str(&json));
    sbi_text_fini(&json);
    free(clean);
    return SB_OK;
}

int main(int argc, char **argv)
{
    sb_jsonl *r   = NULL;
    json_t   *row = NULL;
    int64_t   n   = 0;
    sb_status st =
        argc == 2 ? sb_jsonl_open(argv[1], &r) : sb_fail(SB_ERR_USAGE, "score_dump FILE");
    while (st == SB_OK && (st = sb_jsonl_next(r, &row)) == SB_OK && row != NULL && n < MAX_ROWS) {
        st = dump_row(row, n++);
        json_decref(row);
    }
    if (st == SB_OK)
        (void)printf("%.2f %.2f\n", sb_ruler_task_figure(all, n), sb_ruler_task_figure(part, n));
    else
        (void)fprintf(stderr, "%s\n", sb_error_text());
    sb_jsonl_close(r);
    return st == SB_OK && fflush(stdout) == 0 ? 0 : 1;
}

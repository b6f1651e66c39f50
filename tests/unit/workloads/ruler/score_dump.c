/* score_dump: rows {"pred": ..., "refs": [...]} from the file named; for each a line "ALL PART NULL
 * CLEANED", CLEANED as JSON; last the figures of all rows. For tests/golden/ruler_score_compare.py.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "workloads/base/jsonl.h"
#include "workloads/base/pytext.h"
#include "workloads/metrics/ruler.h"
#include "workloads/ruler/score.h"

enum { MAX_ROWS = 100000, MAX_REFS = 16 };

static double all[MAX_ROWS], part[MAX_ROWS];

static sb_status dump_row(const json_t *row, int64_t i)
{
    const json_t *pred = json_object_get(row, "pred"), *refs = json_object_get(row, "refs");
    sb_text       text = {json_string_value(pred), json_string_length(pred)}, answers[MAX_REFS];
    sb_score_req  req  = {.preds = &text, .n_preds = 1, .refs = answers};
    sb_text_score a, p;
    char         *clean = NULL;
    sbi_text      json  = {0};
    sb_status     st;
    for (; req.n_refs < (int64_t)json_array_size(refs) && req.n_refs < MAX_REFS; req.n_refs++)
        answers[req.n_refs] =
            sb_text_of(json_string_value(json_array_get(refs, (size_t)req.n_refs)));
    if ((st = sb_scorer_score(sb_scorer_find("ruler_all@1"), &req, &a)) != SB_OK ||
        (st = sb_scorer_score(sb_scorer_find("ruler_part@1"), &req, &p)) != SB_OK ||
        (st = sb_ruler_clean(text, &clean)) != SB_OK)
        return st;
    sbi_py_json(&json, clean, (int64_t)strlen(clean));
    all[i]  = a.value;
    part[i] = p.value;
    (void)printf("%.2f %.2f %d %s\n", sb_ruler_task_figure(&a.value, 1),
                 sb_ruler_task_figure(&p.value, 1), (a.flags & SB_SCORE_NULL) != 0,
                 sbi_text_str(&json));
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

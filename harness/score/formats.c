#include "harness/score/formats.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "workloads/ruler/import.h"

const sbi_format *const sbi_formats[] = {
    &sbi_format_own,   &sbi_format_lmeval,        &sbi_format_longbench_v2, &sbi_format_longbench,
    &sbi_format_ruler, &sbi_format_infinitebench, &sbi_format_kvpress,      NULL,
};

const sbi_format *sbi_format_find(const char *name)
{
    for (const sbi_format *const *f = sbi_formats; *f != NULL; f++)
        if (strcmp((*f)->name, name) == 0)
            return *f;
    return NULL;
}

void sbi_format_names(char *buf, size_t n)
{
    size_t used = 0;
    buf[0]      = '\0';
    for (const sbi_format *const *f = sbi_formats; *f != NULL && used < n; f++)
        used += (size_t)snprintf(buf + used, n - used, "%s%s", used > 0 ? ", " : "", (*f)->name);
}

int sbi_has(const json_t *row, const char *field) { return json_object_get(row, field) != NULL; }

sb_status sbi_take_meta(const sbi_row_source *s, const char *const *fields, sbi_prediction *out)
{
    return sbi_row_meta(s, fields, &out->row);
}

sb_status sbi_take_count(const sbi_row_source *s, const char *field, int64_t otherwise,
                         int64_t *out)
{
    const json_t *v = json_object_get(s->row, field);
    *out            = otherwise;
    return v == NULL || json_is_null(v) ? SB_OK : sbi_row_count(s, field, out);
}

sb_status sbi_check_ruler_answers(const sbi_row_source *s, const char *field, const char *task,
                                  const sbi_prediction *p)
{
    const sb_ruler_task *t    = sb_ruler_task_find(task);
    int64_t              want = t == NULL ? 0 : sb_ruler_task_answers(t);
    if (want > 0 && p->row.n_refs != want)
        return sbi_row_fail(s, field, "%" PRId64 " answers, %s has %" PRId64, p->row.n_refs, task,
                            want);
    for (int64_t i = 0; i < p->row.n_refs; i++)
        if (p->row.refs[i][0] == '\0')
            return sbi_row_fail(s, field, "[%" PRId64 "]: an empty answer, which any text holds",
                                i);
    return SB_OK;
}

sb_status sbi_take_ruler_answers(const sbi_row_source *s, const char *field, const char *task,
                                 sbi_prediction *out)
{
    sb_status st = sbi_row_texts(s, field, json_object_get(s->row, field), 1, &out->row.refs,
                                 &out->row.n_refs);
    return st == SB_OK ? sbi_check_ruler_answers(s, field, task, out) : st;
}

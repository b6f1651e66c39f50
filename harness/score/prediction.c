#include "harness/score/prediction.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "workloads/base/sha256.h"
#include "workloads/metrics/longbench.h"
#include "workloads/registry.h"

void sbi_prediction_fini(sbi_prediction *p)
{
    for (int64_t i = 0; p->preds != NULL && i < p->n_preds; i++)
        free(p->preds[i]);
    free(p->preds);
    free(p->suite);
    free(p->task);
    sb_text_row_fini(&p->row);
    *p = (sbi_prediction){0};
}

/* ---- from a path ---- */

enum { LEAST_LENGTH = 256 };

static void take_length(const char *part, size_t n, int64_t *length)
{
    int64_t v = 0;
    if (n == 0 || n > 12 || strspn(part, "0123456789") < n)
        return;
    for (size_t i = 0; i < n; i++)
        v = 10 * v + (part[i] - '0');
    if (v >= LEAST_LENGTH)
        *length = v;
}

static void look_at_folder(const char *part, size_t n, sbi_context *c)
{
    const char *at = part, *end = part + n;
    if (n == strlen("pred_e") && strncmp(part, "pred_e", n) == 0)
        c->is_e = 1;
    while (at <= end) {
        const char *mark = at;
        while (mark < end && !(mark + 1 < end && mark[0] == '_' && mark[1] == '_'))
            mark++;
        take_length(at, (size_t)(mark - at), &c->length_tokens);
        at = mark + 2;
    }
}

static void copy_part(char *to, size_t room, const char *from, size_t n)
{
    n = n < room ? n : room - 1;
    memcpy(to, from, n);
    to[n] = '\0';
}

void sbi_context_from_path(const char *path, sbi_context *c)
{
    static const char *const endings[] = {".jsonl", ".json", ".csv"};
    const char              *part      = path, *slash;
    size_t                   n;
    for (; (slash = strchr(part, '/')) != NULL; part = slash + 1) {
        n = (size_t)(slash - part);
        if (n == 0)
            continue;
        look_at_folder(part, n, c);
        copy_part(c->folder, sizeof c->folder, part, n);
    }
    n = strlen(part);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        size_t e = strlen(endings[i]);
        if (n > e && strcmp(part + n - e, endings[i]) == 0) {
            n -= e;
            break;
        }
    }
    copy_part(c->name, sizeof c->name, part, n);
    if (n > 2 && strncmp(part + n - 2, "_e", 2) == 0)
        c->is_e = 1;
}

/* ---- what readers share ---- */

char *sbi_dump(const json_t *v, size_t flags)
{
    char *text;
    errno = 0;
    text  = v == NULL ? NULL : json_dumps(v, flags);
    if (text != NULL && errno == ENOMEM) {
        free(text);
        text = NULL;
    }
    return text;
}

sb_status sbi_prediction_name(const sbi_row_source *s, sbi_prediction *out, const char *suite,
                              const char *task)
{
    out->suite = strdup(suite);
    out->task  = strdup(task);
    return out->suite != NULL && out->task != NULL
               ? SB_OK
               : sb_fail(SB_ERR_NOMEM, "%s: no memory for a row", s->path);
}

sb_status sbi_prediction_take(const sbi_row_source *s, const char *field, sbi_prediction *out)
{
    const char *text;
    sb_status   st = sbi_row_string(s, field, &text);
    if (st != SB_OK)
        return st;
    if ((out->preds = calloc(1, sizeof *out->preds)) == NULL ||
        (out->preds[0] = strdup(text)) == NULL)
        return sb_fail(SB_ERR_NOMEM, "%s: no memory for a prediction", s->path);
    out->n_preds = 1;
    return SB_OK;
}

/* ---- identity ---- */

static void put(sbi_sha256 *h, const char *text)
{
    int64_t n = text == NULL ? -1 : (int64_t)strlen(text);
    sbi_sha256_put_i64(h, n);
    if (n > 0)
        sbi_sha256_put(h, text, (size_t)n);
}

static void put_all(sbi_sha256 *h, char *const *v, int64_t n)
{
    sbi_sha256_put_i64(h, n);
    for (int64_t i = 0; i < n; i++)
        put(h, v[i]);
}

static void take_suite_facts(sbi_prediction *p)
{
    const sb_text_suite *suite = sb_text_suite_find(p->suite);
    const sb_text_task  *task  = suite == NULL ? NULL : sb_text_task_find(suite, p->task);
    if (task != NULL && p->row.scorer == NULL)
        p->row.scorer = task->scorer;
    if (suite != NULL && strncmp(p->suite, "longbench", 9) == 0) {
        const sb_longbench *d = sb_longbench_find(p->task);
        if (d != NULL)
            p->row.first_line = d->first_line;
    }
}

sb_status sbi_prediction_seal(const sbi_row_source *s, sbi_prediction *p)
{
    sb_text_row *r = &p->row;
    sbi_sha256   h;
    if (r->id == NULL && (r->id = strdup("")) == NULL)
        return sb_fail(SB_ERR_NOMEM, "%s: no memory for a row", s->path);
    if (r->meta == NULL && (r->meta = strdup("{}")) == NULL)
        return sb_fail(SB_ERR_NOMEM, "%s: no memory for a row", s->path);
    take_suite_facts(p);
    if (r->sha256[0] != '\0')
        return SB_OK;
    sbi_sha256_init(&h);
    put(&h, "prediction made elsewhere 1");
    put(&h, p->suite);
    put(&h, p->task);
    sbi_sha256_put_i64(&h, p->length_tokens);
    put(&h, r->id);
    put(&h, r->prompt);
    put(&h, r->question);
    put_all(&h, r->refs, r->n_refs);
    put_all(&h, r->classes, r->n_classes);
    sbi_sha256_put_i64(&h, r->id[0] == '\0' && r->prompt == NULL ? r->row : -1);
    return sbi_sha256_hex(&h, r->sha256);
}

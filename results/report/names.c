/* See names.h. */
#include "results/report/names.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static const char asked[] =
    "SELECT DISTINCT 'm', method || char(31) || method_json, method, method_json, 1 - "
    "training_free "
    "FROM point UNION SELECT DISTINCT 'o', model || char(31) || model_json, model, model_json, 0 "
    "FROM "
    "point UNION SELECT DISTINCT 't', task || char(31) || task_json, task, task_json, 0 FROM point "
    "ORDER BY 2, 1, 5 DESC";
enum { KIND, KEY, NAME, PARAMS, UNTRAINED, N_COLUMNS };

static sb_status no_memory(void) { return sb_fail(SB_ERR_NOMEM, "report: no memory for names"); }

/* A parameter's value as text: strings without quotes, else JSON. malloc'd. */
static char *value_text(const json_t *v)
{
    if (json_is_string(v))
        return strdup(json_string_value(v));
    return json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT | JSON_SORT_KEYS | JSON_REAL_PRECISION(6));
}

/* Does this parameter differ among the rows of one name? Missing counts as another value. */
static int differs(const sb_answer *r, json_t *const *params, int64_t row, const char *key)
{
    const json_t *mine = json_object_get(params[row], key);
    for (int64_t i = 0; i < r->n_rows; i++) {
        char **a = r->text + i * N_COLUMNS, **b = r->text + row * N_COLUMNS;
        if (strcmp(a[KIND], b[KIND]) != 0 || strcmp(a[NAME], b[NAME]) != 0)
            continue;
        const json_t *other = json_object_get(params[i], key);
        if (other == NULL ? mine != NULL : !json_equal(other, mine))
            return 1;
    }
    return 0;
}

/* The operator alone has no model: its shape is the name. */
static void write_operator(FILE *f, json_t *p)
{
    json_int_t heads = json_integer_value(json_object_get(p, "heads"));
    json_int_t kv    = json_integer_value(json_object_get(p, "kv_heads"));
    json_int_t dim   = json_integer_value(json_object_get(p, "head_dim"));
    (void)fprintf(f, "operator alone");
    if (heads > 0)
        (void)fprintf(f, ", %lld/%lld heads of %lld", (long long)heads, (long long)kv,
                      (long long)dim);
}

static sb_status label(const sb_answer *r, json_t *const *params, int64_t row, char **out)
{
    char      **cell = r->text + row * N_COLUMNS;
    char       *text = NULL;
    size_t      n    = 0;
    const char *key;
    json_t     *value;
    sb_status   st = SB_OK;
    FILE       *f  = open_memstream(&text, &n);
    if (f == NULL)
        return no_memory();
    if (cell[KIND][0] == 'o' && strcmp(cell[NAME], "none") == 0) {
        write_operator(f, params[row]);
    } else {
        (void)fputs(cell[NAME], f);
        json_object_foreach(params[row], key, value)
        {
            char *shown = NULL;
            if (!differs(r, params, row, key))
                continue;
            if ((shown = value_text(value)) == NULL) {
                st = no_memory();
                break;
            }
            (void)fprintf(f, " %s=%s", key, shown);
            free(shown);
        }
    }
    if (fclose(f) != 0 && st == SB_OK)
        st = no_memory();
    if (st == SB_OK)
        *out = text;
    else
        free(text);
    return st;
}

static int by_label(const void *a, const void *b)
{
    const sbi_name *const *x = a, *const *y = b;
    int                    dense =
        (strncmp((*y)->key, "dense\x1f", 6) == 0) - (strncmp((*x)->key, "dense\x1f", 6) == 0);
    int order = dense != 0 ? dense : strcmp((*x)->label, (*y)->label);
    return order != 0 ? order : strcmp((*x)->key, (*y)->key);
}

static sb_status number_methods(sbi_names *n)
{
    sbi_name **list = calloc((size_t)n->n + 1, sizeof(sbi_name *));
    n->method       = calloc((size_t)n->n + 1, sizeof *n->method);
    if (list == NULL || n->method == NULL) {
        free((void *)list);
        return no_memory();
    }
    for (int64_t i = 0; i < n->n; i++)
        if (n->at[i].kind == 'm')
            list[n->n_methods++] = &n->at[i];
    qsort((void *)list, (size_t)n->n_methods, sizeof *list, by_label);
    for (int i = 0; i < n->n_methods; i++) {
        list[i]->number = i;
        n->method[i]    = (int)(list[i] - n->at);
    }
    free((void *)list);
    return SB_OK;
}

static sb_status take(const sb_answer *r, json_t *const *params, sbi_names *n)
{
    sb_status st = SB_OK;
    n->at        = calloc((size_t)r->n_rows + 1, sizeof *n->at);
    if (n->at == NULL)
        return no_memory();
    for (int64_t i = 0; st == SB_OK && i < r->n_rows; i++) {
        char    **cell = r->text + i * N_COLUMNS;
        sbi_name *x    = &n->at[n->n];
        if (n->n > 0 && strcmp(x[-1].key, cell[KEY]) == 0 && x[-1].kind == cell[KIND][0])
            continue; /* trained and untrained points: marked */
        x->kind      = cell[KIND][0];
        x->untrained = r->real[i * N_COLUMNS + UNTRAINED] != 0;
        x->number    = -1;
        if ((x->key = strdup(cell[KEY])) == NULL)
            st = no_memory();
        else
            st = label(r, params, i, &x->label);
        n->n++;
    }
    return st == SB_OK ? number_methods(n) : st;
}

sb_status sbi_names_read(sb_store *s, sbi_names *out)
{
    sb_answer r      = {0};
    sbi_names n      = {0};
    sb_status st     = sb_store_ask(s, asked, &r);
    json_t  **params = calloc((size_t)r.n_rows + 1, sizeof(json_t *));
    if (st == SB_OK && params == NULL)
        st = no_memory();
    for (int64_t i = 0; st == SB_OK && i < r.n_rows; i++) {
        params[i] = json_loads(r.text[i * N_COLUMNS + PARAMS], JSON_DECODE_ANY, NULL);
        if (!json_is_object(params[i])) { /* no object, no parameters: the name alone */
            json_decref(params[i]);
            params[i] = json_object();
        }
    }
    if (st == SB_OK)
        st = take(&r, params, &n);
    for (int64_t i = 0; params != NULL && i < r.n_rows; i++)
        json_decref(params[i]);
    free((void *)params);
    sb_answer_fini(&r);
    if (st == SB_OK)
        *out = n;
    else
        sbi_names_fini(&n);
    return st;
}

void sbi_names_fini(sbi_names *n)
{
    for (int64_t i = 0; i < n->n; i++) {
        free(n->at[i].key);
        free(n->at[i].label);
    }
    free(n->at);
    free(n->method);
    *n = (sbi_names){0};
}

const sbi_name *sbi_names_find(const sbi_names *n, char kind, const char *key)
{
    for (int64_t lo = 0, hi = n->n; lo < hi;) {
        int64_t mid   = lo + (hi - lo) / 2;
        int     order = strcmp(key, n->at[mid].key);
        if (order == 0)
            order = kind - n->at[mid].kind;
        if (order == 0)
            return &n->at[mid];
        if (order < 0)
            hi = mid;
        else
            lo = mid + 1;
    }
    return NULL;
}

const sbi_name *sbi_names_method(const sbi_names *n, int number)
{
    return &n->at[n->method[number]];
}

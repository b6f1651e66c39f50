/* See names.h. */
#include "results/names/names.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static const char asked[] =
    "SELECT DISTINCT 'm', method, method_json, 1 - training_free FROM point UNION "
    "SELECT DISTINCT 'o', model, model_json, 0 FROM point UNION "
    "SELECT DISTINCT 't', task, task_json, 0 FROM point";
enum { KIND, NAME, PARAMS, UNTRAINED, N_COLUMNS };

/* The distinct facts, in the order of their names, while labels are made. */
typedef struct making {
    const sb_name_facts *fact;
    json_t              *params;
} making;

static sb_status no_memory(void) { return sb_fail(SB_ERR_NOMEM, "names: no memory"); }

/* A parameter's value as text: strings without quotes, else JSON. malloc'd. */
static char *value_text(const json_t *v)
{
    if (json_is_string(v))
        return strdup(json_string_value(v));
    return json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT | JSON_SORT_KEYS | JSON_REAL_PRECISION(6));
}

static int same_name(const sb_name_facts *a, const sb_name_facts *b)
{
    return a->kind == b->kind && strcmp(a->name, b->name) == 0;
}

/* Does this parameter differ among those of one name? Missing counts as another value. */
static int differs(const making *m, int64_t n, int64_t at, const char *key)
{
    const json_t *mine = json_object_get(m[at].params, key);
    for (int64_t i = 0; i < n; i++) {
        if (!same_name(m[i].fact, m[at].fact))
            continue;
        const json_t *other = json_object_get(m[i].params, key);
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

static sb_status label(const making *m, int64_t n, int64_t at, char **out)
{
    const sb_name_facts *fact  = m[at].fact;
    char                *text  = NULL;
    size_t               bytes = 0;
    const char          *key;
    json_t              *value;
    sb_status            st = SB_OK;
    FILE                *f  = open_memstream(&text, &bytes);
    if (f == NULL)
        return no_memory();
    if (fact->kind == 'o' && strcmp(fact->name, "none") == 0) {
        write_operator(f, m[at].params);
    } else {
        (void)fputs(fact->name, f);
        json_object_foreach(m[at].params, key, value)
        {
            char *shown = NULL;
            if (!differs(m, n, at, key))
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
    const sb_name *const *x = a, *const *y = b;
    int                   dense =
        (strncmp((*y)->key, "dense\x1f", 6) == 0) - (strncmp((*x)->key, "dense\x1f", 6) == 0);
    int order = dense != 0 ? dense : strcmp((*x)->label, (*y)->label);
    return order != 0 ? order : strcmp((*x)->key, (*y)->key);
}

static sb_status number_methods(sb_names *n)
{
    sb_name **list = calloc((size_t)n->n + 1, sizeof(sb_name *));
    n->method      = calloc((size_t)n->n + 1, sizeof *n->method);
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

/* As strcmp of the keys, then by kind. params NULL: name is a whole key. */
static int order_of(const char *name, const char *params, char kind, const sb_name *x)
{
    size_t n     = strlen(name);
    int    order = params == NULL ? strcmp(name, x->key) : strncmp(name, x->key, n);
    if (order == 0 && params != NULL)
        order = '\x1f' - (unsigned char)x->key[n];
    if (order == 0 && params != NULL)
        order = strcmp(params, x->key + n + 1);
    return order != 0 ? order : kind - x->kind;
}

static int by_key(const void *a, const void *b)
{
    const sb_name *x = a, *y = b;
    return order_of(x->key, NULL, x->kind, y);
}

/* Each fact once as a name without a label, by key; m in the same order. */
static sb_status take(const sb_name_facts *facts, int64_t n_facts, making *m, sb_names *n)
{
    for (int64_t i = 0; i < n_facts; i++) {
        sb_name *x = &n->at[n->n++];
        *x         = (sb_name){.kind      = facts[i].kind,
                               .untrained = facts[i].untrained != 0,
                               .number    = (int)i}; /* for a moment: where it comes from */
        if (asprintf(&x->key, "%s\x1f%s", facts[i].name, facts[i].params) < 0) {
            x->key = NULL;
            return no_memory();
        }
    }
    qsort(n->at, (size_t)n->n, sizeof *n->at, by_key);
    int64_t kept = 0;
    for (int64_t i = 0; i < n->n; i++) {
        sb_name *x = &n->at[i];
        if (kept > 0 && by_key(&n->at[kept - 1], x) == 0) { /* trained and untrained points */
            n->at[kept - 1].untrained |= x->untrained;
            free(x->key);
            continue;
        }
        m[kept].fact  = &facts[x->number];
        n->at[kept++] = *x;
    }
    n->n = kept;
    return SB_OK;
}

static sb_status put_labels(making *m, sb_names *n)
{
    sb_status st = SB_OK;
    for (int64_t i = 0; st == SB_OK && i < n->n; i++) {
        m[i].params     = json_loads(m[i].fact->params, JSON_DECODE_ANY, NULL);
        n->at[i].number = -1;
        if (!json_is_object(m[i].params)) { /* no object, no parameters: the name alone */
            json_decref(m[i].params);
            m[i].params = json_object();
        }
        if (m[i].params == NULL)
            st = no_memory();
    }
    for (int64_t i = 0; st == SB_OK && i < n->n; i++)
        st = label(m, n->n, i, &n->at[i].label);
    return st;
}

sb_status sb_names_make(const sb_name_facts *facts, int64_t n_facts, sb_names *out)
{
    sb_names  n  = {.at = calloc((size_t)n_facts + 1, sizeof *n.at)};
    making   *m  = calloc((size_t)n_facts + 1, sizeof *m);
    sb_status st = n.at == NULL || m == NULL ? no_memory() : take(facts, n_facts, m, &n);
    if (st == SB_OK)
        st = put_labels(m, &n);
    if (st == SB_OK)
        st = number_methods(&n);
    for (int64_t i = 0; m != NULL && i < n_facts; i++)
        json_decref(m[i].params);
    free(m);
    if (st == SB_OK)
        *out = n;
    else
        sb_names_fini(&n);
    return st;
}

sb_status sb_names_read(sb_store *s, sb_names *out)
{
    sb_answer      r     = {0};
    sb_status      st    = sb_store_ask(s, asked, &r);
    sb_name_facts *facts = calloc((size_t)r.n_rows + 1, sizeof *facts);
    if (st == SB_OK && facts == NULL)
        st = no_memory();
    for (int64_t i = 0; st == SB_OK && i < r.n_rows; i++) {
        char **cell = r.text + i * N_COLUMNS; /* a damaged file may have NULL there */
        facts[i]    = (sb_name_facts){.kind      = cell[KIND][0],
                                      .name      = cell[NAME] == NULL ? "" : cell[NAME],
                                      .params    = cell[PARAMS] == NULL ? "" : cell[PARAMS],
                                      .untrained = r.real[i * N_COLUMNS + UNTRAINED] != 0};
    }
    if (st == SB_OK)
        st = sb_names_make(facts, r.n_rows, out);
    free(facts);
    sb_answer_fini(&r);
    return st;
}

void sb_names_fini(sb_names *n)
{
    for (int64_t i = 0; i < n->n; i++) {
        free(n->at[i].key);
        free(n->at[i].label);
    }
    free(n->at);
    free(n->method);
    *n = (sb_names){0};
}

const sb_name *sb_names_of(const sb_names *n, char kind, const char *name, const char *params)
{
    for (int64_t lo = 0, hi = n->n; lo < hi;) {
        int64_t mid   = lo + (hi - lo) / 2;
        int     order = order_of(name, params, kind, &n->at[mid]);
        if (order == 0)
            return &n->at[mid];
        if (order < 0)
            hi = mid;
        else
            lo = mid + 1;
    }
    return NULL;
}

const sb_name *sb_names_find(const sb_names *n, char kind, const char *key)
{
    return sb_names_of(n, kind, key, NULL);
}

const sb_name *sb_names_method(const sb_names *n, int number) { return &n->at[n->method[number]]; }

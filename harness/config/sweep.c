/* A sweep file from its path to its points. */
#include "harness/config/sweep.h"

#include <stdlib.h>
#include <string.h>

#include "harness/config/expand.h"
#include "harness/config/identity.h"
#include "harness/config/set.h"
#include "kernels/registry.h"

typedef struct sweep_box { /* what callers hold as sb_sweep */
    sb_sweep sweep;
    sbi_pool keep;
    int64_t  capacity; /* of sweep.points */
} sweep_box;

/* Read, change, check, expand. Errors gather in the context. */
static void load(sbi_ctx *c, sb_sweep *s, sbi_points *points)
{
    size_t   bytes = 0, bom = 0;
    sbi_spec spec;
    s->text = sbi_file_read(c, &bytes);
    if (s->text == NULL)
        return;
    if (bytes >= 3 && memcmp(s->text, "\xef\xbb\xbf", 3) == 0)
        bom = 3;
    sbi_node *root = sbi_tree_parse(c, s->text + bom, bytes - bom, 0);
    if (root == NULL)
        return;
    sbi_sets_apply(c, root);
    if (c->temp.failed)
        return;
    sbi_spec_read(c, root, &spec);
    s->name      = (char *)spec.name;
    s->dump_dir  = spec.dump_dir;
    s->dump_what = spec.dump_what;
    if (root->kind == SBI_MAP && !c->temp.failed && !c->keep->failed)
        sbi_expand(c, &spec, points);
}

static sb_status keep_points(sweep_box *b, const sbi_points *points)
{
    b->sweep.points = malloc((size_t)points->n * sizeof *points->v);
    if (b->sweep.points == NULL)
        return sb_fail(SB_ERR_NOMEM, "sweep %s: no memory for its points", b->sweep.path);
    memcpy(b->sweep.points, points->v, (size_t)points->n * sizeof *points->v);
    b->sweep.n_points = points->n;
    b->capacity       = points->n;
    return sbi_points_hash(b->sweep.points, b->sweep.n_points, b->sweep.hash);
}

sb_status sb_sweep_load(const char *path, const sb_set *sets, int64_t n_sets,
                        const sb_sweep_env *env, FILE *errors, sb_sweep **out)
{
    sbi_points points = {0};
    sb_status  st     = SB_OK;
    sweep_box *b      = calloc(1, sizeof *b);
    if (b == NULL)
        return sb_fail(SB_ERR_NOMEM, "sweep %s: no memory", path);
    sbi_ctx c     = {.path = path, .sets = sets, .n_sets = n_sets, .env = env, .keep = &b->keep};
    b->sweep.path = sbi_pool_text(&b->keep, path, strlen(path));
    load(&c, &b->sweep, &points);
    st = sbi_read_outcome(&c, "sweep", path, errors);
    if (st == SB_OK)
        st = keep_points(b, &points);
    sbi_pool_fini(&c.temp);
    if (st != SB_OK) {
        sb_sweep_free(&b->sweep);
        return st;
    }
    *out = &b->sweep;
    return SB_OK;
}

void sb_sweep_free(sb_sweep *s)
{
    sweep_box *b = (sweep_box *)s; /* the sweep is the box's first member */
    if (s == NULL)
        return;
    free(s->points);
    sbi_pool_fini(&b->keep);
    free(b);
}

static int32_t next_cell(const sb_sweep *s)
{
    int32_t cell = 0;
    for (int64_t i = 0; i < s->n_points; i++)
        cell = s->points[i].cell >= cell ? s->points[i].cell + 1 : cell;
    return cell;
}

/* Where dense runs beside `of`. */
static void place_dense(const sb_sweep *s, const sb_point *of, sb_point *out)
{
    if (of->scheme == SB_SCHEME_STATE) {
        out->scheme        = SB_SCHEME_ALLGATHER;
        out->team          = 0;
        out->heads_at_once = 0;
    }
    if (of->ranks > 1 || of->scheme == SB_SCHEME_STATE)
        out->layout = sb_layout_of_dense(out->scheme);
    if (out->scheme != of->scheme || out->layout != of->layout)
        out->cell = next_cell(s);
}

/* The default dense point beside `of`. */
static sb_status dense_beside(sweep_box *b, const sb_point *of, sb_point *out)
{
    const sb_method *dense = sb_method_find("dense");
    sb_status        st;
    if (dense == NULL)
        return sb_fail(SB_ERR_INTERNAL, "no method `dense` to anchor times with");
    *out               = *of;
    out->method        = dense;
    out->anchor_only   = 1;
    out->anchor        = NULL;
    out->anchor_params = NULL;
    place_dense(&b->sweep, of, out);
    out->method_params = sbi_pool_alloc(&b->keep, 1, dense->params_bytes);
    if (out->method_params == NULL)
        return sb_fail(SB_ERR_NOMEM, "no memory for the anchor of a point");
    if ((st = sb_params_default(dense->params, out->method_params)) != SB_OK)
        return st;
    out->method_json = sbi_params_json(&b->keep, dense->params, out->method_params);
    if (out->method_json == NULL)
        return sb_fail(SB_ERR_NOMEM, "no memory for the anchor of a point");
    return sbi_point_identify(&b->keep, out);
}

sb_status sb_sweep_anchor(sb_sweep *s, int64_t point, int64_t *anchor)
{
    sweep_box *b = (sweep_box *)s;
    sb_point   dense;
    sb_status  st;
    if (point < 0 || point >= s->n_points)
        return sb_fail(SB_ERR_INTERNAL, "no point %lld in a sweep of %lld", (long long)point,
                       (long long)s->n_points);
    if (s->points[point].dense_none) {
        *anchor = point;
        return SB_OK;
    }
    if ((st = dense_beside(b, &s->points[point], &dense)) != SB_OK)
        return st;
    for (int64_t i = 0; i < s->n_points; i++)
        if (strcmp(s->points[i].hash, dense.hash) == 0) {
            *anchor = i;
            return SB_OK;
        }
    if (s->n_points == b->capacity) {
        int64_t   wider = b->capacity * 2;
        sb_point *moved = realloc(s->points, (size_t)wider * sizeof *moved);
        if (moved == NULL)
            return sb_fail(SB_ERR_NOMEM, "no memory for the anchor of a point");
        s->points   = moved;
        b->capacity = wider;
    }
    s->points[s->n_points] = dense;
    *anchor                = s->n_points++;
    return SB_OK;
}

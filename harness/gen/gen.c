#include "harness/gen/gen.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/gen/parts.h"
#include "kernels/base/phase.h"
#include "workloads/base/sha256.h"

/* One set on its way. */
typedef struct job {
    const sb_gen_options *o;
    const sb_gen_set     *spec;
    sb_text_set          *set;
    char                 *folder, *rows_path, *facts_path;
    json_t               *asked; /* what facts.json says before the rows are known */
    int64_t               first, end, bad_rows, rows;
    char                  sha256[65];
} job;

static int own_format(const job *j)
{
    return j->o->format == SB_GEN_OWN && j->spec->suite->line != NULL;
}

static char *join(const char *folder, const char *name)
{
    size_t room = strlen(folder) + strlen(name) + 2;
    char  *out  = malloc(room);
    if (out != NULL)
        (void)snprintf(out, room, "%s/%s", folder, name);
    return out;
}

static sb_status no_memory(void) { return sb_fail(SB_ERR_NOMEM, "gen: no memory"); }

/* Everything that decides about the rows. */
static sb_status describe(job *j)
{
    const sb_gen_set *s      = j->spec;
    json_t           *facts  = s->suite->facts(j->set);
    json_t           *params = json_loads(s->params_json, 0, NULL);
    json_t           *files  = json_loads(s->files_json, 0, NULL);
    char              seed[32];
    (void)snprintf(seed, sizeof seed, "%" PRIu64, s->seed);
    j->asked = json_pack(
        "{s:s, s:s, s:I, s:s, s:I, s:I, s:s, s:s, s:o, s:o, s:o}", "suite", s->suite->name, "task",
        s->task->name, "length_tokens", (json_int_t)s->length_tokens, "seed", seed, "first_row",
        (json_int_t)j->first, "asked_rows", (json_int_t)(j->end - j->first), "suite_version",
        s->suite->version, "format", own_format(j) ? "suite" : "spanbench", "params", params,
        "files", files, "facts", facts);
    return j->asked != NULL ? SB_OK : no_memory();
}

/* Which rows: of a file not more than it has. */
static void bound(job *j)
{
    int64_t there = j->spec->suite->n_rows(j->set), want = j->spec->samples;
    if (there >= 0 && (want == 0 || want > there))
        want = there;
    j->first = j->o->first_row;
    j->end   = j->o->last_row >= 0 && j->o->last_row + 1 < want ? j->o->last_row + 1 : want;
    j->end   = j->end > j->first ? j->end : j->first;
}

/* Is what lies there the answer to the same request? Its counts and hash are taken over. */
static int is_there(job *j)
{
    char    now[65];
    json_t *old = json_load_file(j->facts_path, 0, NULL), *asked = json_object_get(old, "asked");
    const char *sha   = json_string_value(json_object_get(old, "rows_sha256"));
    int         equal = asked != NULL && sha != NULL && json_equal(asked, j->asked) &&
                sbi_gen_file_hash(j->rows_path, now) == SB_OK && strcmp(now, sha) == 0;
    j->rows     = json_integer_value(json_object_get(old, "rows"));
    j->bad_rows = json_integer_value(json_object_get(old, "bad_rows"));
    json_decref(old);
    return equal;
}

static sb_status write_row(job *j, sbi_gen_file *f, int64_t row)
{
    const sb_text_suite *suite = j->spec->suite;
    sb_text_row          r     = {0};
    char                *line  = NULL;
    sb_status            st    = suite->row(j->set, row, &r);
    if (st == SB_ERR_USAGE && suite->n_rows(j->set) >= 0) { /* a bad line of the user's file */
        j->bad_rows++;
        if (j->o->bad_row != NULL)
            j->o->bad_row(j->o->arg, j->spec, sb_error_text());
        return SB_OK;
    }
    if (st == SB_OK)
        st = own_format(j) ? suite->line(j->set, &r, &line)
                           : sb_text_row_json(suite, j->spec->task, &r, &line);
    if (st == SB_OK && (st = sbi_gen_file_put(f, line, strlen(line))) == SB_OK)
        j->rows++;
    free(line);
    sb_text_row_fini(&r);
    return st;
}

static sb_status write_rows(job *j)
{
    sbi_gen_file *f  = NULL;
    sb_status     st = sbi_gen_file_open(j->rows_path, &f);
    j->rows = j->bad_rows = 0;
    for (int64_t r = j->first; st == SB_OK && r < j->end; r++) {
        if (j->o->should_stop != NULL && j->o->should_stop(j->o->arg))
            st = sb_fail(SB_ERR_STOPPED, "stopped inside a set");
        else
            st = write_row(j, f, r);
        if (st == SB_OK && j->o->progress != NULL)
            j->o->progress(j->o->arg, j->spec, r + 1 - j->first, j->end - j->first);
    }
    if (st == SB_OK)
        return sbi_gen_file_close(f, j->sha256);
    sbi_gen_file_drop(f);
    return st;
}

/* ---- the cache ---- */

static sb_status key_of(const job *j, char key[65])
{
    char      *text = json_dumps(j->asked, JSON_SORT_KEYS | JSON_COMPACT);
    sbi_sha256 h;
    if (text == NULL)
        return no_memory();
    sbi_sha256_init(&h);
    sbi_sha256_put(&h, text, strlen(text));
    free(text);
    return sbi_sha256_hex(&h, key);
}

/* The rows out of the cache, with their count; *found says whether they were there. */
static sb_status fetch(job *j, const char *key, int *found)
{
    sb_gen_cache_hit hit = {0};
    sb_status        st  = sb_gen_cache_fetch(j->o->cache, key, j->rows_path, &hit);
    if (hit.damaged != NULL && j->o->warn != NULL)
        j->o->warn(j->o->arg, hit.damaged);
    *found = st == SB_OK && hit.found;
    if (*found) {
        (void)snprintf(j->sha256, sizeof j->sha256, "%s", hit.sha256);
        j->rows     = strtoll(hit.note, NULL, 10);
        j->bad_rows = 0;
    }
    sb_gen_cache_hit_fini(&hit);
    return st;
}

/* A set with bad rows is not kept: they are to be told each time. */
static void keep(const job *j, const sb_gen_cache_lock *lock)
{
    char note[32];
    (void)snprintf(note, sizeof note, "%" PRId64, j->rows);
    if (j->bad_rows == 0 && sb_gen_cache_store(lock, j->rows_path, note) != SB_OK &&
        j->o->warn != NULL)
        j->o->warn(j->o->arg, sb_error_text());
}

/* Copied, or made by whoever holds the lock. A cache that fails is told and done without. */
static sb_status rows_by_cache(job *j, sb_gen_result *result)
{
    sb_gen_cache_lock *lock = NULL;
    char               key[65];
    int                found = 0;
    sb_status          st    = key_of(j, key);
    if (st == SB_OK && (st = fetch(j, key, &found)) == SB_OK && !found) {
        st = sb_gen_cache_lock_key(j->o->cache, key, j->o->should_stop, j->o->arg, &lock);
        if (st == SB_ERR_IO) {
            if (j->o->warn != NULL)
                j->o->warn(j->o->arg, sb_error_text());
            return write_rows(j);
        }
        if (st == SB_OK)
            st = fetch(j, key, &found);
    }
    if (found)
        *result = SB_GEN_CACHED;
    else if (st == SB_OK && (st = write_rows(j)) == SB_OK)
        keep(j, lock);
    sb_gen_cache_unlock(lock);
    return st;
}

/* Behind the rows: facts that stand alone never claim rows that are not there. */
static sb_status write_facts(const job *j)
{
    sbi_gen_file *f = NULL;
    json_t       *root =
        json_pack("{s:O, s:I, s:I, s:s, s:s, s:s}", "asked", j->asked, "rows", (json_int_t)j->rows,
                  "bad_rows", (json_int_t)j->bad_rows, "rows_file", strrchr(j->rows_path, '/') + 1,
                  "rows_sha256", j->sha256, "spanbench", j->o->program);
    char     *text = root != NULL ? json_dumps(root, JSON_INDENT(2)) : NULL;
    sb_status st   = text != NULL ? sbi_gen_file_open(j->facts_path, &f) : no_memory();
    if (st == SB_OK && (st = sbi_gen_file_put(f, text, strlen(text))) == SB_OK &&
        (st = sbi_gen_file_put(f, "\n", 1)) == SB_OK) {
        st = sbi_gen_file_close(f, NULL);
        f  = NULL;
    }
    sbi_gen_file_drop(f);
    free(text);
    json_decref(root);
    return st;
}

static sb_status make(job *j, int64_t i, sb_gen_result *result)
{
    const sb_gen_set *s   = j->spec;
    sb_text_req       req = {.suite         = s->suite,
                             .task          = s->task,
                             .params        = s->params,
                             .paths         = s->paths,
                             .length_tokens = s->length_tokens,
                             .seed          = s->seed,
                             .tok           = j->o->tok};
    sb_status         st  = SB_OK;
    if ((j->folder = sbi_gen_folder(j->o, i)) == NULL ||
        (j->rows_path = join(j->folder, own_format(j) ? "validation.jsonl" : "rows.jsonl")) ==
            NULL ||
        (j->facts_path = join(j->folder, "facts.json")) == NULL)
        st = no_memory();
    if (st == SB_OK)
        st = s->suite->open(&req, &j->set);
    if (st != SB_OK)
        return st;
    bound(j);
    if ((st = describe(j)) != SB_OK)
        return st;
    if (is_there(j)) {
        *result = SB_GEN_REUSED;
        return SB_OK;
    }
    if ((st = sbi_gen_make_folder(j->folder)) == SB_OK &&
        (st = j->o->cache != NULL ? rows_by_cache(j, result) : write_rows(j)) == SB_OK)
        st = write_facts(j);
    return st;
}

static void job_fini(job *j)
{
    if (j->set != NULL)
        j->spec->suite->close(j->set);
    json_decref(j->asked);
    free(j->folder);
    free(j->rows_path);
    free(j->facts_path);
}

static sb_status run_set(const sb_gen_options *o, int64_t i, sb_gen_outcome *out)
{
    job           j      = {.o = o, .spec = &o->plan->sets[i]};
    sb_gen_result result = SB_GEN_MADE;
    int64_t       t0     = sb_now_ns();
    sb_status     st     = make(&j, i, &result);
    const char   *reason = st == SB_OK ? NULL : sb_error_text();
    int           ends   = st == SB_ERR_NOMEM || st == SB_ERR_STOPPED || st == SB_ERR_INTERNAL;
    if (st != SB_OK)
        result =
            st == SB_ERR_UNSUPPORTED || st == SB_ERR_NO_FIT ? SB_GEN_UNSUPPORTED : SB_GEN_FAILED;
    if (!ends) {
        out->n[result]++;
        out->rows += j.rows;
        out->bad_rows += j.bad_rows;
        if (o->report != NULL)
            o->report(o->arg, &(sb_gen_report){.set      = j.spec,
                                               .result   = result,
                                               .path     = j.rows_path,
                                               .reason   = reason,
                                               .rows     = j.rows,
                                               .bad_rows = j.bad_rows,
                                               .seconds  = (double)(sb_now_ns() - t0) * 1e-9});
    }
    job_fini(&j);
    return ends ? st : SB_OK;
}

sb_status sb_gen_run(const sb_gen_options *o, sb_gen_outcome *out)
{
    sb_status st = sbi_gen_make_folder(o->dir);
    *out         = (sb_gen_outcome){0};
    for (int64_t i = o->rank; st == SB_OK && i < o->plan->n_sets; i += o->ranks)
        st = run_set(o, i, out);
    out->stopped = st == SB_ERR_STOPPED;
    return out->stopped ? SB_OK : st;
}

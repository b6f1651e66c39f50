#include "harness/score/tally.h"

#include <stdlib.h>
#include <string.h>

#include "workloads/registry.h"

void sbi_tally_fini(sbi_tally *t)
{
    for (int64_t i = 0; i < t->n_groups; i++) {
        free(t->groups[i].suite);
        free(t->groups[i].task);
        free(t->groups[i].values);
        free(t->groups[i].members);
        free(t->groups[i].reason);
    }
    free(t->groups);
    free(t->seen);
    *t = (sbi_tally){0};
}

static sb_status no_memory(void) { return sb_fail(SB_ERR_NOMEM, "scores: no memory"); }

/* ---- rows that were there ---- */

static int64_t place_of(const sbi_tally *t, const char *sha256)
{
    uint64_t h = 0;
    for (int i = 0; i < 16; i++)
        h = h << 4 | (uint64_t)(sha256[i] <= '9' ? sha256[i] - '0' : sha256[i] - 'a' + 10);
    for (int64_t at = (int64_t)(h % (uint64_t)t->seen_room);; at = (at + 1) % t->seen_room)
        if (t->seen[at].sha256[0] == '\0' || strcmp(t->seen[at].sha256, sha256) == 0)
            return at;
}

static sb_status grow_seen(sbi_tally *t)
{
    sbi_tally bigger = {.seen_room = t->seen_room > 0 ? 2 * t->seen_room : 1024};
    if (2 * t->n_seen < t->seen_room)
        return SB_OK;
    if ((bigger.seen = calloc((size_t)bigger.seen_room, sizeof *bigger.seen)) == NULL)
        return no_memory();
    for (int64_t i = 0; i < t->seen_room; i++)
        if (t->seen[i].sha256[0] != '\0')
            bigger.seen[place_of(&bigger, t->seen[i].sha256)] = t->seen[i];
    free(t->seen);
    t->seen      = bigger.seen;
    t->seen_room = bigger.seen_room;
    return SB_OK;
}

sb_status sbi_tally_note(sbi_tally *t, const char *sha256, int32_t file, int64_t line,
                         const sbi_seen **before)
{
    sbi_seen *at;
    sb_status st = grow_seen(t);
    if (st != SB_OK)
        return st;
    at      = &t->seen[place_of(t, sha256)];
    *before = at->sha256[0] != '\0' ? at : NULL;
    if (*before == NULL) {
        memcpy(at->sha256, sha256, 65);
        at->file = file;
        at->line = line;
        t->n_seen++;
    }
    return SB_OK;
}

/* ---- groups ---- */

sb_status sbi_tally_group(sbi_tally *t, const sbi_prediction *p, int32_t choice,
                          const sb_scorer *scorer, sbi_group **out)
{
    sbi_group *more;
    for (int64_t i = t->n_groups - 1; i >= 0; i--) { /* rows of a file go to the last ones */
        sbi_group *g = &t->groups[i];
        if (g->choice == choice && g->scorer == scorer && g->length_tokens == p->length_tokens &&
            strcmp(g->task, p->task) == 0 && strcmp(g->suite, p->suite) == 0) {
            *out = g;
            return SB_OK;
        }
    }
    more = realloc(t->groups, (size_t)(t->n_groups + 1) * sizeof *more);
    if (more == NULL)
        return no_memory();
    t->groups         = more;
    more[t->n_groups] = (sbi_group){.suite         = strdup(p->suite),
                                    .task          = strdup(p->task),
                                    .length_tokens = p->length_tokens,
                                    .choice        = choice,
                                    .scorer        = scorer,
                                    .known         = sb_text_suite_find(p->suite),
                                    .is_binary     = 1};
    *out              = &more[t->n_groups++];
    return (*out)->suite != NULL && (*out)->task != NULL ? SB_OK : no_memory();
}

sb_status sbi_group_add(sbi_group *g, const sb_text_score *score, int64_t n_refs, uint32_t members)
{
    if (g->n == g->room) {
        int64_t   room   = g->room > 0 ? 2 * g->room : 64;
        double   *values = realloc(g->values, (size_t)room * sizeof *values);
        uint32_t *m;
        if (values == NULL)
            return no_memory();
        g->values = values;
        if ((m = realloc(g->members, (size_t)room * sizeof *m)) == NULL)
            return no_memory();
        g->members = m;
        g->room    = room;
    }
    g->values[g->n]    = score->value;
    g->members[g->n++] = members;
    g->n_empty += (score->flags & SB_SCORE_EMPTY) != 0;
    g->n_null += (score->flags & SB_SCORE_NULL) != 0;
    g->is_binary &=
        sb_scorer_is_binary(g->scorer, n_refs) && (score->value == 0 || score->value == 1);
    return SB_OK;
}

sb_status sbi_group_unscored(sbi_group *g)
{
    if (g->n_unscored++ == 0 && (g->reason = strdup(sb_error_text())) == NULL)
        return no_memory();
    return SB_OK;
}

sb_status sbi_members_of(const sbi_row_source *s, const sbi_prediction *p, uint32_t *members)
{
    const sb_text_suite *suite = sb_text_suite_find(p->suite);
    json_t              *meta;
    sb_status            st;
    *members = 0;
    if (suite == NULL || suite->groups == NULL)
        return SB_OK;
    if ((meta = json_loads(p->row.meta, 0, NULL)) == NULL)
        return no_memory();
    st = suite->groups->of(meta, members);
    json_decref(meta);
    return st == SB_ERR_USAGE ? sb_wrap(st, "%s: line %lld", s->path, (long long)s->line) : st;
}

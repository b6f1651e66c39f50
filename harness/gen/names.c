/* Where a set goes. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/gen/parts.h"
#include "workloads/base/sha256.h"

enum { VARIANT_DIGITS = 8 };

/* May the two stand in the same folder of their suite? */
static int same_variant(const sb_gen_set *a, const sb_gen_set *b)
{
    return a->seed == b->seed && strcmp(a->params_json, b->params_json) == 0 &&
           strcmp(a->files_json, b->files_json) == 0;
}

static int needs_variant(const sb_gen_plan *p, const sb_gen_set *s)
{
    for (int64_t i = 0; i < p->n_sets; i++)
        if (p->sets[i].suite == s->suite && !same_variant(&p->sets[i], s))
            return 1;
    return 0;
}

char *sbi_gen_folder(const sb_gen_options *o, int64_t i)
{
    const sb_gen_set *s           = &o->plan->sets[i];
    char              variant[65] = "", length[32] = "as_is", *out;
    if (needs_variant(o->plan, s)) {
        sbi_sha256 h;
        sbi_sha256_init(&h);
        sbi_sha256_put_i64(&h, (int64_t)s->seed);
        sbi_sha256_put(&h, s->params_json, strlen(s->params_json) + 1);
        sbi_sha256_put(&h, s->files_json, strlen(s->files_json) + 1);
        if (sbi_sha256_hex(&h, variant) != SB_OK)
            return NULL;
        variant[VARIANT_DIGITS] = '\0';
    }
    if (s->length_tokens > 0)
        (void)snprintf(length, sizeof length, "%" PRId64, s->length_tokens);
    size_t room = strlen(o->dir) + strlen(s->suite->name) + strlen(s->task->name) + 128;
    if ((out = malloc(room)) == NULL)
        return NULL;
    if (variant[0] == '\0')
        (void)snprintf(out, room, "%s/%s/%s/%s", o->dir, s->suite->name, length, s->task->name);
    else
        (void)snprintf(out, room, "%s/%s.seed%" PRIu64 ".%s/%s/%s", o->dir, s->suite->name, s->seed,
                       variant, length, s->task->name);
    return out;
}

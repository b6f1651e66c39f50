/* A sweep file as a list of sets of questions to write: its text workloads, without models and
 * methods.
 *
 * Keys (* must be there; [list] marks an axis):
 *   sweep*       a name
 *   tokenizer    PATH of a tokenizer.json, a .gguf file, a tokenizer.model or a folder with one of
 *                them; or bytes, bytes/4, characters, words. Without it, that of model.path where
 *                the file names one
 *   workloads*   list of {suite*, tasks* [list] or all, lengths [list], samples, seed [list] 42,
 *                the suite's files (PATH), the suite's parameters [list]}
 *                lengths*: of suites that are made to one; of others, the length to cut to, absent:
 *                as the rows are. samples: 20; of suites that read files, absent: all rows
 *   other keys of experiment: task may stand there and are not looked at
 *
 * Order of sets: workload, parameters, length, task, seed. */
#ifndef SB_HARNESS_CONFIG_GEN_PLAN_H
#define SB_HARNESS_CONFIG_GEN_PLAN_H

#include "harness/config/sweep.h"
#include "workloads/base/text_suite.h"

typedef struct sb_gen_set {
    const sb_text_suite *suite;
    const sb_text_task  *task;
    const void          *params;        /* the suite's parameter struct */
    const char          *params_json;   /* canonical, defaults included */
    const char *const   *paths;         /* one a key of the suite, `~` expanded; NULL: not given */
    const char          *files_json;    /* canonical JSON of the given paths as written */
    int64_t              length_tokens; /* 0: as the rows are */
    int64_t              samples;       /* 0: all */
    uint64_t             seed;
} sb_gen_set;

typedef struct sb_gen_plan {
    char       *name, *path;
    char       *tokenizer; /* as sb_gen_set.paths, or a simple counter's name; NULL: none */
    int32_t     tokenizer_is_counter;
    char       *model; /* without a tokenizer: model.path, `~` expanded; NULL: none, or several */
    sb_gen_set *sets;
    int64_t     n_sets;
} sb_gen_plan;

/* Errors as of sb_sweep_load. */
sb_status sb_gen_load(const char *path, const sb_set *sets, int64_t n_sets, FILE *errors,
                      sb_gen_plan **out);
void      sb_gen_free(sb_gen_plan *p);

#endif

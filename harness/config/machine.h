/* A machine file: what work costs on one kind of machine, each constant with where it comes from.
 *
 * Keys (* must be there):
 *   machine*        a name
 *   about*          what it is, one line
 *   backend*        cpu | cuda
 *   processor*      words that the model name of such a machine holds ("EPYC", "H100")
 *   ranks_per_host* ranks that share a host
 *   memory*         {host_gib*, device_gib (0), source*, from*}: what a host has for its ranks, and
 *                   a device for its one
 *   links*          list of {name* inside | between, latency_s*, bytes_per_s*, source*, from*,
 *                   rows, spread}: ranks of a host, and of two; bytes a rank receives a second
 *   merge           {bytes_per_s*, source*, from*, rows, spread}: how fast partial outputs of a
 *                   ring are merged in memory, bytes read and written; of the CPU: by one thread.
 *                   None: that is not counted
 *   costs*          list of {phase*, method* NAME | any, params {}, rate*, start_s*, source*,
 *                   from*, rows, spread}: seconds = start_s + work / rate. Work is FLOP in
 *                   `estimate` and `compute`, query-key block entries in `select`, bytes in
 *                   `permute`, `load` and `decode_token`, tokens times layers in `prefill`;
 *                   `attention` is what a call costs beside its phases. rate 0: start_s alone.
 *                   Of the CPU: of one thread. params: only for points whose parameters are so;
 *                   the entry with the most wins
 *   densities       list of {method*, params {}, task any, tokens* [list], share* [list],
 *                   beyond flat | keys, source*, from*}: share of the dense lanes that the method
 *                   computes at these lengths (lists of single keys: above 1 where short); behind
 *                   the last one as there, or with as many keys a row
 *
 * source: measured | fitted (by `plan --fit`, from stored runs) | spec (of the maker) | seed (a
 * guess that no measurement of ours backs). */
#ifndef SB_HARNESS_CONFIG_MACHINE_H
#define SB_HARNESS_CONFIG_MACHINE_H

#include <stdio.h>

#include "kernels/base/method.h"

typedef enum sb_source_kind {
    SB_SOURCE_MEASURED,
    SB_SOURCE_FITTED,
    SB_SOURCE_SPEC,
    SB_SOURCE_SEED,
    SB_SOURCE_COUNT
} sb_source_kind; /* the weaker the later */

typedef enum sb_beyond { SB_BEYOND_FLAT, SB_BEYOND_KEYS, SB_BEYOND_COUNT } sb_beyond;

/* Where a constant comes from. */
typedef struct sb_origin {
    int32_t     source; /* sb_source_kind */
    const char *from;
    int64_t     rows;   /* stored samples behind it; 0: none */
    double      spread; /* rms of (predicted - measured) / measured over them */
} sb_origin;

/* Parameters that an entry is for: values as sb_param_json prints them. */
typedef struct sb_wanted {
    const sb_param **param;
    const char     **json;
    int64_t          n;
} sb_wanted;

typedef struct sb_cost {
    int32_t          phase;  /* sb_phase */
    const sb_method *method; /* NULL: any */
    sb_wanted        params;
    double           rate, start_s;
    sb_origin        origin;
} sb_cost;

typedef struct sb_density {
    const sb_method *method;
    sb_wanted        params;
    const char      *task;   /* task or distribution; NULL: any */
    int64_t         *tokens; /* ascending */
    double          *share;
    int64_t          n;
    int32_t          beyond; /* sb_beyond */
    sb_origin        origin;
} sb_density;

typedef struct sb_link_cost {
    double    latency_s, bytes_per_s;
    sb_origin origin;
} sb_link_cost;

typedef struct sb_merge_cost {
    double    bytes_per_s; /* 0: not known */
    sb_origin origin;
} sb_merge_cost;

typedef struct sb_machine {
    const char  *name, *about, *processor;
    int32_t      backend; /* sb_backend_id */
    int32_t      gather;  /* sb_gather_kind */
    int64_t      ranks_per_host;
    double       host_gib, device_gib;
    sb_origin    memory;
    sb_link_cost  inside, between;
    sb_merge_cost merge;
    sb_cost      *costs;
    sb_density   *densities;
    int64_t       n_costs, n_densities;
} sb_machine;

const char *sb_source_name(sb_source_kind k);
const char *sb_beyond_name(sb_beyond k);

/* text (bytes of it) as the content of `path`, which errors name. Errors: SB_ERR_USAGE, each
 * printed to `errors` (may be NULL) as PATH:LINE:COL: KEY: found X, allowed Y; SB_ERR_NOMEM. */
sb_status sb_machine_parse(const char *path, const char *text, size_t bytes, FILE *errors,
                           sb_machine **out);
/* The same of the file at path. */
sb_status sb_machine_load(const char *path, FILE *errors, sb_machine **out);
void      sb_machine_free(sb_machine *m); /* NULL is fine */

/* A machine of its own with the same entries; n_costs and n_densities: room for as many of them.
 * Texts and tables are m's, which must outlive it. Errors: SB_ERR_NOMEM. */
sb_status sb_machine_copy(const sb_machine *m, int64_t n_costs, int64_t n_densities,
                          sb_machine **out);
/* As a machine file that reads back equal; `head` stands in front as comment lines. SB_ERR_IO. */
sb_status sb_machine_write(const sb_machine *m, const char *head, FILE *out);

/* Room that lives as long as m; NULL when memory is out. */
void *sb_machine_room(sb_machine *m, int64_t count, size_t elem_bytes);

#endif

/* Methods, models and tasks as a reader knows them: the name, and of its parameters those that
 * differ among what stands beside each other - the points of a database, the cells of a comparison.
 * Methods are numbered for colours: dense first, then by label. Local; no collective calls. */
#ifndef SB_RESULTS_NAMES_NAMES_H
#define SB_RESULTS_NAMES_NAMES_H

#include <stdint.h>

#include "results/store/store.h"

typedef struct sb_name_facts { /* one name as it stands in a point */
    char        kind;          /* 'm'ethod, m'o'del, 't'ask */
    const char *name, *params; /* params: JSON; no object: the name alone */
    int         untrained;     /* 1: a method that needs trained weights */
} sb_name_facts;

typedef struct sb_name {
    char *key; /* name 0x1f parameters */
    char *label;
    char  kind;
    int   untrained;
    int   number; /* of a method: 0, 1, ...; else -1 */
} sb_name;
typedef struct sb_names {
    sb_name *at; /* by key, then kind */
    int64_t  n;
    int      n_methods;
    int     *method; /* [number] -> index in at */
} sb_names;

/* Names of n facts, in any order, each as often as it likes; one that is untrained anywhere is
 * untrained. Texts are copied. Errors: SB_ERR_NOMEM. */
sb_status sb_names_make(const sb_name_facts *facts, int64_t n, sb_names *out);
/* Names of all points of a database. Errors: SB_ERR_IO, SB_ERR_NOMEM. */
sb_status sb_names_read(sb_store *s, sb_names *out);
void      sb_names_fini(sb_names *n);
/* NULL: no such name. */
const sb_name *sb_names_find(const sb_names *n, char kind, const char *key);
const sb_name *sb_names_of(const sb_names *n, char kind, const char *name, const char *params);
const sb_name *sb_names_method(const sb_names *n, int number);

#endif

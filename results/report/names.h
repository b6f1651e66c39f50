/* Methods, models and tasks as the reader of a page knows them: the name, and of its parameters
 * those that differ within the database. Methods are numbered for colours: dense first, then by
 * label. */
#ifndef SB_RESULTS_REPORT_NAMES_H
#define SB_RESULTS_REPORT_NAMES_H

#include <stdint.h>

#include "results/store/store.h"

typedef struct sbi_name {
    char *key; /* name 0x1f parameters */
    char *label;
    char  kind;      /* 'm'ethod, m'o'del, 't'ask */
    int   untrained; /* 1: a method that needs trained weights */
    int   number;    /* of a method: 0, 1, ...; else -1 */
} sbi_name;
typedef struct sbi_names {
    sbi_name *at; /* by key, then kind */
    int64_t   n;
    int       n_methods;
    int      *method; /* [number] -> index in at */
} sbi_names;

sb_status sbi_names_read(sb_store *s, sbi_names *out);
void      sbi_names_fini(sbi_names *n);
/* NULL: no such name. */
const sbi_name *sbi_names_find(const sbi_names *n, char kind, const char *key);
const sbi_name *sbi_names_method(const sbi_names *n, int number);

#endif

/* Which blocks of a row are kept [pbs_attn 3, steps 4 and 5]. */
#ifndef SB_KERNELS_PBS_ATTN_SELECT_H
#define SB_KERNELS_PBS_ATTN_SELECT_H

#include <stdint.h>

/* What the scores of a row mean. */
typedef enum sbi_pbs_mass {
    SBI_PBS_MASS_ONE,   /* shares of 1: the kept ones must reach tau */
    SBI_PBS_MASS_TOTAL, /* they must reach tau of what there is */
    SBI_PBS_MASS_COUNT
} sbi_pbs_mass;

typedef struct sbi_pbs_rule {
    double       tau;
    sbi_pbs_mass mass;
    int32_t      official; /* sums in fp32, and a row that never reaches tau keeps nothing */
} sbi_pbs_rule;

typedef struct sbi_pbs_row {
    int64_t candidates; /* blocks [0, this) have scores */
    int64_t end;        /* blocks [candidates, this) are the row's own segment */
    int64_t forced;     /* one more block that is kept, or -1 */
} sbi_pbs_row;

/* scores: fp32 patterns of A of the candidates. By falling score, equal ones by rising id, blocks
 * are kept until their mass reaches tau, the one that crosses included; masses are integers,
 * round(A * 2^40), so sums are exact. tau = 1 keeps all. The own segment and `forced` are kept
 * beside them and take no part in the sum. Writes the kept ids, ascending, and returns how many;
 * ids may be scores. order: room for 2 * candidates, keep: for end. *unreached: 1 where the scores
 * never reached tau, *nan_scores grows by those that are no number. O(end). */
int64_t sbi_pbs_select(const sbi_pbs_rule *rule, const sbi_pbs_row *row, int32_t *scores,
                       int32_t *order, uint8_t *keep, int32_t *ids, int *unreached,
                       int64_t *nan_scores);

#endif

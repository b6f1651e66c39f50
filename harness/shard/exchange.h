/* Rows of all heads of some tokens against rows of some heads of all tokens, between the ranks of a
 * team (spec sharding 4c).
 *
 *   own     [all heads][this rank's tokens]   --in-->   whole   [this rank's heads][the team's]
 *                                             <--out--
 *
 * A head's rows for one rank are a plain slice of the sender's; the receiver places them at its
 * sender's tokens. With few runs a rank all of it is one group of transfers; with many a group a
 * head, through a stage of one head. A head that several ranks read is sent to each of them from
 * where it stands. */
#ifndef SB_HARNESS_SHARD_EXCHANGE_H
#define SB_HARNESS_SHARD_EXCHANGE_H

#include "harness/shard/team.h"

/* [heads][tokens] rows of row_bytes. */
typedef struct sbi_rows {
    char   *data;
    int64_t heads, head_stride_bytes, row_bytes;
} sbi_rows;

typedef struct sbi_exchange {
    sb_link       *link;
    const sb_team *team;
    sb_transfer   *t;     /* room for sbi_exchange_transfers */
    char          *stage; /* of one head; NULL: the team needs none */
    void          *stream;
    int64_t        n;      /* of the group that is being put together */
    sb_status      copied; /* of what stays on this rank: it is told, and ends nothing by itself */
} sbi_exchange;

/* Most transfers of a group: queries, keys and values in, or outputs and lse out. */
int64_t sbi_exchange_transfers(const sb_team *t);
/* Put on the way; a stage takes it in at once. s: whose tokens, of q or of keys. own.heads: the
 * model's. Collective in the team. Errors: of the link. */
sb_status sbi_exchange_in(sbi_exchange *x, const sb_spread *s, const sbi_rows *own,
                          const sbi_rows *whole);
sb_status sbi_exchange_out(sbi_exchange *x, const sb_spread *s, const sbi_rows *whole,
                           const sbi_rows *own);
/* All that was put on the way has come, and is where it belongs. Errors: of the link; x->copied
 * says the rest. */
sb_status sbi_exchange_finish(sbi_exchange *x);

#endif

/* dump: what one attention call gave, as a safetensors file that other implementations can be held
 * against. harness/README.md has the layout. Rank 0 writes; rows and lists of all ranks come to it
 * head by head and stand in the file in id order, so the file does not depend on the ranks. */
#ifndef SB_HARNESS_RUN_DUMP_H
#define SB_HARNESS_RUN_DUMP_H

#include "harness/config/sweep.h"
#include "harness/model/forward.h"

typedef struct sb_dump {
    const char        *dir;
    uint32_t           what; /* OR of sb_dump_what */
    const sb_point    *point;
    int64_t            row;
    const sb_operands *operands;
    const char        *commit;
} sb_dump;

/* DIR/TASK_LENGTH_METHOD_HASH12_rROW.safetensors; what is no letter, digit, `-` or `.` of the names
 * becomes `_`. SB_ERR_USAGE: too long. */
sb_status sb_dump_path(const sb_dump *d, char *buf, size_t buf_bytes);

/* Make the directory, and see that files can be made in it. Local. */
sb_status sb_dump_open_dir(const char *dir);

/* An sb_layer_fn; arg is the sb_dump. Collective. The file appears whole or not at all. */
sb_status sb_dump_look(void *arg, const sb_layer_view *view);

#endif

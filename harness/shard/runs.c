#include "harness/shard/runs.h"

typedef struct list {
    const sb_run  *run;
    const int64_t *place;
    int64_t        n;
} list;

static int64_t place_of(const list *l, int64_t i)
{
    return l->place != NULL ? l->place[i] : l->run[i].start;
}

/* Runs from the i-th on that one copy can take: as long as it, and as far apart as it and the next.
 */
static int64_t alike(const list *l, int64_t i)
{
    int64_t n = 1;
    while (i + n < l->n && l->run[i + n].len == l->run[i].len &&
           place_of(l, i + n) - place_of(l, i + n - 1) == place_of(l, i + 1) - place_of(l, i))
        n++;
    return n;
}

/* One run may be longer than a row of copy_rows on some devices. */
static sb_status copy(const sb_backend *b, char *to, size_t to_step, const char *from,
                      size_t from_step, size_t bytes, int64_t n, void *stream)
{
    return n == 1 ? b->copy(to, from, bytes, SB_COPY_ON_DEVICE, stream)
                  : b->copy_rows(to, to_step, from, from_step, bytes, (size_t)n, SB_COPY_ON_DEVICE,
                                 stream);
}

sb_status sbi_runs_copy(const sb_backend *b, sbi_runs_way way, const sb_run *run,
                        const int64_t *place, int64_t n_runs, int64_t row_bytes, char *together,
                        char *apart, void *stream)
{
    const list l  = {run, place, n_runs};
    sb_status  st = SB_OK;
    for (int64_t i = 0, n; st == SB_OK && i < n_runs; i += n) {
        n            = alike(&l, i);
        size_t bytes = (size_t)(run[i].len * row_bytes);
        size_t step = n > 1 ? (size_t)((place_of(&l, i + 1) - place_of(&l, i)) * row_bytes) : bytes;
        char  *placed = apart + place_of(&l, i) * row_bytes;
        st = way == SBI_RUNS_PLACE ? copy(b, placed, step, together, bytes, bytes, n, stream)
                                   : copy(b, together, bytes, placed, step, bytes, n, stream);
        together += bytes * (size_t)n;
    }
    return st;
}

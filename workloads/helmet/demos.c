#include "workloads/helmet/demos.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "workloads/base/sha256.h"
#include "workloads/helmet/shuffle.h"

void sbi_demos_close(sbi_demos *d)
{
    int64_t n = d->file != NULL ? sbi_record_file_count(d->file) : 0;
    for (int64_t i = 0; d->keys != NULL && i < n; i++)
        free(d->keys[i]);
    free(d->keys);
    free(d->order);
    sbi_record_file_close(d->file);
    *d = (sbi_demos){0};
}

sb_status sbi_demos_open(const char *path, sbi_demo_key key_of, const void *ctx, sbi_demos *out)
{
    sbi_demos d = {0};
    int64_t   n;
    sb_status st = sbi_record_file_open(path, &d.file);
    if (st != SB_OK)
        return st;
    n       = sbi_record_file_count(d.file);
    d.keys  = calloc((size_t)n, sizeof *d.keys);
    d.order = calloc((size_t)n, sizeof *d.order);
    if (d.keys == NULL || d.order == NULL)
        st = sb_fail(SB_ERR_NOMEM, "%s: no memory for its keys", path);
    for (int64_t i = 0; st == SB_OK && i < n; i++) {
        json_t        *root = NULL;
        sbi_row_source src  = {path, sbi_record_file_line(d.file, i), NULL};
        if ((st = sbi_record_file_read(d.file, i, &root)) == SB_OK) {
            src.row = root;
            st      = key_of(ctx, &src, &d.keys[i]);
        }
        json_decref(root);
    }
    if (st != SB_OK) {
        sbi_demos_close(&d);
        return st;
    }
    *out = d;
    return SB_OK;
}

/* int(sha256(key), 16) % 2**31 */
static sb_status seed_of(const char *key, uint32_t *seed)
{
    sbi_sha256 h;
    char       hex[65];
    sb_status  st;
    sbi_sha256_init(&h);
    sbi_sha256_put(&h, key, strlen(key));
    if ((st = sbi_sha256_hex(&h, hex)) == SB_OK)
        *seed = (uint32_t)strtoul(hex + 56, NULL, 16) & 0x7fffffffu;
    return st;
}

static int is_new(const sbi_demos *d, int64_t row, const int64_t *taken, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (strcmp(d->keys[taken[i]], d->keys[row]) == 0)
            return 0;
    return 1;
}

sb_status sbi_demos_choose(sbi_demos *d, const char *key, int without, int64_t shots, int64_t *rows)
{
    int64_t   n = sbi_record_file_count(d->file), n_kept = 0, found = 0;
    int64_t  *kept = malloc((size_t)(n + 1) * sizeof *kept);
    uint32_t  seed = 0;
    sb_status st   = kept != NULL ? seed_of(key, &seed)
                                  : sb_fail(SB_ERR_NOMEM, "helmet: no memory for examples");
    for (int64_t i = 0; st == SB_OK && i < n; i++)
        if (d->keys[i] != NULL && !(without && strcmp(d->keys[i], key) == 0))
            kept[n_kept++] = i;
    if (st == SB_OK)
        sbi_numpy_permutation(seed, n_kept, d->order);
    for (int64_t i = 0; st == SB_OK && i < n_kept && found < shots; i++)
        if (is_new(d, kept[d->order[i]], rows, found))
            rows[found++] = kept[d->order[i]];
    free(kept);
    if (st == SB_OK && found < shots)
        st = sb_fail(SB_ERR_USAGE, "%s: %" PRId64 " different examples, %" PRId64 " are needed",
                     sbi_record_file_path(d->file), found, shots);
    return st;
}

#include "harness/tensors/captured.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "harness/tensors/header.h"
#include "kernels/base/rng.h"
#include "workloads/base/sha256.h"

enum { PIECE_VALUES = 1 << 16, LISTED_NAMES = 8 };

typedef struct captured {
    sb_safetensors       *file;
    const sb_file_tensor *part[SB_OPERAND_COUNT];
} captured;

static const char *name_of(const sb_capture_names *n, int part)
{
    return part == SB_OPERAND_Q ? n->q : part == SB_OPERAND_K ? n->k : n->v;
}

/* "q, k, layers.0.v and 3 more" */
static void list_names(const sb_safetensors *f, char *buf, size_t bytes)
{
    size_t at = 0;
    char   name[SBI_NAME_BYTES];
    buf[0] = '\0';
    for (int64_t i = 0; i < f->n_tensors && i < LISTED_NAMES && at < bytes; i++)
        at += (size_t)snprintf(buf + at, bytes - at, "%s`%s`", i > 0 ? ", " : "",
                               sbi_shown(f->tensors[i].name, name));
    if (f->n_tensors > LISTED_NAMES && at < bytes)
        (void)snprintf(buf + at, bytes - at, " and %" PRId64 " more", f->n_tensors - LISTED_NAMES);
    if (f->n_tensors == 0)
        (void)snprintf(buf, bytes, "no tensors");
}

static sb_status find_part(const sb_safetensors *f, const char *want, const sb_file_tensor **out)
{
    char name[SBI_NAME_BYTES], all[(LISTED_NAMES + 1) * SBI_NAME_BYTES];
    *out = sb_safetensors_find(f, want);
    if (*out == NULL) {
        list_names(f, all, sizeof all);
        return sb_fail(SB_ERR_USAGE, "no tensor `%s`: the file has %s", sbi_shown(want, name), all);
    }
    sb_file_dtype t = (*out)->dtype;
    if (t != SB_FILE_BF16 && t != SB_FILE_F16 && t != SB_FILE_F32)
        return sb_fail(SB_ERR_USAGE, "tensor `%s`: found dtype %s, allowed BF16, F16, F32",
                       sbi_shown(want, name), sb_file_dtype_name(t));
    return SB_OK;
}

/* The last three dimensions; a batch of 1 before them is let go. */
static sb_status dims_of(const sb_file_tensor *t, int64_t dim[3])
{
    char    name[SBI_NAME_BYTES], shape[SB_FILE_MAX_DIMS * 24];
    int32_t first = t->n_dims == 4 && t->shape[0] == 1 ? 1 : 0;
    int     fine  = t->n_dims - first == 3;
    size_t  at    = 0;
    shape[0]      = '\0';
    for (int32_t i = 0; i < t->n_dims; i++) {
        at += (size_t)snprintf(shape + at, sizeof shape - at, "[%" PRId64 "]", t->shape[i]);
        fine &= t->shape[i] > 0;
    }
    for (int i = 0; fine && i < 3; i++)
        dim[i] = t->shape[first + i];
    return fine ? SB_OK
                : sb_fail(SB_ERR_USAGE,
                          "tensor `%s`: found the shape %s, allowed [heads][tokens][head_dim] "
                          "without zeros, or [1] and these",
                          sbi_shown(t->name, name), t->n_dims > 0 ? shape : "of a single number");
}

static sb_status shape_of(const captured *c, sb_operand_shape *out)
{
    int64_t   dim[SB_OPERAND_COUNT][3];
    sb_status st = SB_OK;
    for (int p = 0; st == SB_OK && p < SB_OPERAND_COUNT; p++)
        st = dims_of(c->part[p], dim[p]);
    if (st != SB_OK)
        return st;
    const int64_t *q = dim[SB_OPERAND_Q], *k = dim[SB_OPERAND_K], *v = dim[SB_OPERAND_V];
    if (memcmp(k, v, sizeof dim[0]) != 0)
        return sb_fail(SB_ERR_USAGE,
                       "found k [%" PRId64 "][%" PRId64 "][%" PRId64 "] and v [%" PRId64
                       "][%" PRId64 "][%" PRId64 "], allowed two of one shape",
                       k[0], k[1], k[2], v[0], v[1], v[2]);
    if (q[2] != k[2])
        return sb_fail(SB_ERR_USAGE,
                       "found head_dim %" PRId64 " of q and %" PRId64 " of k, allowed equal ones",
                       q[2], k[2]);
    if (q[0] % k[0] != 0)
        return sb_fail(SB_ERR_USAGE,
                       "found %" PRId64 " query heads on %" PRId64 " KV heads, allowed a multiple",
                       q[0], k[0]);
    if (q[1] > k[1])
        return sb_fail(SB_ERR_USAGE,
                       "found %" PRId64 " queries on %" PRId64
                       " keys, allowed at most as many: they are the last ones of the sequence",
                       q[1], k[1]);
    *out = (sb_operand_shape){
        .heads = q[0], .kv_heads = k[0], .head_dim = q[2], .n_tokens = k[1], .n_queries = q[1]};
    return SB_OK;
}

static sb_status stamp_of(const sb_safetensors *f, uint64_t *out)
{
    struct stat s;
    if (fstat(f->fd, &s) != 0)
        return sb_fail(SB_ERR_IO, "%s", strerror(errno));
    *out = sb_mix(sb_mix(sb_mix((uint64_t)s.st_size) ^ (uint64_t)s.st_ino) ^
                  (uint64_t)s.st_mtim.tv_sec * 1000000000u ^ (uint64_t)s.st_mtim.tv_nsec);
    return SB_OK;
}

static void captured_fini(captured *c) { sb_safetensors_close(c->file); }

static sb_status captured_init(captured *c, const char *path, const sb_capture_names *names,
                               sb_captured *found)
{
    *c           = (captured){0};
    *found       = (sb_captured){0};
    sb_status st = sb_safetensors_open(path, &c->file);
    if (st != SB_OK)
        return st; /* it names the path already */
    for (int p = 0; st == SB_OK && p < SB_OPERAND_COUNT; p++)
        st = find_part(c->file, name_of(names, p), &c->part[p]);
    if (st == SB_OK)
        st = shape_of(c, &found->shape);
    if (st == SB_OK)
        st = stamp_of(c->file, &found->stamp);
    if (st != SB_OK) {
        (void)sb_wrap(st, "%s", path);
        captured_fini(c);
        *c = (captured){0};
    }
    return st;
}

/* ---- every value once ---- */

typedef struct odd_values {
    int64_t n, first;
} odd_values;

static void count_odd(const sb_bf16 *x, int64_t n, int64_t at, odd_values *odd)
{
    for (int64_t i = 0; i < n; i++)
        if ((x[i] & 0x7f80u) == 0x7f80u && odd->n++ == 0)
            odd->first = at + i;
}

static sb_status scan_part(const captured *c, int part, sb_bf16 *piece, sbi_sha256 *h)
{
    const sb_file_tensor *t   = c->part[part];
    odd_values            odd = {0};
    char                  name[SBI_NAME_BYTES];
    for (int64_t i = 0; i < t->n_values; i += PIECE_VALUES) {
        int64_t   n  = t->n_values - i < PIECE_VALUES ? t->n_values - i : PIECE_VALUES;
        sb_status st = sb_safetensors_read_bf16(c->file, t, i, n, piece);
        if (st != SB_OK)
            return st;
        count_odd(piece, n, i, &odd);
        sbi_sha256_put(h, piece, (size_t)n * sizeof *piece);
    }
    if (odd.n == 0)
        return SB_OK;
    int64_t d = t->shape[t->n_dims - 1], rows = t->shape[t->n_dims - 2];
    return sb_fail(SB_ERR_USAGE,
                   "%s: tensor `%s`: found %" PRId64
                   " values that are not finite in bf16, the first at head %" PRId64
                   ", token %" PRId64 ", dim %" PRId64 "; allowed none",
                   c->file->path, sbi_shown(t->name, name), odd.n, odd.first / d / rows,
                   odd.first / d % rows, odd.first % d);
}

sb_status sb_captured_scan(const char *path, const sb_capture_names *names, sb_captured *out)
{
    static const char form[] = "sb_captured/1"; /* changes with the list of fields below */
    captured          c;
    sb_captured       found;
    sbi_sha256        h;
    sb_status         st = captured_init(&c, path, names, &found);
    if (st != SB_OK)
        return st;
    sb_bf16 *piece = malloc(PIECE_VALUES * sizeof *piece);
    sbi_sha256_init(&h);
    sbi_sha256_put(&h, form, sizeof form);
    sbi_sha256_put_i64(&h, found.shape.heads);
    sbi_sha256_put_i64(&h, found.shape.kv_heads);
    sbi_sha256_put_i64(&h, found.shape.head_dim);
    sbi_sha256_put_i64(&h, found.shape.n_tokens);
    sbi_sha256_put_i64(&h, found.shape.n_queries);
    if (piece == NULL)
        st = sb_fail(SB_ERR_NOMEM, "%s: no memory to look at it", path);
    for (int p = 0; st == SB_OK && p < SB_OPERAND_COUNT; p++)
        st = scan_part(&c, p, piece, &h);
    sb_status hashed = sbi_sha256_hex(&h, found.sha256); /* also frees, so always called */
    st               = st != SB_OK ? st : hashed;
    if (st == SB_OK)
        *out = found;
    free(piece);
    captured_fini(&c);
    return st;
}

/* ---- rows ---- */

static sb_status fill(const sb_operands *o, sb_operand part, int64_t kv_head, int64_t first,
                      int64_t n, int64_t slot, const sb_tensor *out)
{
    const captured *c     = o->impl;
    int64_t         d     = o->shape.head_dim;
    int64_t         rows  = part == SB_OPERAND_Q ? o->shape.n_queries : o->shape.n_tokens;
    int64_t         group = part == SB_OPERAND_Q ? o->shape.heads / o->shape.kv_heads : 1;
    int64_t         place = first - (o->shape.n_tokens - rows); /* of id `first` in the file */
    sb_status       st    = SB_OK;
    for (int64_t h = kv_head * group; st == SB_OK && h < (kv_head + 1) * group; h++)
        st = sb_safetensors_read_bf16(c->file, c->part[part], (h * rows + place) * d, n * d,
                                      sb_tensor_bf16(out, h, slot));
    return st;
}

static void destroy(sb_operands *o)
{
    if (o->impl != NULL)
        captured_fini(o->impl);
    free(o->impl);
    free(o);
}

sb_status sb_captured_open(const char *path, const sb_capture_names *names, float scale,
                           const sb_captured *seen, sb_operands **out)
{
    static const sb_operands_ops ops = {fill, destroy};
    sb_captured                  now;
    sb_operands                 *o = calloc(1, sizeof *o);
    captured                    *c = calloc(1, sizeof *c);
    if (o == NULL || c == NULL) {
        free(o);
        free(c);
        return sb_fail(SB_ERR_NOMEM, "%s: no memory for the handle", path);
    }
    *o           = (sb_operands){.ops = &ops, .scale = scale, .impl = c};
    sb_status st = captured_init(c, path, names, &now);
    if (st == SB_OK && now.stamp != seen->stamp)
        st = sb_fail(SB_ERR_USAGE, "%s: the file has changed since the run began", path);
    if (st != SB_OK) {
        destroy(o);
        return st;
    }
    o->shape = now.shape;
    memcpy(o->sha256, seen->sha256, sizeof o->sha256);
    *out = o;
    return SB_OK;
}

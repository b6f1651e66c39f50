#include "harness/model/checkpoint/gguf.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/model/checkpoint/cursor.h"

enum {
    MIN_KEY_BYTES    = 13, /* length of the name, type, one byte of value */
    MIN_TENSOR_BYTES = 24, /* length of the name, number of dims, type, offset */
    MAX_KEY_NAME     = 65535
};
static const int type_bytes[SB_GGUF_TYPE_COUNT] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

/* ---- keys ---- */

static sb_status take_type(sbi_cursor *c, sb_gguf_type *out)
{
    uint64_t  v;
    sb_status st = sbi_cursor_uint(c, 4, &v);
    if (st == SB_OK && v >= SB_GGUF_TYPE_COUNT)
        st = sb_fail(SB_ERR_USAGE, "found type %" PRIu64 ", allowed 0 to %d", v,
                     SB_GGUF_TYPE_COUNT - 1);
    if (st == SB_OK)
        *out = (sb_gguf_type)v;
    return st;
}

static sb_status take_bools(const sbi_cursor *c, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        if (c->bytes[c->at + i] > 1)
            return sb_fail(SB_ERR_USAGE, "found a bool of %d, allowed 0 and 1",
                           c->bytes[c->at + i]);
    return SB_OK;
}

static sb_status take_array(sbi_cursor *c, sb_gguf_key *k)
{
    sb_status st = take_type(c, &k->item);
    if (st == SB_OK)
        st = sbi_cursor_uint(c, 8, &k->n);
    if (st != SB_OK)
        return st;
    if (k->item == SB_GGUF_ARRAY)
        return sb_fail(SB_ERR_UNSUPPORTED, "found an array of arrays, allowed plain ones");
    uint64_t item = k->item == SB_GGUF_STRING ? 8 : (uint64_t)type_bytes[k->item];
    if (k->n > sbi_left(c) / item)
        return sb_fail(SB_ERR_USAGE,
                       "found an array of %" PRIu64 ", the file has %" PRIu64 " bytes left", k->n,
                       sbi_left(c));
    k->at = c->bytes + c->at;
    if (k->item == SB_GGUF_BOOL && (st = take_bools(c, k->n)) != SB_OK)
        return st;
    if (k->item != SB_GGUF_STRING)
        return sbi_cursor_skip(c, k->n * item); /* fits: just looked */
    for (uint64_t i = 0; st == SB_OK && i < k->n; i++) {
        const char *text;
        uint64_t    bytes;
        st = sbi_cursor_text(c, &text, &bytes);
    }
    return st;
}

static sb_status take_value(sbi_cursor *c, sb_gguf_key *k)
{
    const char *text;
    sb_status   st = take_type(c, &k->type);
    if (st != SB_OK)
        return st;
    if (k->type == SB_GGUF_ARRAY)
        return take_array(c, k);
    if (k->type == SB_GGUF_STRING) {
        st    = sbi_cursor_text(c, &text, &k->n);
        k->at = st == SB_OK ? (const unsigned char *)text : NULL;
        return st;
    }
    k->n  = 1;
    k->at = c->bytes + c->at;
    if ((st = sbi_cursor_skip(c, (uint64_t)type_bytes[k->type])) == SB_OK &&
        k->type == SB_GGUF_BOOL && *k->at > 1)
        st = sb_fail(SB_ERR_USAGE, "found a bool of %d, allowed 0 and 1", *k->at);
    return st;
}

static int key_order(const sb_gguf_key *k, const char *name, uint64_t n)
{
    uint64_t less = k->name_bytes < n ? k->name_bytes : n;
    int      d    = memcmp(k->name, name, less);
    return d != 0 ? d : (k->name_bytes > n) - (k->name_bytes < n);
}

static int by_key(const void *pa, const void *pb)
{
    const sb_gguf_key *b = pb;
    return key_order(pa, b->name, b->name_bytes);
}

static sb_status take_keys(sbi_cursor *c, sb_gguf *g)
{
    char      shown[SBI_QUOTE_BYTES];
    sb_status st = SB_OK;
    g->keys      = calloc(g->n_keys + 1, sizeof *g->keys);
    if (g->keys == NULL)
        return sb_fail(SB_ERR_NOMEM, "no memory for %" PRIu64 " keys", g->n_keys);
    for (uint64_t i = 0; i < g->n_keys; i++) {
        sb_gguf_key *k = &g->keys[i];
        if ((st = sbi_cursor_text(c, &k->name, &k->name_bytes)) != SB_OK)
            return sb_wrap(st, "key %" PRIu64, i);
        if (k->name_bytes == 0 || k->name_bytes > MAX_KEY_NAME)
            return sb_fail(SB_ERR_USAGE,
                           "key %" PRIu64 ": found a name of %" PRIu64 " bytes, allowed 1 to %d", i,
                           k->name_bytes, MAX_KEY_NAME);
        if ((st = take_value(c, k)) != SB_OK)
            return sb_wrap(st, "key `%s`", sbi_quote(k->name, k->name_bytes, shown));
    }
    qsort(g->keys, g->n_keys, sizeof *g->keys, by_key);
    for (uint64_t i = 1; i < g->n_keys; i++)
        if (by_key(&g->keys[i - 1], &g->keys[i]) == 0)
            return sb_fail(SB_ERR_USAGE, "key `%s`: found twice, allowed once",
                           sbi_quote(g->keys[i].name, g->keys[i].name_bytes, shown));
    return SB_OK;
}

/* ---- tensors ---- */

static sb_status take_shape(sbi_cursor *c, sb_gguf_tensor *t)
{
    uint64_t  n;
    sb_status st = sbi_cursor_uint(c, 4, &n);
    if (st != SB_OK)
        return st;
    if (n == 0 || n > SB_GGUF_MAX_DIMS)
        return sb_fail(SB_ERR_USAGE, "found %" PRIu64 " dimensions, allowed 1 to %d", n,
                       SB_GGUF_MAX_DIMS);
    t->n_dims   = (int32_t)n;
    t->n_values = 1;
    for (int i = 0; i < SB_GGUF_MAX_DIMS; i++) {
        uint64_t ne = 1;
        if (i < t->n_dims && (st = sbi_cursor_uint(c, 8, &ne)) != SB_OK)
            return st;
        if (ne == 0 || ne > INT64_MAX)
            return sb_fail(SB_ERR_USAGE, "found a dimension of %" PRIu64 ", allowed 1 to 2^63 - 1",
                           ne);
        t->ne[i] = (int64_t)ne;
        if (__builtin_mul_overflow(t->n_values, t->ne[i], &t->n_values))
            return sb_fail(SB_ERR_USAGE, "its shape has more than 2^63 values");
    }
    return SB_OK;
}

static sb_status take_tensor_type(sbi_cursor *c, sb_gguf_tensor *t)
{
    uint64_t  id;
    sb_status st = sbi_cursor_uint(c, 4, &id);
    if (st != SB_OK)
        return st;
    if (!sb_block_find_gguf((uint32_t)id, &t->type))
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "found type %" PRIu64 ", allowed F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, "
                       "Q5_1, Q4_K, Q5_K, Q6_K",
                       id);
    const sb_block_format *f = &sb_block_formats[t->type];
    if (t->ne[0] % f->values != 0)
        return sb_fail(SB_ERR_USAGE, "found rows of %" PRId64 ", allowed multiples of %d for %s",
                       t->ne[0], f->values, f->name);
    if (__builtin_mul_overflow(t->n_values / f->values, (int64_t)f->bytes, &t->bytes))
        return sb_fail(SB_ERR_USAGE, "its shape has more than 2^63 bytes");
    return SB_OK;
}

/* *offset: from the start of the data. */
static sb_status take_tensor(sbi_cursor *c, sb_gguf_tensor *t, uint64_t *offset)
{
    const char *name;
    uint64_t    n;
    char        shown[SBI_QUOTE_BYTES];
    sb_status   st = sbi_cursor_text(c, &name, &n);
    if (st != SB_OK)
        return st;
    if (n == 0 || n >= SB_GGUF_MAX_NAME || memchr(name, 0, n) != NULL)
        return sb_fail(SB_ERR_USAGE,
                       "found the name `%s` of %" PRIu64 " bytes, allowed 1 to %d without NUL",
                       sbi_quote(name, n, shown), n, SB_GGUF_MAX_NAME - 1);
    memcpy(t->name, name, n);
    if ((st = take_shape(c, t)) != SB_OK || (st = take_tensor_type(c, t)) != SB_OK ||
        (st = sbi_cursor_uint(c, 8, offset)) != SB_OK)
        return sb_wrap(st, "`%s`", sbi_quote(name, n, shown));
    return SB_OK;
}

static int by_name(const void *pa, const void *pb)
{
    return strcmp(((const sb_gguf_tensor *)pa)->name, ((const sb_gguf_tensor *)pb)->name);
}

static sb_status check_names(sb_gguf *g)
{
    char shown[SBI_QUOTE_BYTES];
    qsort(g->tensors, g->n_tensors, sizeof *g->tensors, by_name);
    for (uint64_t i = 1; i < g->n_tensors; i++)
        if (by_name(&g->tensors[i - 1], &g->tensors[i]) == 0)
            return sb_fail(SB_ERR_USAGE, "tensor `%s`: found twice, allowed once",
                           sbi_quote(g->tensors[i].name, strlen(g->tensors[i].name), shown));
    return SB_OK;
}

/* Tensors lie in order, each padded to the alignment; the last padding may be missing. */
static sb_status place(const sb_gguf *g, sb_gguf_tensor *t, uint64_t offset, uint64_t align,
                       uint64_t *at)
{
    uint64_t data = g->n_bytes - g->header_bytes, bytes = (uint64_t)t->bytes;
    char     shown[SBI_QUOTE_BYTES];
    if (offset != *at)
        return sb_fail(SB_ERR_USAGE,
                       "tensor `%s`: found at byte %" PRIu64 " of the data, allowed %" PRIu64
                       ", where the one before ends",
                       sbi_quote(t->name, strlen(t->name), shown), offset, *at);
    if (offset > data || bytes > data - offset)
        return sb_fail(SB_ERR_USAGE,
                       "tensor `%s`: %" PRIu64 " bytes at byte %" PRIu64
                       " of the data, which has %" PRIu64 ": is it cut short?",
                       sbi_quote(t->name, strlen(t->name), shown), bytes, offset, data);
    t->data = g->bytes + g->header_bytes + offset;
    *at     = offset + bytes + (align - bytes % align) % align; /* below 2^63 + 2^32 */
    return SB_OK;
}

static sb_status take_alignment(const sb_gguf *g, uint64_t *out)
{
    const sb_gguf_key *k = sb_gguf_find_key(g, "general.alignment");
    uint64_t           v = 32;
    if (k != NULL) {
        if (k->type != SB_GGUF_U32)
            return sb_fail(SB_ERR_USAGE, "key `general.alignment`: found another type, allowed a "
                                         "32-bit unsigned integer");
        v = (uint64_t)k->at[0] | (uint64_t)k->at[1] << 8 | (uint64_t)k->at[2] << 16 |
            (uint64_t)k->at[3] << 24;
    }
    if (v == 0 || (v & (v - 1)) != 0)
        return sb_fail(SB_ERR_USAGE,
                       "key `general.alignment`: found %" PRIu64 ", allowed a power of two", v);
    *out = v;
    return SB_OK;
}

static sb_status take_tensors(sbi_cursor *c, sb_gguf *g)
{
    uint64_t  align = 32, at = 0, *offset = NULL;
    sb_status st = take_alignment(g, &align);
    if (st != SB_OK)
        return st;
    g->tensors = calloc(g->n_tensors + 1, sizeof *g->tensors);
    offset     = calloc(g->n_tensors + 1, sizeof *offset);
    if (g->tensors == NULL || offset == NULL)
        st = sb_fail(SB_ERR_NOMEM, "no memory for %" PRIu64 " tensors", g->n_tensors);
    for (uint64_t i = 0; st == SB_OK && i < g->n_tensors; i++)
        if ((st = take_tensor(c, &g->tensors[i], &offset[i])) != SB_OK)
            (void)sb_wrap(st, "tensor %" PRIu64, i);
    uint64_t pad = (align - c->at % align) % align;
    if (st == SB_OK && g->n_tensors > 0)
        st = sbi_cursor_skip(c, pad);
    g->header_bytes = c->at;
    for (uint64_t i = 0; st == SB_OK && i < g->n_tensors; i++)
        st = place(g, &g->tensors[i], offset[i], align, &at);
    free(offset);
    return st == SB_OK ? check_names(g) : st;
}

/* ---- the file ---- */

static sb_status take_version(sbi_cursor *c)
{
    uint64_t  magic, version;
    sb_status st = sbi_cursor_uint(c, 4, &magic);
    if (st != SB_OK || magic != 0x46554747u)
        return sb_fail(SB_ERR_USAGE, "found no `GGUF` at its start: is it a GGUF file?");
    if ((st = sbi_cursor_uint(c, 4, &version)) != SB_OK)
        return st;
    if ((version & 0xffffu) == 0 && version != 0)
        return sb_fail(SB_ERR_UNSUPPORTED, "found a big-endian file, allowed little-endian ones");
    if (version != 2 && version != 3)
        return sb_fail(SB_ERR_UNSUPPORTED, "found version %" PRIu64 ", allowed 2 and 3%s", version,
                       version == 1 ? " (version 1 has 32-bit lengths)" : "");
    return SB_OK;
}

static sb_status refuse_split(const sb_gguf *g)
{
    int64_t n = 1;
    if (sb_gguf_find_key(g, "split.count") == NULL)
        return SB_OK;
    sb_status st = sb_gguf_int(g, "split.count", 0, INT64_MAX, &n);
    if (st == SB_OK && n > 1)
        st = sb_fail(SB_ERR_UNSUPPORTED,
                     "key `split.count`: found one of %" PRId64
                     " files, allowed a whole one (merge them with llama-gguf-split)",
                     n);
    return st;
}

static sb_status parse(sb_gguf *g)
{
    sbi_cursor c  = {g->bytes, g->n_bytes, 0};
    sb_status  st = take_version(&c);
    if (st != SB_OK || (st = sbi_cursor_uint(&c, 8, &g->n_tensors)) != SB_OK ||
        (st = sbi_cursor_uint(&c, 8, &g->n_keys)) != SB_OK)
        return st;
    if (g->n_keys > sbi_left(&c) / MIN_KEY_BYTES || g->n_tensors > sbi_left(&c) / MIN_TENSOR_BYTES)
        return sb_fail(SB_ERR_USAGE,
                       "found %" PRIu64 " keys and %" PRIu64 " tensors, the file has %" PRIu64
                       " bytes left for them",
                       g->n_keys, g->n_tensors, sbi_left(&c));
    if ((st = take_keys(&c, g)) != SB_OK || (st = refuse_split(g)) != SB_OK)
        return st;
    return take_tensors(&c, g);
}

static sb_status map_file(sb_gguf *g)
{
    struct stat info;
    int         fd = open(g->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO would block */
    sb_status   st = SB_OK;
    void       *p  = MAP_FAILED;
    if (fd < 0 || fstat(fd, &info) != 0)
        st = sb_fail(errno == ENOENT ? SB_ERR_USAGE : SB_ERR_IO, "%s", strerror(errno));
    else if (!S_ISREG(info.st_mode) || info.st_size == 0)
        st = sb_fail(SB_ERR_USAGE, "found %s, allowed a GGUF file",
                     S_ISREG(info.st_mode) ? "an empty file" : "no regular file");
    else if ((p = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_SHARED, fd, 0)) == MAP_FAILED)
        st = sb_fail(SB_ERR_IO, "mapping %lld bytes: %s", (long long)info.st_size, strerror(errno));
    if (st == SB_OK) {
        g->bytes   = p;
        g->n_bytes = (uint64_t)info.st_size;
        g->mapped  = 1;
    }
    if (fd >= 0)
        (void)close(fd);
    return st;
}

static sb_status open_any(const char *name, const void *data, size_t bytes, sb_gguf **out)
{
    sb_status st = SB_OK;
    sb_gguf  *g  = calloc(1, sizeof *g);
    if (g == NULL || (g->path = strdup(name)) == NULL) {
        free(g);
        return sb_fail(SB_ERR_NOMEM, "%s: no memory for the handle", name);
    }
    g->bytes   = data;
    g->n_bytes = bytes;
    if (data == NULL)
        st = map_file(g);
    if (st == SB_OK)
        st = parse(g);
    if (st != SB_OK) {
        (void)sb_wrap(st, "%s", name);
        sb_gguf_close(g);
        return st;
    }
    *out = g;
    return SB_OK;
}

sb_status sb_gguf_open(const char *path, sb_gguf **out) { return open_any(path, NULL, 0, out); }

sb_status sb_gguf_open_bytes(const char *name, const void *data, size_t bytes, sb_gguf **out)
{
    return open_any(name, data, bytes, out);
}

void sb_gguf_close(sb_gguf *g)
{
    if (g == NULL)
        return;
    if (g->mapped)
        (void)munmap((void *)(uintptr_t)g->bytes, (size_t)g->n_bytes);
    free(g->keys);
    free(g->tensors);
    free(g->path);
    free(g);
}

const sb_gguf_key *sb_gguf_find_key(const sb_gguf *g, const char *name)
{
    uint64_t lo = 0, hi = g->n_keys, n = strlen(name);
    while (lo < hi) {
        uint64_t mid = lo + (hi - lo) / 2;
        int      d   = key_order(&g->keys[mid], name, n);
        if (d == 0)
            return &g->keys[mid];
        if (d < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

const sb_gguf_tensor *sb_gguf_find_tensor(const sb_gguf *g, const char *name)
{
    uint64_t lo = 0, hi = g->n_tensors;
    while (lo < hi) {
        uint64_t mid = lo + (hi - lo) / 2;
        int      d   = strcmp(g->tensors[mid].name, name);
        if (d == 0)
            return &g->tensors[mid];
        if (d < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

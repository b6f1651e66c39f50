#include "harness/model/checkpoint/weights.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "harness/model/checkpoint/cursor.h"
#include "kernels/base/log.h"

static int by_name(const void *a, const void *b)
{
    return strcmp(((const sbi_weight *)a)->name, ((const sbi_weight *)b)->name);
}

sbi_weight *sbi_weights_find(const sbi_weights *w, const char *name)
{
    sbi_weight key = {.name = name};
    return w->n == 0 ? NULL : bsearch(&key, w->w, (size_t)w->n, sizeof *w->w, by_name);
}

static void identify(sbi_weights *w, const void *header, size_t bytes, int64_t file_bytes)
{
    (void)XXH3_128bits_update(w->identity, header, bytes);
    (void)XXH3_128bits_update(w->identity, &file_bytes, sizeof file_bytes);
    w->file_bytes += file_bytes;
}

static sb_status begin(sbi_weights *w)
{
    *w          = (sbi_weights){0};
    w->identity = XXH3_createState();
    if (w->identity == NULL)
        return sb_fail(SB_ERR_NOMEM, "no memory for a hash");
    (void)XXH3_128bits_reset(w->identity);
    return SB_OK;
}

/* ---- GGUF ---- */

static void take_gguf(const sb_gguf *g, const sb_gguf_tensor *t, sbi_weight *out)
{
    *out          = (sbi_weight){.name      = t->name,
                                 .file      = g->path,
                                 .known     = 1,
                                 .type      = t->type,
                                 .type_name = sb_block_formats[t->type].name,
                                 .n_dims    = t->n_dims,
                                 .n_values  = t->n_values,
                                 .bytes     = t->bytes,
                                 .data      = t->data};
    out->shape[0] = t->n_dims > 1 ? t->ne[1] : t->ne[0];
    out->shape[1] = t->n_dims > 1 ? t->ne[0] : 1;
}

sb_status sbi_weights_from_gguf(const char *path, sbi_weights *out)
{
    sb_status st = begin(out);
    if (st == SB_OK && (st = sb_gguf_open(path, &out->gguf)) == SB_OK &&
        (out->w = calloc(out->gguf->n_tensors + 1, sizeof *out->w)) == NULL)
        st = sb_fail(SB_ERR_NOMEM, "%s: no memory for its tensors", path);
    if (st != SB_OK) {
        sbi_weights_close(out);
        return st;
    }
    for (uint64_t i = 0; i < out->gguf->n_tensors; i++)
        take_gguf(out->gguf, &out->gguf->tensors[i], &out->w[out->n++]);
    identify(out, out->gguf->bytes, out->gguf->header_bytes, (int64_t)out->gguf->n_bytes);
    return SB_OK;
}

/* ---- safetensors ---- */

static sb_status map_file(const sb_safetensors *f, sbi_map *out)
{
    void *p = mmap(NULL, (size_t)f->bytes, PROT_READ, MAP_SHARED, f->fd, 0);
    if (p == MAP_FAILED)
        return sb_fail(SB_ERR_IO, "%s: mapping %lld bytes: %s", f->path, (long long)f->bytes,
                       strerror(errno));
    *out = (sbi_map){p, (size_t)f->bytes};
    return SB_OK;
}

static void take_tensor(const sb_safetensors *f, const sbi_map *map, const sb_file_tensor *t,
                        sbi_weight *out)
{
    static const struct {
        sb_file_dtype file;
        sb_block_type type;
    } types[] = {{SB_FILE_BF16, SB_BLOCK_BF16},
                 {SB_FILE_F16, SB_BLOCK_F16},
                 {SB_FILE_F32, SB_BLOCK_F32},
                 {SB_FILE_F64, SB_BLOCK_F64}};
    *out      = (sbi_weight){.name      = t->name,
                             .file      = f->path,
                             .type_name = sb_file_dtype_name(t->dtype),
                             .n_dims    = t->n_dims,
                             .n_values  = t->n_values,
                             .bytes     = t->n_values * sb_file_dtype_bytes(t->dtype),
                             .data      = (const unsigned char *)map->at + t->offset_bytes};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].file == t->dtype) {
            out->known = 1;
            out->type  = types[i].type;
        }
    out->shape[0] = t->n_dims > 0 ? t->shape[0] : 1;
    out->shape[1] = t->n_dims > 1 ? t->shape[1] : 1;
}

/* The tensors of a file that belong to the model; index NULL: all. */
static sb_status take_file(sbi_weights *w, int64_t k, const char *name, const json_t *index)
{
    const sb_safetensors *f      = w->files[k];
    void                 *all    = realloc(w->w, (size_t)(w->n + f->n_tensors + 1) * sizeof *w->w);
    int64_t               header = f->bytes, extra = 0;
    if (all == NULL)
        return sb_fail(SB_ERR_NOMEM, "%s: no memory for its tensors", f->path);
    w->w = all;
    for (int64_t i = 0; i < f->n_tensors; i++) {
        const sb_file_tensor *t  = &f->tensors[i];
        const char           *in = json_string_value(json_object_get(index, t->name));
        header                   = t->offset_bytes < header ? t->offset_bytes : header;
        if (index == NULL || (in != NULL && strcmp(in, name) == 0))
            take_tensor(f, &w->maps[k], t, &w->w[w->n++]);
        else if (in != NULL)
            return sb_fail(SB_ERR_USAGE, "%s: tensor `%s`: found here too, allowed in %s alone",
                           f->path, t->name, in);
        else
            extra++;
    }
    if (extra > 0)
        sb_log(SB_LOG_WARN, "%s: %lld tensors that the index does not name are left out", f->path,
               (long long)extra);
    identify(w, w->maps[k].at, (size_t)header, f->bytes);
    return SB_OK;
}

/* Everything that the index maps must have been found. */
static sb_status check_index(const sbi_weights *w, const char *dir, json_t *index)
{
    const char *name;
    json_t     *file;
    char        shown[SBI_QUOTE_BYTES];
    json_object_foreach(index, name, file)
    {
        if (sbi_weights_find(w, name) == NULL)
            return sb_fail(SB_ERR_USAGE,
                           "%s/%s: tensor `%s` is missing: the index says it is there", dir,
                           json_string_value(file), sbi_quote(name, strlen(name), shown));
    }
    return SB_OK;
}

static sb_status open_files(sbi_weights *w, const char *dir, char **names, const json_t *index)
{
    sb_status st = SB_OK;
    for (int64_t k = 0; st == SB_OK && k < w->n_files; k++) {
        char *path = sbi_path_in(dir, names[k]);
        st         = path == NULL ? sb_fail(SB_ERR_NOMEM, "%s: no memory", dir)
                                  : sb_safetensors_open(path, &w->files[k]);
        if (st == SB_OK && (st = map_file(w->files[k], &w->maps[k])) == SB_OK)
            st = take_file(w, k, names[k], index);
        free(path);
    }
    return st;
}

sb_status sbi_weights_from_dir(const char *dir, sbi_weights *out)
{
    char    **names = NULL;
    int64_t   n     = 0;
    json_t   *index = NULL;
    sb_status st    = begin(out);
    if (st == SB_OK && (st = sbi_shard_names(dir, &names, &n, &index)) == SB_OK) {
        out->files   = calloc((size_t)n + 1, sizeof *out->files);
        out->maps    = calloc((size_t)n + 1, sizeof *out->maps);
        out->n_files = out->files != NULL && out->maps != NULL ? n : 0;
        st           = out->n_files < n ? sb_fail(SB_ERR_NOMEM, "%s: no memory", dir)
                                        : open_files(out, dir, names, index);
    }
    if (st == SB_OK) {
        qsort(out->w, (size_t)out->n, sizeof *out->w, by_name);
        st = check_index(out, dir, index);
    }
    sbi_free_names(names, n);
    json_decref(index);
    if (st != SB_OK)
        sbi_weights_close(out);
    return st;
}

void sbi_weights_close(sbi_weights *w)
{
    for (int64_t k = 0; k < w->n_files; k++) {
        if (w->maps[k].at != NULL)
            (void)munmap(w->maps[k].at, w->maps[k].bytes);
        sb_safetensors_close(w->files[k]);
    }
    free(w->files);
    free(w->maps);
    free(w->w);
    sb_gguf_close(w->gguf);
    (void)XXH3_freeState(w->identity);
    *w = (sbi_weights){0};
}

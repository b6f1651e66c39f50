#include "harness/tensors/header.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/tensors/dtype.h"

#define NOTES_KEY "__metadata__"

const char *sbi_shown(const char *name, char buf[SBI_NAME_BYTES])
{
    size_t n = 0;
    for (const unsigned char *s = (const unsigned char *)name; *s != '\0'; s++) {
        if (n >= SBI_NAME_BYTES - 12) {
            (void)snprintf(buf + n, SBI_NAME_BYTES - n, "...");
            return buf;
        }
        if (*s >= 0x20 && *s < 0x7f)
            buf[n++] = (char)*s;
        else
            n += (size_t)snprintf(buf + n, SBI_NAME_BYTES - n, "\\x%02x", *s);
    }
    buf[n] = '\0';
    return buf;
}

/* ---- reading ---- */

static sb_status read_notes(sb_safetensors *f, json_t *notes)
{
    const char *key;
    json_t     *value;
    char        name[SBI_NAME_BYTES];
    if (!json_is_object(notes))
        return sb_fail(SB_ERR_USAGE, NOTES_KEY ": found no mapping, allowed texts by name");
    f->notes = calloc(json_object_size(notes) + 1, sizeof *f->notes);
    if (f->notes == NULL)
        return sb_fail(SB_ERR_NOMEM, "no memory for the metadata");
    json_object_foreach(notes, key, value)
    {
        if (!json_is_string(value))
            return sb_fail(SB_ERR_USAGE, NOTES_KEY " `%s`: found no text, allowed text",
                           sbi_shown(key, name));
        sb_file_note *n = &f->notes[f->n_notes++];
        n->key          = strdup(key);
        n->value        = strdup(json_string_value(value));
        if (n->key == NULL || n->value == NULL)
            return sb_fail(SB_ERR_NOMEM, "no memory for the metadata");
    }
    return SB_OK;
}

/* A JSON integer >= 0; reals (also 1.0) and what does not fit 64 bits are none. */
static int read_count(const json_t *v, int64_t *out)
{
    if (!json_is_integer(v) || json_integer_value(v) < 0)
        return 0;
    *out = (int64_t)json_integer_value(v);
    return 1;
}

static sb_status read_shape(sb_file_tensor *t, const json_t *shape, const char *name)
{
    size_t n = json_array_size(shape);
    if (!json_is_array(shape) || n > SB_FILE_MAX_DIMS)
        return sb_fail(SB_ERR_USAGE, "tensor `%s`: found %s, allowed a list of at most %d", name,
                       json_is_array(shape) ? "a shape of too many dimensions" : "no shape",
                       SB_FILE_MAX_DIMS);
    t->n_dims   = (int32_t)n;
    t->n_values = 1;
    for (size_t i = 0; i < n; i++) {
        int64_t x;
        if (!read_count(json_array_get(shape, i), &x))
            return sb_fail(SB_ERR_USAGE,
                           "tensor `%s`: dimension %zu of its shape is no whole number >= 0", name,
                           i);
        t->shape[i] = x;
        if (__builtin_mul_overflow(t->n_values, x, &t->n_values))
            return sb_fail(SB_ERR_USAGE, "tensor `%s`: its shape has more than 2^63 values", name);
    }
    return SB_OK;
}

static sb_status read_offsets(sb_file_tensor *t, const json_t *offsets, int64_t data_bytes,
                              const char *name)
{
    int64_t begin, end, bytes;
    if (!json_is_array(offsets) || json_array_size(offsets) != 2 ||
        !read_count(json_array_get(offsets, 0), &begin) ||
        !read_count(json_array_get(offsets, 1), &end))
        return sb_fail(SB_ERR_USAGE,
                       "tensor `%s`: found no data_offsets, allowed two whole numbers >= 0", name);
    if (begin > end || end > data_bytes)
        return sb_fail(SB_ERR_USAGE,
                       "tensor `%s`: found data_offsets %" PRId64 " to %" PRId64
                       ", allowed ascending ones in the file's %" PRId64
                       " bytes of data: is it cut short?",
                       name, begin, end, data_bytes);
    if (__builtin_mul_overflow(t->n_values, sb_file_dtype_bytes(t->dtype), &bytes) ||
        bytes != end - begin)
        return sb_fail(SB_ERR_USAGE,
                       "tensor `%s`: found %" PRId64 " bytes for %" PRId64
                       " values of %s, allowed what the shape says",
                       name, end - begin, t->n_values, sb_file_dtype_name(t->dtype));
    t->offset_bytes = begin;
    return SB_OK;
}

static sb_status read_tensor(sb_file_tensor *t, const char *key, json_t *entry, int64_t data_bytes)
{
    char        name[SBI_NAME_BYTES], shown[SBI_NAME_BYTES];
    const char *dtype, *field;
    json_t     *value;
    sb_status   st;
    (void)sbi_shown(key, name);
    if (!json_is_object(entry))
        return sb_fail(SB_ERR_USAGE,
                       "tensor `%s`: found no mapping, allowed dtype, shape and data_offsets",
                       name);
    json_object_foreach(entry, field, value)
    {
        if (strcmp(field, "dtype") != 0 && strcmp(field, "shape") != 0 &&
            strcmp(field, "data_offsets") != 0)
            return sb_fail(SB_ERR_USAGE,
                           "tensor `%s`: found `%s`, allowed dtype, shape and data_offsets", name,
                           sbi_shown(field, shown));
    }
    dtype = json_string_value(json_object_get(entry, "dtype"));
    if (dtype == NULL || !sbi_file_dtype_find(dtype, &t->dtype))
        return sb_fail(SB_ERR_USAGE, "tensor `%s`: found dtype %s, allowed BF16, F16, F32, ...",
                       name, dtype == NULL ? "nothing" : sbi_shown(dtype, shown));
    if ((st = read_shape(t, json_object_get(entry, "shape"), name)) != SB_OK ||
        (st = read_offsets(t, json_object_get(entry, "data_offsets"), data_bytes, name)) != SB_OK)
        return st;
    t->name = strdup(key);
    return t->name != NULL ? SB_OK : sb_fail(SB_ERR_NOMEM, "no memory for a name");
}

static int by_place(const void *pa, const void *pb)
{
    const sb_file_tensor *a = pa, *b = pb;
    if (a->offset_bytes != b->offset_bytes)
        return a->offset_bytes < b->offset_bytes ? -1 : 1;
    return (a->n_values > b->n_values) - (a->n_values < b->n_values); /* empty ones first */
}

/* Tensors lie end to end: what overlaps could be changed behind a reader's back, a hole could hide
 * anything. */
static sb_status check_places(sb_safetensors *f, int64_t data_bytes)
{
    char    a[SBI_NAME_BYTES], b[SBI_NAME_BYTES];
    int64_t at = 0;
    qsort(f->tensors, (size_t)f->n_tensors, sizeof *f->tensors, by_place);
    for (int64_t i = 0; i < f->n_tensors; i++) {
        const sb_file_tensor *t = &f->tensors[i];
        if (t->offset_bytes < at)
            return sb_fail(SB_ERR_USAGE, "tensors `%s` and `%s` overlap, allowed end to end",
                           sbi_shown(f->tensors[i - 1].name, a), sbi_shown(t->name, b));
        if (t->offset_bytes > at)
            return sb_fail(SB_ERR_USAGE,
                           "found %" PRId64
                           " bytes before tensor `%s` that belong to no tensor, allowed none",
                           t->offset_bytes - at, sbi_shown(t->name, a));
        at += t->n_values * sb_file_dtype_bytes(t->dtype);
    }
    if (at != data_bytes)
        return sb_fail(SB_ERR_USAGE, "found %" PRId64 " bytes behind the last tensor, allowed none",
                       data_bytes - at);
    return SB_OK;
}

static sb_status read_object(sb_safetensors *f, json_t *root, int64_t data_begin,
                             int64_t data_bytes)
{
    const char *key;
    json_t     *value;
    sb_status   st = SB_OK;
    f->tensors     = calloc(json_object_size(root) + 1, sizeof *f->tensors);
    if (f->tensors == NULL)
        return sb_fail(SB_ERR_NOMEM, "no memory for %zu tensors", json_object_size(root));
    json_object_foreach(root, key, value)
    {
        if (strcmp(key, NOTES_KEY) == 0) {
            st = read_notes(f, value);
        } else if ((st = read_tensor(&f->tensors[f->n_tensors], key, value, data_bytes)) == SB_OK) {
            f->n_tensors++;
        }
        if (st != SB_OK)
            return st;
    }
    if ((st = check_places(f, data_bytes)) != SB_OK)
        return st;
    for (int64_t i = 0; i < f->n_tensors; i++)
        f->tensors[i].offset_bytes += data_begin;
    return SB_OK;
}

sb_status sbi_header_read(sb_safetensors *f, const char *json, size_t n, int64_t data_begin,
                          int64_t data_bytes)
{
    json_error_t e;
    /* Duplicates: of two tensors by one name, who would say which one was meant? Numbers that do
     * not fit 64 bits, NaN and Infinity are no JSON to the parser. */
    json_t *root = json_loadb(json, n, JSON_REJECT_DUPLICATES, &e);
    char    shown[SBI_NAME_BYTES];
    if (root == NULL)
        return sb_fail(json_error_code(&e) == json_error_out_of_memory ? SB_ERR_NOMEM
                                                                       : SB_ERR_USAGE,
                       "header: found no JSON (%s, at byte %d), allowed a mapping of tensors",
                       sbi_shown(e.text, shown), e.position);
    sb_status st = json_is_object(root)
                       ? read_object(f, root, data_begin, data_bytes)
                       : sb_fail(SB_ERR_USAGE, "header: found no mapping, allowed one of tensors");
    json_decref(root);
    return st;
}

/* ---- writing ---- */

static json_t *notes_json(const sb_file_pair *notes, int64_t n_notes)
{
    json_t *root = json_object();
    for (int64_t i = 0; i < n_notes && root != NULL; i++)
        if (json_object_set_new(root, notes[i].key, json_string(notes[i].value)) != 0) {
            json_decref(root);
            root = NULL;
        }
    return root;
}

static json_t *tensor_json(const sb_file_spec *s, int64_t *at)
{
    int64_t bytes = sb_file_dtype_bytes(s->dtype);
    json_t *shape = json_array();
    for (int32_t i = 0; i < s->n_dims; i++) {
        (void)json_array_append_new(shape, json_integer(s->shape[i]));
        bytes *= s->shape[i];
    }
    json_t *root = json_pack("{s:s, s:o, s:[I, I]}", "dtype", sb_file_dtype_name(s->dtype), "shape",
                             shape, "data_offsets", (json_int_t)*at, (json_int_t)(*at + bytes));
    *at += bytes;
    return root;
}

sb_status sbi_header_text(const sb_file_spec *specs, int64_t n_specs, const sb_file_pair *notes,
                          int64_t n_notes, char **out, int64_t *data_bytes)
{
    json_t *root = json_object();
    int64_t at   = 0;
    int     fine = root != NULL;
    if (fine && n_notes > 0)
        fine = json_object_set_new(root, NOTES_KEY, notes_json(notes, n_notes)) == 0;
    for (int64_t i = 0; fine && i < n_specs; i++)
        fine = json_object_get(root, specs[i].name) == NULL &&
               json_object_set_new(root, specs[i].name, tensor_json(&specs[i], &at)) == 0;
    char *text = fine ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    if (text == NULL)
        return sb_fail(
            SB_ERR_INTERNAL,
            "header: no memory, or two tensors of one name, or a name that is not UTF-8");
    *out        = text;
    *data_bytes = at;
    return SB_OK;
}

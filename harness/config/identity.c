/* What makes a point that point [DESIGN 10.13]: experiment, model and its knobs, suite, task and
 * its parameters, length, seed, method and its parameters, decode, sharding, layout, backend,
 * ranks, dtype. Nothing else: the same cell asked for with other samples, timing or quality, or in
 * another file, is the same point. */
#include "harness/config/identity.h"

#include <jansson.h>
#include <openssl/evp.h>
#include <string.h>

enum { SHORT_DIGITS = 15, EXACT_DIGITS = 17 };

static const size_t canonical = JSON_SORT_KEYS | JSON_COMPACT | JSON_ENSURE_ASCII;

/* Jansson 2.14 reads on where it has no memory for a character of a key or a text, which is then a
 * shorter one. Read twice, the same must come out: no memory must not choose a point's identity. */
static json_t *parsed(const char *text, size_t flags)
{
    json_t *a = json_loads(text, flags, NULL), *b = json_loads(text, flags, NULL);
    if (!json_equal(a, b)) {
        json_decref(a);
        a = NULL;
    }
    json_decref(b);
    return a;
}

/* Fifteen digits give back what people write (0.95); where they lose bits, seventeen never do.
 * Steals root. */
static char *dump(sbi_pool *p, json_t *root)
{
    char *text =
        root == NULL ? NULL : json_dumps(root, canonical | JSON_REAL_PRECISION(SHORT_DIGITS));
    if (text != NULL) {
        json_t *back = json_loads(text, 0, NULL);
        if (back == NULL || !json_equal(back, root)) {
            free(text); /* no memory to look must not choose the digits: then there is no text */
            text = back == NULL ? NULL
                                : json_dumps(root, canonical | JSON_REAL_PRECISION(EXACT_DIGITS));
        }
        json_decref(back);
    }
    json_decref(root);
    char *out = text != NULL ? sbi_pool_text(p, text, strlen(text)) : NULL;
    p->failed |= out == NULL;
    free(text);
    return out;
}

/* By the parameter's type, not by how its value looks: a real stays one where it is whole, and -0
 * is 0. */
static json_t *param_json(const sb_param *q, const char *text)
{
    if (q->type == SB_F64)
        return json_real(strtod(text, NULL) + 0.0);
    return parsed(text, JSON_DECODE_ANY);
}

char *sbi_params_json(sbi_pool *p, const sb_param *table, const void *params)
{
    json_t *root = json_object();
    for (const sb_param *q = table; q != NULL && q->name != NULL; q++) {
        char buf[SB_PARAM_JSON_BYTES];
        if (sb_param_json(q, params, buf, sizeof buf) != SB_OK) {
            json_decref(root);
            return NULL;
        }
        if (json_object_set_new(root, q->name, param_json(q, buf)) != 0) {
            json_decref(root);
            root = NULL;
            break;
        }
    }
    return dump(p, root);
}

static char *with(sbi_pool *p, const char *object, const char *key, json_t *value)
{
    json_t *root = parsed(object, 0);
    if (json_object_set_new(root, key, value) != 0) {
        json_decref(root);
        root = NULL;
    }
    return dump(p, root);
}

char *sbi_json_with_word(sbi_pool *p, const char *object, const char *key, const char *text)
{
    return with(p, object, key, json_string(text));
}

char *sbi_json_with_path(sbi_pool *p, const char *object, const char *key, const char *text)
{
    return with(p, object, key, json_pack("{s:s}", "path", text));
}

char *sbi_json_with_value(sbi_pool *p, const char *object, const char *key, const char *value)
{
    return with(p, object, key, parsed(value, JSON_DECODE_ANY));
}

char *sbi_json_merged(sbi_pool *p, const char *object, const char *more)
{
    json_t *root = parsed(object, 0), *add = parsed(more, 0);
    if (root == NULL || add == NULL || json_object_update(root, add) != 0) {
        json_decref(root);
        root = NULL;
    }
    json_decref(add);
    return dump(p, root);
}

char *sbi_input_json(sbi_pool *p, const sb_point_input *in)
{
    json_t *root = json_pack("{s:I, s:I, s:I}", "heads", (json_int_t)in->heads, "kv_heads",
                             (json_int_t)in->kv_heads, "head_dim", (json_int_t)in->head_dim);
    if (in->scale > 0 && json_object_set_new(root, "scale", json_real(in->scale)) != 0) {
        json_decref(root);
        root = NULL;
    }
    return dump(p, root);
}

char *sbi_capture_json(sbi_pool *p, const sb_point_input *in, const char *file)
{
    return dump(p, json_pack("{s:s, s:s, s:s, s:s, s:s, s:I}", "file", file, "sha256",
                             in->seen.sha256, "q", in->names.q, "k", in->names.k, "v", in->names.v,
                             "queries", (json_int_t)in->n_queries));
}

sb_status sbi_sha256_text(const char *text, size_t bytes, char out[65])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int  n = 0;
    if (EVP_Digest(text, bytes, digest, &n, EVP_sha256(), NULL) != 1 || n != 32)
        return sb_fail(SB_ERR_INTERNAL, "libcrypto gives no SHA-256");
    for (unsigned int i = 0; i < n; i++)
        (void)snprintf(out + 2 * i, 3, "%02x", digest[i]);
    return SB_OK;
}

sb_status sbi_point_identify(sbi_pool *pool, sb_point *p)
{
    char sharding[SB_SHARDING_BYTES];
    /* `o` takes over the parsed texts, and fails the whole when one of them is NULL */
    json_t *root = json_pack(
        "{s:s, s:{s:s, s:o}, s:s, s:s, s:o, s:I, s:I, s:s, s:o, s:s, s:s, s:s, s:s, s:i, s:s}",
        "experiment", p->experiment, "model", "name", p->model, "params", parsed(p->model_json, 0),
        "suite", p->suite, "task", p->task_name, "task_params", parsed(p->task_json, 0), "length",
        (json_int_t)p->length_tokens, "seed", (json_int_t)p->seed, "method", p->method->name,
        "params", parsed(p->method_json, 0), "decode", sb_decode_name(p->decode), "sharding",
        sb_point_sharding(p, sharding), "layout", sb_layout_name(p->layout), "backend",
        p->backend == SB_CUDA ? "cuda" : "cpu", "ranks", (int)p->ranks, "dtype", "bf16");
    p->identity_json = dump(pool, root);
    if (p->identity_json == NULL)
        return sb_fail(SB_ERR_NOMEM, "no memory for the identity of a point");
    return sbi_sha256_text(p->identity_json, strlen(p->identity_json), p->hash);
}

sb_status sbi_points_hash(const sb_point *points, int64_t n_points, char out[65])
{
    sbi_pool  temp = {0};
    char     *text = sbi_pool_alloc(&temp, n_points, 65);
    sb_status st   = SB_ERR_NOMEM;
    if (text == NULL)
        return sb_fail(st, "no memory for the hash of the sweep");
    for (int64_t i = 0; i < n_points; i++) {
        memcpy(text + i * 65, points[i].hash, 64);
        text[i * 65 + 64] = '\n';
    }
    st = sbi_sha256_text(text, (size_t)n_points * 65, out);
    sbi_pool_fini(&temp);
    return st;
}

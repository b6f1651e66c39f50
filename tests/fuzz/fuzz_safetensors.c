/* What a fuzzer feeds: any bytes as a safetensors file; bytes that start with a brace as a header,
 * up to the last brace, with what is behind it as data. What opens is used: every tensor lies in
 * the file, its first and last value are read, and q, k and v are looked at as operands. */
#include <stdlib.h>
#include <string.h>

#include "harness/tensors/captured.h"
#include "tests/fuzz/common.h"

static void use(const sb_safetensors *f)
{
    char    value[8];
    sb_bf16 b;
    for (int64_t i = 0; i < f->n_tensors; i++) {
        const sb_file_tensor *t    = &f->tensors[i];
        const int64_t         size = sb_file_dtype_bytes(t->dtype);
        fuzz_must(sb_safetensors_find(f, t->name) != NULL, "found by its name");
        fuzz_must(t->n_dims >= 0 && t->n_dims <= SB_FILE_MAX_DIMS && t->n_values >= 0, "shape");
        fuzz_must(t->offset_bytes >= 8 && t->n_values <= (f->bytes - t->offset_bytes) / size,
                  "in the file");
        fuzz_must(i == 0 ||
                      t->offset_bytes >=
                          t[-1].offset_bytes + t[-1].n_values * sb_file_dtype_bytes(t[-1].dtype),
                  "behind the one before");
        if (t->n_values == 0)
            continue;
        fuzz_must(sb_safetensors_read(f, t, 0, 1, value) == SB_OK &&
                      sb_safetensors_read(f, t, t->n_values - 1, 1, value) == SB_OK,
                  "read");
        sb_status st = sb_safetensors_read_bf16(f, t, t->n_values - 1, 1, &b);
        fuzz_must((st == SB_OK) == (t->dtype <= SB_FILE_F32), "read as bf16");
    }
    for (int64_t i = 0; i < f->n_notes; i++)
        fuzz_must(sb_safetensors_note(f, f->notes[i].key) != NULL, "found by its key");
}

static void look(const char *path)
{
    static const sb_capture_names names = {"q", "k", "v"};
    sb_captured                   seen;
    sb_operands                  *o  = NULL;
    sb_status                     st = sb_captured_scan(path, &names, &seen);
    fuzz_must(st == SB_OK || st == SB_ERR_USAGE, "operands or a mistake of the user");
    if (st != SB_OK)
        return;
    fuzz_must(seen.shape.heads % seen.shape.kv_heads == 0 &&
                  seen.shape.n_queries <= seen.shape.n_tokens,
              "a shape that attention has");
    fuzz_must(sb_captured_open(path, &names, 0.25f, &seen, &o) == SB_OK, "what was seen opens");
    sb_operands_destroy(o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t  *end = size > 0 && data[0] == '{' ? memrchr(data, '}', size) : NULL;
    sb_safetensors *f   = NULL;
    const char     *path;
    if (end != NULL) {
        uint64_t n     = (uint64_t)(end - data) + 1;
        uint8_t *whole = malloc(size + sizeof n);
        fuzz_must(whole != NULL, "malloc");
        memcpy(whole, &n, sizeof n);
        memcpy(whole + sizeof n, data, size);
        path = fuzz_file(0, whole, size + sizeof n);
        free(whole);
    } else {
        path = fuzz_file(0, data, size);
    }
    sb_status st = sb_safetensors_open(path, &f);
    fuzz_must(st == SB_OK || st == SB_ERR_USAGE, "opened or a mistake of the user");
    fuzz_must(st == SB_OK || strncmp(sb_error_text(), path, strlen(path)) == 0,
              "an error names the file");
    *(st == SB_OK ? &fuzz_taken : &fuzz_refused) += 1;
    if (st == SB_OK) {
        use(f);
        look(path);
    }
    sb_safetensors_close(f);
    return 0;
}

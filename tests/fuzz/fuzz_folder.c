/* What a fuzzer feeds: a model's folder as one text, a file from each line `=== NAME` on:
 *
 *   === config.json
 *   {...}
 *   === model.safetensors.index.json
 *   {...}
 *   === a.safetensors
 *   {header}4096                 behind the last brace: how many zero bytes of data (at most 64
 * KiB), or else the bytes that stand there A file of tensors that does not begin with a brace is
 * taken as it stands. What opens is used: first and last row of every matrix and all norms are
 * read. */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/model/checkpoint/checkpoint.h"
#include "kernels/base/log.h"
#include "tests/fuzz/common.h"
#include "tests/fuzz/model_config.h"

enum { MOST_ZEROS = 1 << 16, MOST_COLUMNS = 1 << 16 };

static char folder[64];

static void empty_folder(void)
{
    DIR           *d = opendir(folder);
    struct dirent *e;
    fuzz_must(d != NULL, "opendir");
    while ((e = readdir(d)) != NULL)
        if (e->d_name[0] != '.')
            (void)unlinkat(dirfd(d), e->d_name, 0);
    (void)closedir(d);
}

static void remove_folder(void)
{
    empty_folder();
    (void)rmdir(folder);
}

static void make_folder(void)
{
    if (folder[0] != '\0') {
        empty_folder();
        return;
    }
    (void)strcpy(folder,
                 access("/dev/shm", W_OK) == 0 ? "/dev/shm/fuzz-XXXXXX" : "/tmp/fuzz-XXXXXX");
    fuzz_must(mkdtemp(folder) != NULL, "mkdtemp");
    (void)atexit(remove_folder);
    sb_log_init(-1, SB_LOG_ERROR); /* tensors left out are told on the log */
}

static void put(int fd, const void *data, size_t n)
{
    fuzz_must(write(fd, data, n) == (ssize_t)n, "write");
}

/* The length that a header begins with, the header, and its data. */
static void put_tensors(int fd, const char *text, size_t n)
{
    static const char zeros[MOST_ZEROS];
    const char       *end      = memrchr(text, '}', n);
    uint64_t          header   = end == NULL ? 0 : (uint64_t)(end - text) + 1;
    char              count[8] = "";
    size_t            rest     = n - (size_t)header;
    long              want;
    if (end == NULL) {
        put(fd, text, n);
        return;
    }
    put(fd, &header, sizeof header);
    put(fd, text, (size_t)header);
    memcpy(count, text + header, rest < sizeof count - 1 ? rest : sizeof count - 1);
    want = atol(count);
    if (want > 0)
        put(fd, zeros, (size_t)(want < MOST_ZEROS ? want : MOST_ZEROS));
    else
        put(fd, text + header, rest);
}

static void put_file(const char *name, size_t name_bytes, const char *text, size_t n)
{
    char path[160];
    if (name_bytes == 0 || name_bytes > 64 || memchr(name, '/', name_bytes) != NULL ||
        memchr(name, '\0', name_bytes) != NULL || name[0] == '.')
        return;
    (void)snprintf(path, sizeof path, "%s/%.*s", folder, (int)name_bytes, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    fuzz_must(fd >= 0, "open");
    if (n > 0 && text[0] == '{' && memmem(name, name_bytes, ".safetensors", 12) != NULL &&
        memmem(name, name_bytes, ".json", 5) == NULL)
        put_tensors(fd, text, n);
    else
        put(fd, text, n);
    (void)close(fd);
}

static void unpack(const char *data, size_t size)
{
    static const char mark[] = "=== ";
    const size_t      m      = sizeof mark - 1;
    const char       *end = data + size, *at = size >= m && memcmp(data, mark, m) == 0 ? data : end;
    while (at < end) {
        const char *name = at + m, *line = memchr(name, '\n', (size_t)(end - name));
        if (line == NULL)
            return;
        const char *next = memmem(line, (size_t)(end - line), "\n=== ", m + 1);
        const char *stop = next == NULL ? end : next;
        put_file(name, (size_t)(line - name), line + 1,
                 stop > line ? (size_t)(stop - line - 1) : 0);
        at = next == NULL ? end : next + 1;
    }
}

static void read_matrix(const sb_matrix *w)
{
    static float row[MOST_COLUMNS];
    if (w->data == NULL || w->cols > MOST_COLUMNS)
        return;
    fuzz_must(w->rows > 0 && w->cols > 0, "no empty matrix");
    (void)sb_matrix_row(w, 0, row);
    (void)sb_matrix_row(w, w->rows - 1, row);
}

static void read_vector(const float *v, int64_t n)
{
    volatile float sum = 0;
    for (int64_t i = 0; v != NULL && i < n; i++)
        sum += v[i];
}

static void use(const sb_checkpoint *c)
{
    const sb_model_config *m = sb_checkpoint_config(c);
    fuzz_model_config(m);
    fuzz_must(strlen(sb_checkpoint_identity(c)) == 32 && m->vocab > 0, "identity and vocabulary");
    for (int64_t l = 0; l < m->n_layers; l++) {
        const sb_layer_weights *w      = sb_checkpoint_layer(c, l);
        const sb_matrix *const  all[]  = {&w->q,    &w->k,  &w->v,    &w->o,
                                          &w->gate, &w->up, &w->down, &w->u};
        const float *const      wide[] = {w->norm1, w->norm2, w->post1, w->post2};
        for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
            read_matrix(all[i]);
            read_vector(all[i]->bias, all[i]->rows);
        }
        for (size_t i = 0; i < sizeof wide / sizeof *wide; i++)
            read_vector(wide[i], m->width);
        read_vector(w->q_norm, m->head_dim);
        read_vector(w->k_norm, m->head_dim);
        read_vector(w->theta, m->heads * m->head_dim);
    }
    read_matrix(sb_checkpoint_embedding(c));
    read_matrix(sb_checkpoint_head(c));
    read_vector(sb_checkpoint_norm(c), m->width);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sb_checkpoint *c = NULL;
    make_folder();
    unpack((const char *)data, size);
    sb_status st = sb_checkpoint_open(folder, &c);
    fuzz_must(st == SB_OK || st == SB_ERR_USAGE || st == SB_ERR_UNSUPPORTED,
              "a model, or the folder's mistake");
    fuzz_must(st == SB_OK || strncmp(sb_error_text(), folder, strlen(folder)) == 0,
              "an error names the folder");
    if (st == SB_OK)
        use(c);
    *(st == SB_OK ? &fuzz_taken : &fuzz_refused) += 1;
    sb_checkpoint_close(c);
    return 0;
}

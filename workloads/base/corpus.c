/* Text below a directory -> one 32-bit hash a word, in path order.
 *
 * A word is a maximal run of ASCII letters, digits, apostrophes and bytes >= 0x80 (so UTF-8 letters
 * stay whole); case counts. Files are visited depth first, the entries of a directory in byte order
 * of their names. Symbolic links to files are followed, links to directories are not: that is what
 * keeps a loop from arising. The identity is the SHA-256 over every word and a line feed, which
 * does not depend on where the directory lies or on how its words are spread over files. */
#include "workloads/base/corpus.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <xxhash.h>

#include "workloads/base/sha256.h"

#define MIN_WORDS 1000
#define MAX_ENTRIES 1000000
#define PROBE_BYTES 4096 /* a NUL in here makes a file binary */

int64_t sbi_corpus_max_bytes = INT64_C(2) << 30;

typedef struct builder {
    sb_corpus *c;
    sbi_sha256 sha;
    int64_t    capacity_words, text_bytes, skipped_files;
    char      *buf;
    size_t     buf_bytes;
} builder;

static int is_word_byte(unsigned char b)
{
    return (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z') || (b >= '0' && b <= '9') ||
           b == '\'' || b >= 0x80;
}

static sb_status add_word(builder *b, const char *word, size_t bytes)
{
    sb_corpus *c = b->c;
    if (c->n_words == b->capacity_words) {
        int64_t   want = b->capacity_words > 0 ? 2 * b->capacity_words : 65536;
        uint32_t *more = realloc(c->word_hash, (size_t)want * sizeof *more);
        if (more == NULL)
            return sb_fail(SB_ERR_NOMEM, "no memory for %" PRId64 " words", want);
        c->word_hash      = more;
        b->capacity_words = want;
    }
    c->word_hash[c->n_words++] = (uint32_t)XXH3_64bits(word, bytes);
    return SB_OK;
}

/* text has room for one byte more. Words are moved together in place, each with a line feed, so
 * that the hash is fed once a file. */
static sb_status add_text(builder *b, char *text, size_t bytes)
{
    size_t out = 0;
    for (size_t i = 0; i < bytes;) {
        size_t begin = i;
        while (i < bytes && is_word_byte((unsigned char)text[i]))
            i++;
        if (i > begin) {
            sb_status st = add_word(b, text + begin, i - begin);
            if (st != SB_OK)
                return st;
            memmove(text + out, text + begin, i - begin);
            out += i - begin;
            text[out++] = '\n';
        }
        i++; /* the byte that ended the word, or one that started none */
    }
    sbi_sha256_put(&b->sha, text, out);
    return SB_OK;
}

static sb_status read_up_to(int fd, const char *path, char *buf, size_t bytes, size_t *got)
{
    size_t n = 0;
    while (n < bytes) {
        ssize_t r = read(fd, buf + n, bytes - n);
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return sb_fail(SB_ERR_IO, "%s: %s", path, strerror(errno));
        if (r == 0)
            break;
        n += (size_t)r;
    }
    *got = n;
    return SB_OK;
}

static sb_status buffer_reserve(builder *b, size_t bytes)
{
    char *more;
    if (bytes <= b->buf_bytes)
        return SB_OK;
    more = realloc(b->buf, bytes);
    if (more == NULL)
        return sb_fail(SB_ERR_NOMEM, "no memory for %zu bytes of text", bytes);
    b->buf       = more;
    b->buf_bytes = bytes;
    return SB_OK;
}

static sb_status add_open_file(builder *b, int fd, const char *path, int64_t file_bytes)
{
    size_t    got = 0, more = 0;
    size_t    probe = file_bytes < PROBE_BYTES ? (size_t)file_bytes : PROBE_BYTES;
    sb_status st    = buffer_reserve(b, PROBE_BYTES + 1);
    if (st == SB_OK)
        st = read_up_to(fd, path, b->buf, probe, &got);
    if (st != SB_OK)
        return st;
    if (memchr(b->buf, '\0', got) != NULL) {
        b->skipped_files++;
        return SB_OK;
    }
    if (file_bytes > sbi_corpus_max_bytes - b->text_bytes)
        return sb_fail(SB_ERR_USAGE,
                       "more than %" PRId64
                       " bytes of text (reached at %s): name a smaller directory",
                       sbi_corpus_max_bytes, path);
    st = buffer_reserve(b, (size_t)file_bytes + 1);
    if (st == SB_OK)
        st = read_up_to(fd, path, b->buf + got, (size_t)file_bytes - got, &more);
    if (st != SB_OK)
        return st;
    b->text_bytes += (int64_t)(got + more);
    b->c->n_files++;
    return add_text(b, b->buf, got + more);
}

static sb_status add_file(builder *b, const char *path, const struct stat *info)
{
    size_t    n = strlen(path);
    sb_status st;
    int       fd;
    if (info->st_size == 0 || (n > 3 && strcmp(path + n - 3, ".gz") == 0)) {
        b->skipped_files++;
        return SB_OK;
    }
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return sb_fail(SB_ERR_IO, "%s: %s", path, strerror(errno));
    st = add_open_file(b, fd, path, (int64_t)info->st_size);
    (void)close(fd);
    return st;
}

static sb_status add_entry(builder *b, const FTSENT *e)
{
    struct stat target;
    switch (e->fts_info) {
    case FTS_F:
        return add_file(b, e->fts_path, e->fts_statp);
    case FTS_SL: /* dangling links and links to directories are passed over */
        if (stat(e->fts_path, &target) == 0 && S_ISREG(target.st_mode))
            return add_file(b, e->fts_path, &target);
        return SB_OK;
    case FTS_DNR:
    case FTS_ERR:
    case FTS_NS:
        return sb_fail(SB_ERR_IO, "%s: %s", e->fts_path, strerror(e->fts_errno));
    default:
        return SB_OK;
    }
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

static sb_status add_tree(builder *b, char *root)
{
    char     *roots[2] = {root, NULL};
    int64_t   entries  = 0;
    sb_status st       = SB_OK;
    FTSENT   *e;
    /* NOCHDIR: a library does not move its process. COMFOLLOW: the root itself may be a link. */
    FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR, by_name);
    if (tree == NULL)
        return sb_fail(SB_ERR_IO, "%s", strerror(errno));
    while (st == SB_OK && (errno = 0, e = fts_read(tree)) != NULL) {
        if (++entries > MAX_ENTRIES)
            st = sb_fail(SB_ERR_USAGE,
                         "more than %d files (reached at %s): name a smaller directory",
                         MAX_ENTRIES, e->fts_path);
        else
            st = add_entry(b, e);
    }
    if (st == SB_OK && errno != 0)
        st = sb_fail(SB_ERR_IO, "%s", strerror(errno));
    (void)fts_close(tree);
    return st;
}

static sb_status check_directory(const char *path)
{
    struct stat info;
    if (path[0] == '\0')
        return sb_fail(SB_ERR_USAGE, "an empty path; allowed: zipf, default, or a directory");
    if (stat(path, &info) != 0)
        return errno == ENOENT
                   ? sb_fail(SB_ERR_USAGE,
                             "no such directory; allowed: zipf, default, or a directory")
                   : sb_fail(SB_ERR_IO, "%s", strerror(errno));
    if (!S_ISDIR(info.st_mode))
        return sb_fail(SB_ERR_USAGE, "not a directory; name the directory that holds the text");
    return SB_OK;
}

static sb_status check_words(const builder *b)
{
    if (b->c->n_files == 0)
        return sb_fail(SB_ERR_USAGE,
                       "no text file found (%" PRId64 " empty, binary or .gz files passed over)",
                       b->skipped_files);
    if (b->c->n_words < MIN_WORDS)
        return sb_fail(SB_ERR_USAGE,
                       "%" PRId64 " words in %" PRId64 " text files; at least %d needed",
                       b->c->n_words, b->c->n_files, MIN_WORDS);
    return SB_OK;
}

static sb_status load_text(sb_corpus *c)
{
    builder   b = {.c = c};
    sb_status st;
    sbi_sha256_init(&b.sha);
    st = check_directory(c->name);
    if (st == SB_OK)
        st = add_tree(&b, c->name);
    if (st == SB_OK)
        st = check_words(&b);
    sb_status hashed = sbi_sha256_hex(&b.sha, c->sha256); /* also frees, so always called */
    free(b.buf);
    return st != SB_OK ? st : hashed;
}

static sb_status load_zipf(sb_corpus *c)
{
    static const char form[] = "zipf 1/(r+3) over 4096, 65536 slots";
    sbi_sha256        h;
    sbi_sha256_init(&h);
    sbi_sha256_put(&h, form, sizeof form);
    return sbi_sha256_hex(&h, c->sha256);
}

sb_status sb_corpus_open(const char *spec, sb_corpus **out)
{
    sb_status  st;
    int        zipf = strcmp(spec, "zipf") == 0;
    sb_corpus *c    = calloc(1, sizeof *c);
    if (c == NULL)
        return sb_fail(SB_ERR_NOMEM, "corpus %s: no memory for the handle", spec);
    c->name = strdup(strcmp(spec, "default") == 0 ? SB_CORPUS_DEFAULT_PATH : spec);
    if (c->name == NULL)
        st = sb_fail(SB_ERR_NOMEM, "no memory for the name");
    else
        st = zipf ? load_zipf(c) : load_text(c);
    if (st != SB_OK) {
        sb_wrap(st, "corpus %s", spec);
        sb_corpus_close(c);
        return st;
    }
    *out = c;
    return SB_OK;
}

void sb_corpus_close(sb_corpus *c)
{
    if (c == NULL)
        return;
    free(c->word_hash);
    free(c->name);
    free(c);
}

/* Text below a directory -> one 32-bit hash a word, in path order.
 *
 * A word is a maximal run of ASCII letters, digits, apostrophes and bytes >= 0x80 (so UTF-8 letters
 * stay whole); case counts. The identity is the SHA-256 over every word and a line feed, which
 * does not depend on where the directory lies or on how its words are spread over files. */
#include "workloads/base/corpus.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <xxhash.h>

#include "workloads/base/sha256.h"
#include "workloads/base/text_files.h"

#define MIN_WORDS 1000

int64_t sbi_corpus_max_bytes = INT64_C(2) << 30;

typedef struct builder {
    sb_corpus *c;
    sbi_sha256 sha;
    int64_t    capacity_words;
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

/* text has room for one byte more. */
static sb_status add_file(void *ctx, const char *path, char *text, size_t bytes)
{
    (void)path;
    return add_text(ctx, text, bytes);
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

static sb_status check_words(const builder *b, int64_t skipped_files)
{
    if (b->c->n_files == 0)
        return sb_fail(SB_ERR_USAGE,
                       "no text file found (%" PRId64 " empty, binary or .gz files passed over)",
                       skipped_files);
    if (b->c->n_words < MIN_WORDS)
        return sb_fail(SB_ERR_USAGE,
                       "%" PRId64 " words in %" PRId64 " text files; at least %d needed",
                       b->c->n_words, b->c->n_files, MIN_WORDS);
    return SB_OK;
}

static sb_status load_text(sb_corpus *c)
{
    builder        b = {.c = c};
    sbi_text_files w = {.take = add_file, .ctx = &b, .max_bytes = sbi_corpus_max_bytes};
    sb_status      st, hashed;
    sbi_sha256_init(&b.sha);
    st = check_directory(c->name);
    if (st == SB_OK)
        st = sbi_text_files_walk(c->name, &w);
    c->n_files = w.n_files;
    if (st == SB_OK)
        st = check_words(&b, w.skipped_files);
    hashed = sbi_sha256_hex(&b.sha, c->sha256); /* also frees, so always called */
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

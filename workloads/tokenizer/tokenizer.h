/* BPE tokenizers of language models, byte-level and SentencePiece (spec models 5): text -> the ids
 * that the model was trained on, and back. Read from a Hugging Face tokenizer.json, from the
 * metadata of a GGUF file, or from SentencePiece's tokenizer.model. Ids are those of the original:
 * what a file asks for and this code does not do is refused by name, never left out.
 *
 *   bytes -> valid UTF-8 -> added tokens cut out -> NFC (Qwen2), blanks (SentencePiece)
 *         -> pieces (a pattern) -> merges
 *
 * An sb_tok is read-only once it is open: any number of threads share it. What a thread needs for
 * itself (match data, piece cache, scratch) is an sb_tok_ctx, one a thread. */
#ifndef SB_WORKLOADS_TOKENIZER_TOKENIZER_H
#define SB_WORKLOADS_TOKENIZER_TOKENIZER_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/base/status.h"

typedef struct sb_tok     sb_tok;
typedef struct sb_tok_ctx sb_tok_ctx;

/* pre: a splitter of sb_tok_splitters() instead of the one that a GGUF file names; NULL: the
 * file's. */
typedef struct sb_tok_options {
    const char *pre;
} sb_tok_options;

/* path: a tokenizer.json, a .gguf file, a tokenizer.model, or a directory that holds a
 * tokenizer.json or, without that, a tokenizer.model. opt may be NULL. Errors name file and key:
 * SB_ERR_IO; SB_ERR_USAGE the file is damaged or contradicts itself; SB_ERR_UNSUPPORTED it is sound
 * but asks for something else than SentencePiece BPE or byte-level BPE with one of the known
 * splitters; SB_ERR_NOMEM. *out changes on success only. */
sb_status sb_tok_open(const char *path, const sb_tok_options *opt, sb_tok **out);

/* The same from memory; `name` stands in errors. Nothing of data is kept. */
sb_status sb_tok_open_bytes(const char *name, const void *data, size_t bytes,
                            const sb_tok_options *opt, sb_tok **out);
void      sb_tok_close(sb_tok *t);

/* Ids are 0 .. size - 1. A model's embedding may have more rows (padding): mask their logits. */
int32_t sb_tok_size(const sb_tok *t);

/* 64 hex digits over everything that decides about ids: tokens, merges, added tokens, splitter,
 * normaliser, BOS. Two files with the same content have the same hash whatever their layout. */
const char *sb_tok_sha256(const sb_tok *t);
const char *sb_tok_splitter(const sb_tok *t); /* "gpt-2", "llama-bpe", ..., "sentencepiece" */
const char *sb_tok_splitters(void); /* names of the byte-level ones, for errors and help */

/* Of the libraries at run time: "10.42 2022-12-11, Unicode 14.0.0" and "2.8.0". */
void        sb_tok_pcre2_version(char *buf, size_t n);
const char *sb_tok_utf8proc_version(void);

typedef enum sb_tok_role {
    SB_TOK_ROLE_BOS = 0,
    SB_TOK_ROLE_EOS,
    SB_TOK_ROLE_EOT,
    SB_TOK_ROLE_UNK,
    SB_TOK_ROLE_PAD,
    SB_TOK_ROLE_COUNT
} sb_tok_role;

/* The id, or -1 where the file names none. A tokenizer.json names BOS alone (in its template): ask
 * sb_tok_find for the others by their text. */
int32_t sb_tok_special(const sb_tok *t, sb_tok_role role);
int     sb_tok_is_special(const sb_tok *t, int32_t id); /* control tokens, skipped by decode */
int     sb_tok_adds_bos(const sb_tok *t);               /* the original puts BOS before a text */

/* The id of a token by its bytes ("<|eot_id|>", " the"), or -1. */
int32_t sb_tok_find(const sb_tok *t, const void *bytes, size_t n);
/* The bytes of one token, not ended by a zero; NULL for ids outside the vocabulary. SentencePiece's
 * U+2581 is a blank, its <0x0A> that byte. */
const unsigned char *sb_tok_bytes(const sb_tok *t, int32_t id, size_t *n);

sb_status sb_tok_ctx_create(const sb_tok *t, sb_tok_ctx **out); /* 4 MiB of piece cache */
void      sb_tok_ctx_destroy(sb_tok_ctx *c);

/* Ids of one or more calls, appended; {0} is empty. */
typedef struct sb_tok_ids {
    int32_t *ids;
    int64_t  n, capacity;
} sb_tok_ids;
void sb_tok_ids_fini(sb_tok_ids *v);

typedef enum sb_tok_specials {
    SB_TOK_SPECIALS_PARSE = 0, /* as the original: special tokens anywhere in the text */
    SB_TOK_SPECIALS_LITERAL    /* their letters are text like any other */
} sb_tok_specials;

typedef enum sb_tok_bos {
    SB_TOK_BOS_NONE = 0,
    SB_TOK_BOS_AUTO,  /* where the original adds one, unless the text starts with it already */
    SB_TOK_BOS_ALWAYS /* also where the text starts with it; SB_ERR_UNSUPPORTED without a BOS id */
} sb_tok_bos;

typedef struct sb_tok_part {
    const void     *bytes;
    size_t          n;
    sb_tok_specials specials;
} sb_tok_part;

/* Append the ids of a text. Bytes that are no UTF-8 become U+FFFD, as Python's errors="replace"
 * does. Cost: linear in n up to a logarithm, whatever the text (README.md has figures); scratch up
 * to 28 bytes for each byte of the longest piece. Errors: SB_ERR_NOMEM; SB_ERR_UNSUPPORTED a piece
 * of 2^31 bytes. On error *out holds what it held. */
sb_status sb_tok_encode(sb_tok_ctx *c, const void *bytes, size_t n, sb_tok_specials specials,
                        sb_tok_bos bos, sb_tok_ids *out);

/* The same for the parts one after the other, as one text: merges run across their seams, special
 * tokens are found only where all their letters lie in parts that say PARSE. So a wrapper's tokens
 * count and those that a document happens to spell do not. Each part is UTF-8 by itself. */
sb_status sb_tok_encode_parts(sb_tok_ctx *c, const sb_tok_part *parts, int64_t n_parts,
                              sb_tok_bos bos, sb_tok_ids *out);

/* How many ids sb_tok_encode would append (no BOS); keeps none of them. */
sb_status sb_tok_count(sb_tok_ctx *c, const void *bytes, size_t n, sb_tok_specials specials,
                       int64_t *count);

/* The last place in (0, limit] where the text may be cut so that the ids of the two sides stand one
 * after the other exactly as in the whole: between a letter or number and a blank [5.4]. limit < n.
 * 0: there is none. For threads, and for whoever keeps the ids of a beginning. The right side is to
 * be given to the calls below: SentencePiece puts a blank in front of a text, and not here. */
size_t sb_tok_safe_cut(const sb_tok *t, const void *bytes, size_t n, size_t limit);

/* sb_tok_encode and sb_tok_count of what stands behind a safe cut. For byte-level BPE they are the
 * same. */
sb_status sb_tok_encode_rest(sb_tok_ctx *c, const void *bytes, size_t n, sb_tok_specials specials,
                             sb_tok_ids *out);
sb_status sb_tok_count_rest(sb_tok_ctx *c, const void *bytes, size_t n, sb_tok_specials specials,
                            int64_t *count);

/* Ids of a text that grows at its end. append keeps what is not behind a safe cut and counts the
 * rest for good; value counts what was kept, so its cost is the text since the last safe cut. */
typedef struct sb_tok_counter sb_tok_counter;
sb_status sb_tok_counter_create(sb_tok_ctx *c, sb_tok_specials specials, sb_tok_counter **out);
sb_status sb_tok_counter_append(sb_tok_counter *k, const void *bytes, size_t n);
sb_status sb_tok_counter_value(sb_tok_counter *k, int64_t *count);
void      sb_tok_counter_reset(sb_tok_counter *k); /* empty text */
void      sb_tok_counter_destroy(sb_tok_counter *k);

typedef enum sb_tok_show { SB_TOK_SHOW_TEXT = 0, SB_TOK_SHOW_SPECIALS } sb_tok_show;

/* The text of ids, with a zero behind it, to be freed by the caller; *bytes (may be NULL) without
 * the zero. Special tokens are left out unless show says otherwise; bytes that are no UTF-8 become
 * U+FFFD. SB_ERR_USAGE: an id outside the vocabulary. */
sb_status sb_tok_decode(const sb_tok *t, const int32_t *ids, int64_t n, sb_tok_show show,
                        char **text, size_t *bytes);

/* Decoding id by id: push hands out the characters that are complete, end what is left. Joined they
 * are the text of sb_tok_decode. *text is valid until the next call. */
typedef struct sb_tok_stream sb_tok_stream;
sb_status sb_tok_stream_create(const sb_tok *t, sb_tok_show show, sb_tok_stream **out);
sb_status sb_tok_stream_push(sb_tok_stream *s, int32_t id, const char **text, size_t *bytes);
sb_status sb_tok_stream_end(sb_tok_stream *s, const char **text, size_t *bytes);
void      sb_tok_stream_destroy(sb_tok_stream *s);

#endif

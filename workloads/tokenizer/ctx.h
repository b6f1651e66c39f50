/* What one thread encodes with. */
#ifndef SB_WORKLOADS_TOKENIZER_CTX_H
#define SB_WORKLOADS_TOKENIZER_CTX_H

#include "workloads/tokenizer/utf8.h"
#include "workloads/tokenizer/vocab.h"

#define SBI_CACHE_ENTRIES 65536
#define SBI_CACHE_TEXT 31 /* longest piece that is kept */
#define SBI_CACHE_IDS 7

/* One cache line: the piece, zero-padded, its length in the last byte (0: empty), and its ids. */
typedef struct sbi_cache_entry {
    uint64_t key[4];
    int32_t  ids[SBI_CACHE_IDS];
    int32_t  n;
} sbi_cache_entry;

/* Symbols of a long piece, and a heap of its pairs: rank << 32 | position. */
typedef struct sbi_long_piece {
    int32_t  *id, *next, *prev;
    int64_t   capacity;
    uint64_t *heap;
    int64_t   n_heap, heap_capacity;
} sbi_long_piece;

/* The text that SentencePiece's blanks were made of: byte `to` of the result stood at s[from]. */
typedef struct sbi_sp_source_at {
    const unsigned char *s;
    size_t               n, from, to;
} sbi_sp_source_at;

struct sb_tok_ctx {
    const sb_tok    *t;
    sbi_splitter    *splitter;
    sbi_cache_entry *cache;
    sbi_long_piece   piece;
    sbi_bytes        text; /* the input, when it had to be changed or joined */
    sbi_nfc          nfc;
    sbi_bytes        blanks; /* a stretch with SentencePiece's blanks */
    sbi_sp_source_at source;
    int              is_rest; /* the text stands behind a safe cut */
    size_t          *seams;   /* pairs begin, end in `text`: where no special token may touch */
    int64_t          n_seams, max_seams;
    sb_tok_ids      *out; /* NULL: count only */
    int64_t          count;
};

/* Emit the ids of n >= 1 bytes of valid UTF-8 that the pattern left in one piece. */
sb_status sbi_piece_encode(sb_tok_ctx *c, const unsigned char *s, size_t n);
sb_status sbi_emit(sb_tok_ctx *c, const int32_t *ids, int64_t n);

#endif

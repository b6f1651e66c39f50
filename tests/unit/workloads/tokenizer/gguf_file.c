#include "tests/unit/workloads/tokenizer/gguf_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void put(gguf_file *g, const void *s, size_t n)
{
    if (n > sizeof g->data - g->n)
        abort();
    memcpy(g->data + g->n, s, n);
    g->n += n;
}

static void put_le(gguf_file *g, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++, v >>= 8)
        put(g, &(unsigned char){(unsigned char)v}, 1);
}

void gguf_u32(gguf_file *g, uint32_t v) { put_le(g, v, 4); }
void gguf_u64(gguf_file *g, uint64_t v) { put_le(g, v, 8); }

void gguf_begin(gguf_file *g, uint32_t version)
{
    g->n      = 0;
    g->n_keys = 0;
    put(g, "GGUF", 4);
    gguf_u32(g, version);
    gguf_u64(g, 0);
    gguf_u64(g, 0);
}

void gguf_text(gguf_file *g, const char *s)
{
    gguf_u64(g, strlen(s));
    put(g, s, strlen(s));
}

void gguf_key(gguf_file *g, const char *key, uint32_t type)
{
    size_t end = g->n;
    g->n_keys++;
    g->n = 16;
    gguf_u64(g, g->n_keys);
    g->n = end;
    gguf_text(g, key);
    gguf_u32(g, type);
}

void gguf_string(gguf_file *g, const char *key, const char *value)
{
    gguf_key(g, key, 8);
    gguf_text(g, value);
}

void gguf_int(gguf_file *g, const char *key, uint32_t value)
{
    gguf_key(g, key, 4);
    gguf_u32(g, value);
}

void gguf_array(gguf_file *g, const char *key, uint32_t type, uint64_t n)
{
    gguf_key(g, key, 9);
    gguf_u32(g, type);
    gguf_u64(g, n);
}

static void byte_text(gguf_file *g, int b)
{
    int  next = 0x100, code = b;
    char s[3] = "";
    for (int i = 0; i <= b; i++) {
        int own = (i >= 0x21 && i <= 0x7E) || (i >= 0xA1 && i <= 0xAC) || i >= 0xAE;
        code    = own ? i : next++;
    }
    if (code < 0x80) {
        s[0] = (char)code;
    } else {
        s[0] = (char)(0xC0 | code >> 6);
        s[1] = (char)(0x80 | (code & 63));
    }
    gguf_text(g, s);
}

void gguf_small(gguf_file *g, const char *model, const char *pre, int left_out)
{
    static const char *const more[]   = {"bc",
                                         "ab",
                                         "abc",
                                         "\xC4\xA0"
                                           "a",
                                         "aa",
                                         "aaaa",
                                         "st",
                                         "'s",
                                         "<|end|>",
                                         "<mark>"};
    static const char *const merges[] = {"b c", "a b",   "a bc", "\xC4\xA0 a",
                                         "a a", "aa aa", "s t",  "' s"};
    gguf_begin(g, 3);
    gguf_string(g, "general.architecture", "llama");
    gguf_array(g, "general.tags", 8, 2);
    gguf_text(g, "one");
    gguf_text(g, "");
    gguf_array(g, "some.numbers", 12, 3);
    for (int i = 0; i < 3; i++)
        gguf_u64(g, 7);
    gguf_key(g, "some.flag", 7);
    put(g, "\1", 1);
    if (!(left_out & G_MODEL))
        gguf_string(g, "tokenizer.ggml.model", model);
    if (!(left_out & G_PRE))
        gguf_string(g, "tokenizer.ggml.pre", pre);
    if (!(left_out & G_TOKENS)) {
        gguf_array(g, "tokenizer.ggml.tokens", 8, 266);
        for (int b = 0; b < 256; b++)
            byte_text(g, b);
        for (int i = 0; i < 10; i++)
            gguf_text(g, more[i]);
    }
    if (!(left_out & G_TYPES)) {
        gguf_array(g, "tokenizer.ggml.token_type", 5, 266);
        for (int i = 0; i < 266; i++)
            gguf_u32(g, i == 264 ? 3 : i == 265 ? 4 : 1);
    }
    if (!(left_out & G_MERGES)) {
        gguf_array(g, "tokenizer.ggml.merges", 8, 8);
        for (int i = 0; i < 8; i++)
            gguf_text(g, merges[i]);
    }
    if (!(left_out & G_BOS))
        gguf_int(g, "tokenizer.ggml.bos_token_id", 264);
    if (!(left_out & G_ADD_BOS)) {
        gguf_key(g, "tokenizer.ggml.add_bos_token", 7);
        put(g, "\0", 1);
    }
    gguf_string(g, "tokenizer.chat_template", "{{ text }}");
}

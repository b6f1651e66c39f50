/* libyaml events -> located tree. Only this file and library.c include yaml.h. */
#include "harness/config/tree.h"

#include <inttypes.h>
#include <string.h>
#include <yaml.h>

sbi_node *sbi_node_new(sbi_ctx *c, sbi_kind kind, sbi_pos pos)
{
    sbi_node *n = sbi_pool_alloc(&c->temp, 1, sizeof *n);
    if (n != NULL)
        *n = (sbi_node){.kind = kind, .pos = pos, .text = "", .self = n};
    return n;
}

int sbi_node_add(sbi_ctx *c, sbi_node *to, sbi_node *key, sbi_node *item)
{
    void *items = to->item, *keys = to->key;
    if (!sbi_pool_grow(&c->temp, &items, to->n, &to->capacity, sizeof *to->item))
        return 0;
    to->item = items;
    if (key != NULL) {
        if (!sbi_pool_grow(&c->temp, &keys, to->n, &to->key_capacity, sizeof *to->key))
            return 0;
        to->key        = keys;
        to->key[to->n] = key;
    }
    to->item[to->n++] = item;
    item->parent      = to;
    return 1;
}

sbi_node *sbi_map_get(const sbi_node *map, const char *key)
{
    for (int64_t i = 0; map->kind == SBI_MAP && i < map->n; i++)
        if (strcmp(map->key[i]->text, key) == 0)
            return map->item[i];
    return NULL;
}

const char *sbi_node_path(sbi_ctx *c, const sbi_node *n)
{
    const sbi_node *up  = n->parent;
    const char     *out = "";
    int64_t         i   = 0;
    if (up == NULL)
        return "";
    while (i < up->n && up->item[i] != n)
        i++;
    const char *head = sbi_node_path(c, up);
    if (up->kind == SBI_LIST)
        out = sbi_pool_printf(&c->temp, "%s[%" PRId64 "]", head, i);
    else if (i < up->n)
        out = sbi_pool_printf(&c->temp, "%s%s%s", head, head[0] != '\0' ? "." : "",
                              sbi_safe(c, up->key[i]->text));
    return out != NULL ? out : "";
}

/* Collections that are open, the innermost last; in a map `key` waits for its value. */
typedef struct frame {
    sbi_node *node;
    sbi_node *key;
    int       is_key; /* this collection stands where a key should */
    int       drop;   /* the waiting key was refused: its value is read and dropped */
} frame;

typedef struct builder {
    sbi_ctx  *c;
    int32_t   set;
    frame     open[SBI_MAX_LEVELS];
    int       depth;
    sbi_node *root;
    int       too_much; /* a limit was hit: stop */
} builder;

static sbi_pos place(const builder *b, yaml_mark_t m)
{
    return (sbi_pos){b->set, (int32_t)m.line + 1, (int32_t)m.column + 1};
}

static const char *open_path(builder *b)
{
    return b->depth > 0 ? sbi_node_path(b->c, b->open[b->depth - 1].node) : "";
}

static const char *child_path(builder *b, const char *key)
{
    const char *head = open_path(b);
    const char *out  = sbi_pool_printf(&b->c->temp, "%s%s%s", head, head[0] != '\0' ? "." : "",
                                       sbi_safe(b->c, key));
    return out != NULL ? out : "";
}

/* A key just read. Refused keys leave a mark, so that their values are read and dropped. */
static void take_key(builder *b, frame *f, sbi_node *n)
{
    f->key  = n;
    f->drop = 1;
    if (n->is_bad)
        return;
    if (n->kind != SBI_SCALAR) {
        sbi_error_add(b->c, n->pos, open_path(b), "found %s as a key, allowed a word",
                      n->kind == SBI_LIST ? "a list" : "a mapping");
        return;
    }
    if (strcmp(n->text, "<<") == 0) {
        sbi_error_add(b->c, n->pos, child_path(b, "<<"),
                      "found a merge key, allowed plain keys: write the entries out");
        return;
    }
    for (int64_t i = 0; i < f->node->n; i++)
        if (strcmp(f->node->key[i]->text, n->text) == 0) {
            sbi_error_add(b->c, n->pos, child_path(b, n->text),
                          "found the key a second time (first %s), allowed once",
                          sbi_where(b->c, f->node->key[i]->pos));
            return;
        }
    f->drop = 0;
}

/* A scalar, or a collection that begins: values are attached at once, so that paths of what is
 * inside are known. */
static void take(builder *b, sbi_node *n, int is_key)
{
    frame *f = b->depth > 0 ? &b->open[b->depth - 1] : NULL;
    if (f == NULL) {
        b->root = n;
        return;
    }
    if (is_key) {
        take_key(b, f, n);
        return;
    }
    if (f->node->n >= (f->node->kind == SBI_MAP ? SBI_MAX_KEYS : SBI_MAX_ENTRIES)) {
        sbi_error_add(b->c, n->pos, open_path(b), "found more than %d entries, allowed at most %d",
                      f->node->kind == SBI_MAP ? SBI_MAX_KEYS : SBI_MAX_ENTRIES,
                      f->node->kind == SBI_MAP ? SBI_MAX_KEYS : SBI_MAX_ENTRIES);
        b->too_much = 1;
        return;
    }
    if (f->node->kind == SBI_LIST)
        (void)sbi_node_add(b->c, f->node, NULL, n);
    else if (!f->drop)
        (void)sbi_node_add(b->c, f->node, f->key, n);
    f->key = NULL;
}

/* Does the next node stand where a key should? */
static int key_next(const builder *b)
{
    return b->depth > 0 && b->open[b->depth - 1].node->kind == SBI_MAP &&
           b->open[b->depth - 1].key == NULL;
}

static const char *here(builder *b)
{
    const frame *f = b->depth > 0 ? &b->open[b->depth - 1] : NULL;
    if (f != NULL && f->node->kind == SBI_MAP && f->key != NULL && f->key->kind == SBI_SCALAR)
        return child_path(b, f->key->text);
    if (f != NULL && f->node->kind == SBI_LIST) {
        const char *p = sbi_pool_printf(&b->c->temp, "%s[%" PRId64 "]", open_path(b), f->node->n);
        return p != NULL ? p : "";
    }
    return open_path(b);
}

static void check_decoration(builder *b, sbi_node *n, const yaml_char_t *anchor,
                             const yaml_char_t *tag)
{
    if (anchor != NULL)
        sbi_error_add(b->c, n->pos, here(b),
                      "found the anchor `&%s`, allowed plain values: write it out",
                      sbi_safe(b->c, (const char *)anchor));
    if (tag != NULL)
        sbi_error_add(b->c, n->pos, here(b),
                      "found the tag `%s`, allowed plain values without tags",
                      sbi_safe(b->c, (const char *)tag));
    n->is_bad = anchor != NULL || tag != NULL;
}

static int is_null_word(const char *s)
{
    return s[0] == '\0' || strcmp(s, "~") == 0 || strcmp(s, "null") == 0 ||
           strcmp(s, "Null") == 0 || strcmp(s, "NULL") == 0;
}

static void on_scalar(builder *b, const yaml_event_t *e)
{
    sbi_node *n = sbi_node_new(b->c, SBI_SCALAR, place(b, e->start_mark));
    if (n == NULL)
        return;
    const char *s     = (const char *)e->data.scalar.value;
    size_t      bytes = e->data.scalar.length;
    check_decoration(b, n, e->data.scalar.anchor, e->data.scalar.tag);
    if (memchr(s, '\0', bytes) != NULL) {
        sbi_error_add(b->c, n->pos, here(b),
                      "found a NUL character in a string, allowed text without it");
        n->is_bad = 1;
        bytes     = strlen(s);
    }
    const char *copy = sbi_pool_text(&b->c->temp, s, bytes);
    if (copy == NULL)
        return;
    n->text    = copy;
    n->is_null = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && is_null_word(n->text);
    take(b, n, key_next(b));
}

static void on_alias(builder *b, const yaml_event_t *e)
{
    sbi_node *n = sbi_node_new(b->c, SBI_SCALAR, place(b, e->start_mark));
    if (n == NULL)
        return;
    n->is_bad = 1;
    sbi_error_add(b->c, n->pos, here(b),
                  "found the alias `*%s`, allowed plain values: write it out",
                  sbi_safe(b->c, (const char *)e->data.alias.anchor));
    take(b, n, key_next(b));
}

static void on_open(builder *b, const yaml_event_t *e)
{
    int       is_map = e->type == YAML_MAPPING_START_EVENT;
    sbi_node *n      = sbi_node_new(b->c, is_map ? SBI_MAP : SBI_LIST, place(b, e->start_mark));
    if (n == NULL)
        return;
    if (b->depth == SBI_MAX_LEVELS) {
        sbi_error_add(b->c, n->pos, "", "found more than %d levels of nesting, allowed at most %d",
                      SBI_MAX_LEVELS, SBI_MAX_LEVELS);
        b->too_much = 1;
        return;
    }
    check_decoration(b, n, is_map ? e->data.mapping_start.anchor : e->data.sequence_start.anchor,
                     is_map ? e->data.mapping_start.tag : e->data.sequence_start.tag);
    int is_key = key_next(b);
    if (!is_key)
        take(b, n, 0);
    b->open[b->depth++] = (frame){n, NULL, is_key, 0};
}

static void on_close(builder *b)
{
    frame f = b->open[--b->depth];
    if (f.is_key)
        take(b, f.node, 1);
}

static void on_syntax_error(builder *b, const yaml_parser_t *p)
{
    const char *problem = p->problem != NULL ? p->problem : "unreadable text";
    if (p->error == YAML_MEMORY_ERROR) {
        b->c->temp.failed = 1;
        return;
    }
    if (p->context != NULL)
        sbi_error_add(
            b->c, place(b, p->problem_mark), "",
            "found a YAML syntax error (%s from line %zu on: %s), allowed well-formed YAML",
            p->context, p->context_mark.line + 1, problem);
    else
        sbi_error_add(b->c, place(b, p->problem_mark), "",
                      "found a YAML syntax error (%s), allowed well-formed YAML", problem);
}

/* 1: go on, 0: the stream is over or cannot be read further. */
static int step(builder *b, const yaml_event_t *e, int *documents)
{
    switch (e->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (++*documents > 1) {
            sbi_error_add(b->c, place(b, e->start_mark), "",
                          "found a second document, allowed one a file");
            return 0;
        }
        break;
    case YAML_SCALAR_EVENT:
        on_scalar(b, e);
        break;
    case YAML_ALIAS_EVENT:
        on_alias(b, e);
        break;
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT:
        on_open(b, e);
        break;
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        on_close(b);
        break;
    case YAML_STREAM_END_EVENT:
        return 0;
    default:
        break;
    }
    return !b->too_much && !b->c->temp.failed;
}

sbi_node *sbi_tree_parse(sbi_ctx *c, const char *text, size_t bytes, int32_t set)
{
    builder       b = {.c = c, .set = set};
    yaml_parser_t p;
    yaml_event_t  e;
    int           documents = 0, more = 1, broken = 0;
    if (!yaml_parser_initialize(&p)) {
        c->temp.failed = 1;
        return NULL;
    }
    yaml_parser_set_encoding(&p, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&p, (const unsigned char *)text, bytes);
    while (more) {
        if (!yaml_parser_parse(&p, &e)) {
            on_syntax_error(&b, &p);
            broken = 1;
            break;
        }
        more = step(&b, &e, &documents);
        yaml_event_delete(&e);
    }
    yaml_parser_delete(&p);
    if (broken || b.too_much || c->temp.failed)
        return NULL;
    if (b.root == NULL && set > 0) {
        b.root = sbi_node_new(c, SBI_SCALAR, (sbi_pos){set, 1, 1});
        if (b.root != NULL)
            b.root->is_null = 1;
    } else if (b.root == NULL) {
        sbi_error_add(c, (sbi_pos){0, 1, 1}, "",
                      "found nothing (empty, or comments only), allowed a sweep");
    }
    return b.root;
}

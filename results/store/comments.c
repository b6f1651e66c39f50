/* Comments of our own SQL files, which keep one column a line. This is no parser of SQL: a column
 * that it misses has no comment, and then the schema page is refused. */
#include "results/store/comments.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct reading {
    sbi_comments *all;
    int           version;
    char          object[64];  /* whose columns follow; "" outside of CREATE TABLE */
    char          block[4096]; /* comment lines since the last statement */
    sbi_comments  columns;     /* of the block, whose object is not known yet */
    int           has_statement;
} reading;

static sb_status no_memory(void) { return sb_fail(SB_ERR_NOMEM, "no memory for comments of SQL"); }

static sb_status add(sbi_comments *c, const char *object, const char *column, size_t n,
                     const char *text, int version)
{
    if (c->n == c->room) {
        int          room  = c->room == 0 ? 64 : 2 * c->room;
        sbi_comment *grown = realloc(c->at, (size_t)room * sizeof *grown);
        if (grown == NULL)
            return no_memory();
        c->at   = grown;
        c->room = room;
    }
    sbi_comment *x = &c->at[c->n++];
    *x             = (sbi_comment){strdup(object), strndup(column, n), strdup(text), version};
    return x->object == NULL || x->column == NULL || x->text == NULL ? no_memory() : SB_OK;
}

void sbi_comments_fini(sbi_comments *c)
{
    for (int i = 0; i < c->n; i++) {
        free(c->at[i].object);
        free(c->at[i].column);
        free(c->at[i].text);
    }
    free(c->at);
    *c = (sbi_comments){0};
}

static const sbi_comment *find(const sbi_comments *c, const char *object, const char *column)
{
    for (int i = c->n; i-- > 0;) /* a later file knows better */
        if (strcmp(c->at[i].object, object) == 0 && strcmp(c->at[i].column, column) == 0)
            return &c->at[i];
    return NULL;
}

const char *sbi_comment_of(const sbi_comments *c, const char *object, const char *column)
{
    const sbi_comment *own = find(c, object, column);
    if ((own == NULL || own->text[0] == '\0') && column[0] != '\0')
        own = find(c, "", column);
    return own == NULL || own->text[0] == '\0' ? NULL : own->text;
}

int sbi_comment_version(const sbi_comments *c, const char *object, const char *column)
{
    for (int i = 0; i < c->n; i++)
        if (strcmp(c->at[i].object, object) == 0 && strcmp(c->at[i].column, column) == 0 &&
            c->at[i].version > 0)
            return c->at[i].version;
    return 0;
}

static size_t word_at(const char *p)
{
    size_t n = 0;
    while (isalnum((unsigned char)p[n]) || p[n] == '_')
        n++;
    return n;
}

static int begins(const char *line, const char *word)
{
    return strncmp(line, word, strlen(word)) == 0;
}

static const char *comment_in(const char *line) /* behind code; "" when there is none */
{
    const char *p = strstr(line, "--");
    for (p = p == NULL ? "" : p + 2; *p == ' ';)
        p++;
    return p;
}

/* The statement that a block of comments stands before. */
static sb_status named(reading *r, const char *name, int has_columns)
{
    char      object[64];
    sb_status st = SB_OK;
    (void)snprintf(object, sizeof object, "%.*s", (int)word_at(name), name);
    st = add(r->all, object, "", 0, r->block, r->version);
    for (int i = 0; st == SB_OK && i < r->columns.n; i++)
        st = add(r->all, object, r->columns.at[i].column, strlen(r->columns.at[i].column),
                 r->columns.at[i].text, r->version);
    (void)snprintf(r->object, sizeof r->object, "%s", has_columns ? object : "");
    return st;
}

/* "name: text", "object.name: text", or "object.: text" of the object itself */
static sb_status word_line(reading *r, const char *p, size_t n, int *is_word)
{
    char        object[64] = "";
    const char *column     = p;
    if (p[n] == '.') {
        (void)snprintf(object, sizeof object, "%.*s", (int)n, p);
        column = p + n + 1;
        n      = word_at(column);
    }
    *is_word = (n > 0 ? islower((unsigned char)*column) : object[0] != '\0') && column[n] == ':' &&
               column[n + 1] == ' ';
    return *is_word ? add(&r->columns, object, column, n, column + n + 2, 0) : SB_OK;
}

static sb_status comment_line(reading *r, const char *line)
{
    const char *p       = line + 2;
    int         is_word = 0;
    sb_status   st      = SB_OK;
    while (*p == ' ')
        p++;
    /* of a column: indented in front of a statement; in words.sql every line of that form */
    size_t n = word_at(p);
    if (n > 0 && (p - line > 3 || !r->has_statement))
        st = word_line(r, p, n, &is_word);
    size_t used = strlen(r->block);
    if (!is_word && r->columns.n == 0)
        (void)snprintf(r->block + used, sizeof r->block - used, "%s%s", used > 0 ? "\n" : "", p);
    return st;
}

static sb_status code_line(reading *r, const char *line)
{
    const char *p  = line;
    sb_status   st = SB_OK;
    while (*p == ' ')
        p++;
    if (begins(p, "CREATE TABLE ")) {
        st = named(r, p + strlen("CREATE TABLE "), 1);
    } else if (begins(p, "CREATE VIEW ")) {
        st = named(r, p + strlen("CREATE VIEW "), 0);
    } else if (begins(p, "ALTER TABLE ")) {
        char        object[64];
        const char *name = strstr(p, " ADD COLUMN ");
        p += strlen("ALTER TABLE ");
        (void)snprintf(object, sizeof object, "%.*s", (int)word_at(p), p);
        if (name != NULL) {
            name += strlen(" ADD COLUMN ");
            st = add(r->all, object, name, word_at(name), comment_in(name), r->version);
        }
    } else if (r->object[0] != '\0' && p > line) {
        size_t n = word_at(p);
        if (n > 0 && islower((unsigned char)*p)) /* PRIMARY KEY, CHECK ... are no columns */
            st = add(r->all, r->object, p, n, comment_in(p), r->version);
    } else {
        r->object[0] = '\0';
    }
    r->block[0] = '\0';
    sbi_comments_fini(&r->columns);
    return st;
}

sb_status sbi_comments_read(sbi_comments *c, const char *sql, int version)
{
    reading   r  = {.all = c, .version = version};
    sb_status st = SB_OK;
    for (const char *p = sql; *p != '\0' && !r.has_statement; p += *p != '\0') {
        r.has_statement = isupper((unsigned char)*p);
        p += strcspn(p, "\n");
    }
    for (const char *p = sql; *p != '\0' && st == SB_OK;) {
        size_t n    = strcspn(p, "\n");
        char  *line = strndup(p, n);
        if (line == NULL)
            st = no_memory();
        else if (begins(line, "--"))
            st = comment_line(&r, line);
        else if (line[0] != '\0')
            st = code_line(&r, line);
        else if (r.has_statement) /* a block apart is of the file */
            r.block[0] = '\0';
        free(line);
        p += n + (p[n] == '\n');
    }
    if (st == SB_OK && !r.has_statement) {
        st = add(c, "", "", 0, r.block, 0);
        for (int i = 0; st == SB_OK && i < r.columns.n; i++)
            st = add(c, r.columns.at[i].object, r.columns.at[i].column,
                     strlen(r.columns.at[i].column), r.columns.at[i].text, 0);
    }
    sbi_comments_fini(&r.columns);
    return st;
}

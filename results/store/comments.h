/* What the SQL of results/ says about its tables, views and columns, in comments. */
#ifndef SB_RESULTS_STORE_COMMENTS_H
#define SB_RESULTS_STORE_COMMENTS_H

#include "kernels/base/status.h"

typedef struct sbi_comment {
    char *object; /* table or view; "" of a word that means the same everywhere */
    char *column; /* "" of the object itself */
    char *text;
    int   version; /* migration that it stands in, 0: none */
} sbi_comment;
typedef struct sbi_comments {
    sbi_comment *at;
    int          n, room;
} sbi_comments;

/* Read the comments of one SQL text, in these places:
 *   lines before CREATE TABLE or CREATE VIEW: of the object; there "--   column: text": of a column
 *   behind a column of CREATE TABLE, on its line
 *   behind ALTER TABLE t ADD COLUMN c ...; on its line
 *   "-- column: text", "-- object.column: text", "-- object.: text" of a file without any statement
 * (words.sql); its lines before the first of these are of the object "" */
sb_status sbi_comments_read(sbi_comments *c, const char *sql, int version);
/* The object's own word for it, else the one that holds everywhere, else NULL. */
const char *sbi_comment_of(const sbi_comments *c, const char *object, const char *column);
int         sbi_comment_version(const sbi_comments *c, const char *object, const char *column);
/* migrate.c: those of all migrations and views */
sb_status sbi_schema_comments(sbi_comments *c);
void      sbi_comments_fini(sbi_comments *c);

#endif

/* Finished row files by the hash of what they were made from, shared by all who ask on this
 * machine.
 *
 *   DIR/sets/KE/KEY.rows   the rows              KEY: 64 hex digits, KE: its first two
 *               KEY.sum    sha256 of the rows, sha256 of the note, the note
 *               KEY.lock   empty; flock(2) on it says who makes the entry. Never removed
 *
 * An entry counts once its sum is there; it is renamed into place last, so that a process that dies
 * leaves an entry which is not there, not a wrong one. What is read is hashed while it is copied.
 * Copied, not linked: a file that its reader edits must not change the cache. The cache is never
 * emptied; removing DIR is safe while nobody makes sets.
 *
 * How to ask: fetch; not found: lock, fetch again (somebody may have made it while this one
 * waited), make, store, unlock. A process holds one lock at a time, so nobody waits in a circle. */
#ifndef SB_HARNESS_GEN_CACHE_H
#define SB_HARNESS_GEN_CACHE_H

#include <stdint.h>

#include "kernels/base/status.h"

typedef struct sb_gen_cache      sb_gen_cache;
typedef struct sb_gen_cache_lock sb_gen_cache_lock;

typedef struct sb_gen_cache_hit {
    int32_t found;
    char    sha256[65]; /* of the rows, where found */
    char   *note;       /* as stored, where found */
    char   *damaged; /* a sentence for the user where a damaged entry was met (found is 0 then) */
} sb_gen_cache_hit;

/* dir NULL: $SPAN_CACHE_DIR, else $XDG_CACHE_HOME/spanbench, else $HOME/.cache/spanbench (empty
 * variables count as not set, XDG_CACHE_HOME also where it is not absolute). Makes the folder and
 * tries to write there. Errors: SB_ERR_IO no place is named, or it cannot be written: go on without
 * a cache; SB_ERR_NOMEM. */
sb_status   sb_gen_cache_open(const char *dir, sb_gen_cache **out);
void        sb_gen_cache_close(sb_gen_cache *c); /* NULL is fine */
const char *sb_gen_cache_dir(const sb_gen_cache *c);

/* Copy the rows of key to dest (whole or not at all, over what is there) and fill hit, which
 * sb_gen_cache_hit_fini frees. Nothing there is SB_OK with found 0; so is a damaged entry, which is
 * removed. Needs no lock. Errors: SB_ERR_IO dest cannot be written, the entry not be opened;
 * SB_ERR_INTERNAL key is not 64 lower-case hex digits; SB_ERR_NOMEM. */
sb_status sb_gen_cache_fetch(const sb_gen_cache *c, const char *key, const char *dest,
                             sb_gen_cache_hit *hit);
void      sb_gen_cache_hit_fini(sb_gen_cache_hit *hit);

/* Become the maker of key: waits while another process (or thread) is. should_stop (NULL: never) is
 * asked about five times a second while waiting; it sees that there is a wait. The kernel frees the
 * lock of a process that dies. Errors: SB_ERR_STOPPED should_stop said so; SB_ERR_IO the folder
 * cannot be written or its file system has no locks; SB_ERR_INTERNAL as above; SB_ERR_NOMEM. */
sb_status sb_gen_cache_lock_key(const sb_gen_cache *c, const char   *key,
                                int (*should_stop)(void *arg), void *arg, sb_gen_cache_lock **out);
void      sb_gen_cache_unlock(sb_gen_cache_lock *l); /* NULL is fine */

/* Keep a copy of the file at path as the entry of the locked key, over what is there, with note: a
 * text that comes back with it (counts, for instance). Errors: SB_ERR_IO path cannot be read, no
 * room: the entry is not there then; SB_ERR_NOMEM. */
sb_status sb_gen_cache_store(const sb_gen_cache_lock *l, const char *path, const char *note);

#endif
